"""Proves that a cluster works: one check per file in checks/, the order of the work in run.py."""
