"""Functions as tools of a model, and the loop that uses them."""
