"""Sessions: one conversation with its history, its budget, and the figures of all that it took."""
