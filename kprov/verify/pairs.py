"""Who dials whom."""

from __future__ import annotations

from collections.abc import Sequence

EVERY_PAIR_UP_TO = 16  # nodes; 256 pairs
PARTNERS = 10  # of each node in a bigger cluster


def ordered_pairs(nodes: Sequence[str]) -> list[tuple[str, str]]:
    """Every ordered pair of nodes, a node with itself included.

    Of more than EVERY_PAIR_UP_TO nodes each dials itself and PARTNERS others, spread over the list; as many dial it.
    """
    count = len(nodes)
    if count <= EVERY_PAIR_UP_TO:
        return [(source, target) for source in nodes for target in nodes]
    offsets = [0, *(1 + k * (count - 1) // PARTNERS for k in range(PARTNERS))]
    return [(source, nodes[(i + offset) % count]) for i, source in enumerate(nodes) for offset in offsets]


def next_of(nodes: Sequence[str], node: str) -> str:
    """The node after this one, in a ring; itself when it is alone."""
    return nodes[(nodes.index(node) + 1) % len(nodes)]


def sample(nodes: Sequence[str], most: int = EVERY_PAIR_UP_TO) -> list[str]:
    """At most so many nodes, spread over the list."""
    if len(nodes) <= most:
        return list(nodes)
    return [nodes[k * len(nodes) // most] for k in range(most)]
