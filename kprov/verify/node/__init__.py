"""Runs on a node, in its own Python: standard library only, Python 3.7 or newer."""
