"""Many calls at once: the call for each item, the lines of files, and runs that survive being killed."""
