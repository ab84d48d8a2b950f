"""The client for synchronous code: facades over an event loop in a private thread."""
