"""Sizes of nodes: what is asked for, what the engine is told, what the node reads."""

import os

import pytest

from kprov.errors import InputError
from kprov.lab.size import EVERY_NODE, Size, parse, size_of

GIB = 1024**3


def test_a_node_gets_its_own_size_and_the_others_what_all_get() -> None:
    sizes = parse(["1Gi", "w1=512Mi"], ["cp1=1"])

    assert size_of(sizes, "w1") == Size(GIB // 2, None)
    assert size_of(sizes, "cp1") == Size(GIB, 1)
    assert size_of(sizes, "w2") == Size(GIB, None)


def test_nobody_asked_means_the_whole_machine() -> None:
    assert size_of(parse([], []), "w1") == Size()
    assert Size().engine_flags() == []
    assert Size().files() == {}


def test_the_engine_holds_a_node_to_what_its_files_say() -> None:
    first = min(os.sched_getaffinity(0))
    size = parse(["1Gi"], ["1"])[EVERY_NODE]

    assert size.engine_flags() == [f"--memory={GIB}", f"--memory-swap={GIB}", f"--cpuset-cpus={first}"]
    assert size.files()["etc/kprov-lab/cpus-online"] == f"{first}\n"
    lines = [line.split() for line in size.files()["etc/kprov-lab/meminfo"].splitlines()]
    assert ["MemTotal:", "1048576", "kB"] in lines


def test_memory_is_whole_kib_as_in_proc_meminfo() -> None:
    assert parse(["500000001"], [])[EVERY_NODE].memory == 500000001 // 1024 * 1024


@pytest.mark.parametrize(
    ("memory", "cpus"),
    [
        (["w1=lots"], []),
        (["1Mi"], []),
        (["9999Ti"], []),
        (["1Gi", "2Gi"], []),
        ([], ["0"]),
        ([], ["w1=99999"]),
        ([], ["1.5"]),
    ],
)
def test_what_cannot_be_is_refused(memory: list[str], cpus: list[str]) -> None:
    with pytest.raises(InputError):
        parse(memory, cpus)
