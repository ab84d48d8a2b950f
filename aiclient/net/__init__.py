"""What HTTP stands on: connections, one exchange over them, and media fetched from the public internet."""
