"""What tokens cost: price books, the rates in them, and what a call came to."""
