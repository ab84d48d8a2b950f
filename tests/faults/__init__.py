"""The fault matrix: every way in which a service, the way to it or the caller can fail, played for real, one row each."""
