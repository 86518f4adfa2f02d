"""Programs that take more of a node than is good for it."""

from __future__ import annotations


def forks(tries: int) -> str:
    """Python's text: forks so often, or until it cannot any more, says how often, and stays with all its children.

    A shell that cannot fork ends, and its children with it. fork(2) of the C library, since a child of Python's own
    os.fork touches twice as much memory: 5500 take 1 GB so. No quotes in it, so that it fits into a shell's.
    """
    return f"""
import ctypes
libc = ctypes.CDLL(None)
made = 0
while made < {tries}:
    child = libc.fork()
    if child == 0: libc.pause()
    if child < 0: break
    made += 1
print(made, flush=True)
libc.pause()
"""
