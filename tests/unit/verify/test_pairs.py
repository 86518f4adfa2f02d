"""Who dials whom, for any number of nodes."""

from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from kprov.verify.pairs import EVERY_PAIR_UP_TO, PARTNERS, next_of, ordered_pairs, sample


def names(count: int) -> list[str]:
    return [f"n{i}" for i in range(count)]


@given(st.integers(0, EVERY_PAIR_UP_TO))
def test_small_clusters_try_every_ordered_pair(count: int) -> None:
    nodes = names(count)
    assert sorted(ordered_pairs(nodes)) == sorted((a, b) for a in nodes for b in nodes)


@settings(deadline=None, max_examples=20)  # the machine may be busy
@given(st.integers(EVERY_PAIR_UP_TO + 1, 600))
def test_in_big_clusters_each_node_asks_and_is_asked_equally_often(count: int) -> None:
    pairs = ordered_pairs(names(count))
    assert len(set(pairs)) == len(pairs) == count * (PARTNERS + 1)
    assert set(Counter(source for source, _ in pairs).values()) == {PARTNERS + 1}
    assert set(Counter(target for _, target in pairs).values()) == {PARTNERS + 1}
    assert all((node, node) in set(pairs) for node in names(count))


@given(st.integers(1, 100), st.integers(1, 20))
def test_sample_is_bounded_and_has_no_doubles(count: int, most: int) -> None:
    found = sample(names(count), most)
    assert len(set(found)) == len(found) == min(count, most)


def test_next_of_goes_round() -> None:
    assert [next_of(["a", "b"], n) for n in ("a", "b")] == ["b", "a"]
    assert next_of(["a"], "a") == "a"
