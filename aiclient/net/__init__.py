"""What HTTP stands on: addresses, connections, and one exchange over them."""
