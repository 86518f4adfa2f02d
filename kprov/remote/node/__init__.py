"""Runs ON the node: one self-contained program, sent over SSH's stdin by kprov.remote.probe.

Standard library only, Python 3.9 or newer, reads and never changes anything. `kprov.remote.program` packs these files.
"""
