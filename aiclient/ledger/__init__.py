"""The ledger: limits, balances, and the books that say what has been spent and what is reserved."""
