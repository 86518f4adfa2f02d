"""Runs ON the node, beside kprov.remote.node and under its rules: standard library, Python 3.9, changes nothing."""
