"""Everything that prints. Results go to stdout, progress and messages to stderr."""
