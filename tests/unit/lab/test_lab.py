"""What `up` refuses before it touches anything."""

from ipaddress import IPv4Network
from pathlib import Path

import pytest

from kprov.errors import InputError, LabError
from kprov.lab import lab
from kprov.lab.directory import LabDirectory, lab_directory, made_labs
from kprov.lab.lab import LabSpec
from kprov.lab.network import Network
from kprov.lab.nodes import Node
from kprov.lab.size import Size

CONTROL_PLANE = Node("demo", "demo-cp1", "control_plane", "172.30.0.11", "running")
WORKERS = [Node("demo", f"demo-w{number}", "worker", f"172.30.0.{100 + number}", "running") for number in (1, 2)]
NETWORK = Network("kprov-demo", "kp-demo", IPv4Network("172.30.0.0/24"), online=False)


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LabDirectory:
    """The directory of a lab that was made for Kubernetes 1.36."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    directory = lab_directory("demo")
    directory.path.mkdir(parents=True)
    directory.write({"schema": 1, "name": "demo", "kubernetes": "1.36", "bundle": "/bundle"})
    directory.private_key.write_text("key")
    return directory


def check(directory: LabDirectory, **asked: object) -> None:
    spec = LabSpec(**({"name": "demo", "workers": 2} | asked))  # type: ignore[arg-type]
    lab._check_shape(spec, directory, [CONTROL_PLANE, *WORKERS], NETWORK)


def test_the_same_shape_and_a_bigger_one_are_fine(made: LabDirectory) -> None:
    check(made)
    check(made, workers=5)
    check(made, control_planes=3)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"workers": 1}, "has 2 workers, not 1"),
        ({"online": True}, "without a way out"),
        ({"kubernetes": "1.35"}, "Kubernetes 1.36, not 1.35"),
        (
            {"sizes": {"w2": Size(cpus=1)}},
            "demo-w2 with this machine's memory, all CPUs, not this machine's memory, 1 CPUs",
        ),
    ],
)
def test_another_shape_is_refused_with_what_to_do(made: LabDirectory, asked: dict[str, object], said: str) -> None:
    with pytest.raises(LabError, match=said) as refused:
        check(made, **asked)
    assert "kprov lab down --name demo" in str(refused.value.hint)


def test_sizes_are_for_nodes_that_the_lab_will_have(made: LabDirectory) -> None:
    lab._check_numbers(LabSpec("demo", workers=2, sizes={"w2": Size(cpus=1), "": Size(cpus=1)}))
    with pytest.raises(InputError, match="w3"):
        lab._check_numbers(LabSpec("demo", workers=2, sizes={"w3": Size(cpus=1)}))


def test_nodes_whose_key_is_lost_are_refused(made: LabDirectory) -> None:
    made.private_key.unlink()
    with pytest.raises(LabError, match="with their key is not"):
        check(made)


def test_a_lab_without_nodes_may_become_anything(made: LabDirectory) -> None:
    lab._check_shape(LabSpec("demo", kubernetes="1.35"), made, [], None)


@pytest.mark.parametrize("spec", [LabSpec(control_planes=0), LabSpec(workers=-1), LabSpec(control_planes=10)])
def test_impossible_numbers_are_refused(spec: LabSpec) -> None:
    with pytest.raises(InputError, match="a lab has"):
        lab._check_numbers(spec)


@pytest.mark.parametrize("name", ["", "Demo", "1lab", "a_b", "lab-", "x" * 31, "../etc"])
def test_names_that_no_host_could_have_are_refused(name: str) -> None:
    with pytest.raises(InputError, match="no name for a lab"):
        lab_directory(name)


def test_made_labs_are_those_with_a_directory(made: LabDirectory) -> None:
    assert made_labs() == ["demo"]
