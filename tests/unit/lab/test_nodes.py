"""How nodes are made: flags, names, states."""

import tarfile
from dataclasses import replace
from io import BytesIO
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from kprov.errors import LabError
from kprov.lab import nodes, ssh
from kprov.lab.docker import Docker
from kprov.lab.machine import detect
from kprov.lab.network import Network
from kprov.lab.nodes import Node, NodeMaker
from kprov.lab.size import Size

MACHINES = Path(__file__).parent / "machines"
NODE = Node("demo", "demo-w1", "worker", "172.30.0.101", "created")


class Engine(Docker):
    """Answers from a table of argument prefixes and keeps what it was asked."""

    def __init__(self, answers: dict[str, str]) -> None:
        super().__init__("docker", "0")
        object.__setattr__(self, "answers", answers)
        object.__setattr__(self, "calls", [])

    def run(self, *arguments: str, stdin: bytes | None = None, seconds: float = 0) -> str:
        self.calls.append((arguments, stdin))  # type: ignore[attr-defined]
        unknown = [flag for flag in arguments if flag in ("--cap-add=BPF", "--cap-add=PERFMON")]
        if arguments[0] == "create" and unknown:
            raise LabError(f'invalid CapAdd: unknown capability: "CAP_{unknown[0].partition("=")[2]}"')
        answers: dict[str, str] = self.answers  # type: ignore[attr-defined]
        return next((said for asked, said in answers.items() if " ".join(arguments).startswith(asked)), "")


def test_a_machine_without_sys_resource_gets_capabilities_one_by_one() -> None:
    flags = nodes.isolation(detect(MACHINES / "cgroup-v1-without-sys-resource"), ["BPF", "PERFMON"])

    assert "--privileged" not in flags
    assert "--cap-add=SYS_ADMIN" in flags
    assert not {"--cap-add=SYS_RESOURCE", "--cap-add=BPF", "--cap-add=PERFMON"} & set(flags)
    assert "--device-cgroup-rule=a *:* rwm" in flags


def test_a_plain_machine_gets_privileged_and_the_kernels_modules() -> None:
    assert nodes.isolation(detect(MACHINES / "cgroup-v2-full"), []) == [
        "--cgroupns",
        "private",
        "--privileged",
        "--mount=type=bind,src=/lib/modules,dst=/lib/modules,readonly",
    ]


def test_capabilities_that_the_engine_refuses_are_found_one_after_the_other() -> None:
    engine = Engine({"create": "0123abc"})

    assert sorted(nodes.unknown_capabilities(engine, "image", ["CHOWN", "BPF", "KILL", "PERFMON"])) == [
        "BPF",
        "PERFMON",
    ]
    assert engine.calls[-1][0] == ("rm", "0123abc")  # type: ignore[attr-defined]


def test_nodes_are_listed_control_planes_first_and_by_number() -> None:
    said = "\n".join(
        f"{name}\t{state}\tdemo\t{role}\t172.30.0.{last}\t{memory}\t"
        for name, state, role, last, memory in (
            ("demo-w10", "running", "worker", 110, ""),
            ("demo-w2", "exited", "worker", 102, "1073741824"),
            ("demo-cp1", "paused", "control_plane", 11, ""),
        )
    )
    found = nodes.list_nodes(Engine({"ps": said}), "demo")

    assert [(node.name, node.state) for node in found] == [
        ("demo-cp1", "paused"),
        ("demo-w2", "stopped"),
        ("demo-w10", "running"),
    ]
    assert [node.size.memory for node in found] == [None, 1073741824, None]


def maker(engine: Engine) -> NodeMaker:
    network = Network("kprov-demo", "kp-demo", IPv4Network("172.30.0.0/24"), online=False)
    return NodeMaker(engine, network, "image", ("--privileged",), ("172.30.0.1",), "ssh-ed25519 CLIENT", "secret")


def test_everything_of_a_node_carries_the_labs_label() -> None:
    engine = Engine({})
    maker(engine).create(NODE)
    ((arguments, _),) = engine.calls  # type: ignore[attr-defined]

    assert "--label=kprov.lab=demo" in arguments
    volumes = [argument for argument in arguments if "type=volume" in argument]
    assert len(volumes) == len(nodes.VOLUMES)
    assert all(volume.endswith("volume-label=kprov.lab=demo") for volume in volumes)


def test_a_node_gets_keys_that_only_their_owners_can_read() -> None:
    engine = Engine({})
    maker(engine).give_identity(NODE, ssh.new_key())
    ((_, stdin),) = engine.calls  # type: ignore[attr-defined]
    with tarfile.open(fileobj=BytesIO(stdin)) as archive:
        entries = {entry.name: entry for entry in archive}

    assert entries["etc/ssh/ssh_host_ed25519_key"].mode == 0o600
    assert entries["home/kprov/.ssh/authorized_keys"].uid == 1000
    assert all(entry.isfile() for entry in entries.values())  # a directory here would change that of the image


def test_a_smaller_node_is_held_to_its_size_and_reads_it() -> None:
    small = replace(NODE, size=Size(memory=1073741824))
    engine = Engine({})
    maker(engine).create(small)
    maker(engine).give_identity(small, ssh.new_key())
    (created, _), (_, stdin) = engine.calls  # type: ignore[attr-defined]
    with tarfile.open(fileobj=BytesIO(stdin)) as archive:
        names = archive.getnames()

    assert {"--memory=1073741824", "--label=kprov.lab.memory=1073741824"} <= set(created)
    assert not [flag for flag in created if "cpu" in flag]
    assert "etc/kprov-lab/meminfo" in names


@pytest.mark.parametrize(
    ("state", "to", "calls"),
    [
        ("running", "kill", ["kill"]),
        ("running", "off", ["stop"]),
        ("running", "pause", ["pause"]),
        ("running", "on", []),
        ("exited", "on", ["start"]),
        ("exited", "kill", []),
        ("paused", "on", ["unpause"]),
        ("paused", "kill", ["unpause", "kill"]),
    ],
)
def test_power(state: str, to: nodes.Power, calls: list[str]) -> None:
    engine = Engine({"inspect": state})
    nodes.power(engine, "demo-w1", to)

    assert [arguments[0] for arguments, _ in engine.calls[1:]] == calls  # type: ignore[attr-defined]
