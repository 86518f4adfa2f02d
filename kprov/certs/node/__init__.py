"""Runs on nodes, with Python 3.9 and the standard library alone. Private keys never leave the node."""
