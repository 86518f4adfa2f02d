"""Manifests of a control plane that works are changed one by one and come back when a component is not healthy."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils import kprov_kubeadm_previous as previous
from ansible.module_utils import kprov_kubeadm_rewrite as rewrite
from ansible.module_utils import kprov_kubeadm_run as run
from ansible.module_utils import kprov_kubeadm_steps as steps
from ansible.module_utils import kprov_kubeadm_wait as waits
from ansible.module_utils.kprov_containers import Containers

ETCD = steps.Step("etcd local", "init", again=True)
PODS = steps.Step("control-plane all", "init", again=True)
WAIT = steps.Step("wait-control-plane", "init", again=True)
JWT = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJrdWJl.c2lnbmF0dXJl"
# A container for each manifest, made when the manifest was written; the one of kube-apiserver is newest and has a log.
CRICTL = """#!{python}
import json, os, sys
if "logs" in sys.argv:
    print("flag provided but not defined: --bad", "{token}")
    sys.exit()
found = []
with open("{counter}", "a+") as counter:  # each look finds the next attempt
    attempt = 7 + counter.tell()
    counter.write("x")
for name in os.listdir("{manifests}"):
    made = os.stat("{manifests}/" + name).st_mtime_ns + 10**8  # times of files are coarse
    metadata = {{"name": name[:-5], "attempt": attempt}}
    found.append({{"id": name, "createdAt": str(made), "state": "{state}", "metadata": metadata}})
print(json.dumps({{"containers": found}}))
"""


class Machine:
    """A node whose control plane is healthy while no manifest says "bad"."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.manifests = root / "etc/kubernetes/manifests"
        self.manifests.mkdir(parents=True)
        (root / "etc/kubernetes/kubelet.conf").write_text("x")
        for component in steps.COMPONENTS:
            (self.manifests / f"{component}.yaml").write_text(f"good {component}")
        crictl = root / "bin/crictl"
        crictl.parent.mkdir()
        self._crictl = crictl
        self.containers("CONTAINER_RUNNING")
        crictl.chmod(0o755)
        self.deadline = 0
        self.order: list[str] = []

    def containers(self, state: str) -> None:
        """What crictl says of their state; each look finds one more attempt."""
        values = {"python": sys.executable, "manifests": self.manifests, "token": JWT, "state": state}
        values["counter"] = self.root / "attempts"
        self._crictl.write_text(CRICTL.format(**values))

    def answers(self, *_: object) -> str | None:
        bad = [name for name, text in self.texts().items() if "bad" in text]
        return f"{bad[0]}: Connection refused" if bad else None

    def texts(self) -> dict[str, str]:
        return {path.stem: path.read_text() for path in sorted(self.manifests.iterdir())}

    def control_plane(self) -> tuple[rewrite.ControlPlane, steps.Steps]:
        """As a module's run starts: everything is read from the node again."""
        state = steps.Steps("control_plane", "init")
        params: dict[str, Any] = {
            "phase": "control_plane",
            "node": {"address": "127.0.0.1", "port": 6443},
            "bin_dir": str(self.root / "bin"),
            "runtime": "unix:///run/x.sock",
            "health_deadline": self.deadline,
            "variables": {"kube-apiserver": "control_plane_api_server_args"},
        }
        return rewrite.ControlPlane(params, state, run.Runner("control_plane", "/usr/bin", [])), state

    def writes(self, text: str):
        """A kubeadm that writes this text into the manifest of the phase's component."""

        def kubeadm(step: steps.Step) -> None:
            names = {phase: name for written in previous.REWRITES.values() for name, phase in written.items()}
            self.order.append(names[step.name])
            (self.manifests / f"{names[step.name]}.yaml").write_text(text)

        return kubeadm


@pytest.fixture
def machine(node: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    machine = Machine(node)
    monkeypatch.setattr(waits, "answers", machine.answers)
    state = steps.Steps("control_plane", "init")
    for step in (ETCD, PODS, WAIT):
        state.finish(step.name, "one", 100.0)
    return machine


def attempt(machine: Machine, text: str, config: str = "two") -> None:
    """What the module does with a changed configuration."""
    pods, state = machine.control_plane()
    assert pods.works(PODS)
    pods.keep()
    state.start(PODS.name, config, 200.0)
    pods.rewrite(PODS, machine.writes(text))
    state.finish(PODS.name, config, 201.0)


def test_components_change_one_by_one_and_none_after_one_that_is_not_healthy(machine: Machine) -> None:
    before, recorded = machine.texts(), steps.Steps("control_plane", "init").steps
    with pytest.raises(rewrite.PutBack) as error:
        attempt(machine, "bad")
    assert machine.order == ["kube-apiserver"]
    assert machine.texts() == before
    assert steps.Steps("control_plane", "init").steps == recorded
    assert not (machine.root / previous.PREVIOUS.lstrip("/")).exists()
    message = str(error.value)
    assert "kube-apiserver: Connection refused" in message
    assert "kube-apiserver said last:\nflag provided but not defined: --bad (token)" in message
    assert "The previous manifest of kube-apiserver is back and the API server answers" in message
    assert "Look at control_plane_api_server_args" in message


def test_component_that_crashes_is_not_waited_for(machine: Machine) -> None:
    machine.deadline = 60
    machine.containers("CONTAINER_EXITED")
    before, began = machine.texts(), time.monotonic()
    with pytest.raises(rewrite.PutBack, match="kube-apiserver was changed and ended by itself 3 times"):
        attempt(machine, "bad")
    assert machine.texts() == before
    assert time.monotonic() - began < 30


def test_components_that_were_good_go_back_with_the_one_that_is_not(machine: Machine) -> None:
    before = machine.texts()
    pods, _ = machine.control_plane()
    pods.keep()

    def kubeadm(step: steps.Step) -> None:
        machine.writes("bad" if step.name.endswith("scheduler") else "good, too")(step)

    with pytest.raises(rewrite.PutBack, match="manifest of kube-apiserver, kube-controller-manager, kube-scheduler"):
        pods.rewrite(PODS, kubeadm)
    assert machine.order == list(previous.REWRITES[PODS.name])
    assert machine.texts() == before


def test_good_change_stays_and_nothing_is_kept(machine: Machine) -> None:
    attempt(machine, "new")
    pods, state = machine.control_plane()
    assert [step.name for step in state.todo([ETCD, PODS, WAIT], {"init": "two"})] == [ETCD.name, WAIT.name]
    pods.wait(WAIT)
    state.finish(WAIT.name, "two", 300.0)
    pods.proven()
    assert machine.texts()["kube-apiserver"] == "new"
    assert not (machine.root / previous.PREVIOUS.lstrip("/")).exists()


def killed_while_trying(machine: Machine, text: str) -> None:
    pods, state = machine.control_plane()
    pods.keep()
    state.start(PODS.name, "two", 200.0)
    machine.writes(text)(steps.Step("control-plane apiserver", "init"))


def test_run_after_a_killed_one_goes_back_first(machine: Machine) -> None:
    before, recorded = machine.texts(), steps.Steps("control_plane", "init").steps
    killed_while_trying(machine, "bad")
    pods, state = machine.control_plane()
    assert pods.recover() == ["previous manifest put back: kube-apiserver"]
    assert machine.texts() == before
    assert state.steps == recorded
    assert (machine.root / "var/lib/kprov/phases/control_plane.dirty").exists()
    attempt(machine, "corrected", "three")


def test_run_killed_while_it_went_back_waits_for_health_once_more(machine: Machine) -> None:
    killed_while_trying(machine, "bad")
    _, state = machine.control_plane()
    previous.Previous(state).put_back()
    pods, state = machine.control_plane()
    assert pods.recover() == []
    assert [step.name for step in state.todo([ETCD, PODS, WAIT], {"init": "one"})] == [WAIT.name]


def test_run_after_a_killed_one_keeps_what_is_healthy_and_can_still_go_back(machine: Machine) -> None:
    before = machine.texts()
    killed_while_trying(machine, "slow, but good")
    pods, _ = machine.control_plane()
    assert pods.recover() == []
    assert machine.texts()["kube-apiserver"] == "slow, but good"
    with pytest.raises(rewrite.PutBack):
        attempt(machine, "bad")
    assert machine.texts() == before


def test_control_plane_that_is_broken_either_way_says_so(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    pods, _ = machine.control_plane()
    pods.keep()
    monkeypatch.setattr(waits, "answers", lambda *_: "kube-apiserver: etcd is gone")
    with pytest.raises(rewrite.PutBack, match="is back, but the control plane was not healthy within 0 s"):
        pods.rewrite(PODS, machine.writes("new"))
    pods, _ = machine.control_plane()
    assert pods.recover() == []
    pods, _ = machine.control_plane()
    assert not pods.works(steps.Step("kubelet-start", "init"))
    state = steps.Steps("control_plane", "init")
    assert not previous.Previous(state)  # the next attempt is a plain one: nothing is known to be good


def test_first_install_and_a_broken_control_plane_have_nothing_to_go_back_to(machine: Machine) -> None:
    machine.writes("bad")(steps.Step("control-plane apiserver", "init"))
    state = steps.Steps("control_plane", "init")
    state.put_back({WAIT.name: None})
    assert not machine.control_plane()[0].works(PODS)
    (machine.manifests / "kube-scheduler.yaml").unlink()
    assert not machine.control_plane()[0].works(PODS)


def test_what_was_kept_for_another_cluster_is_not_put_back(machine: Machine) -> None:
    killed_while_trying(machine, "bad")
    state = steps.Steps("control_plane", "init")
    state.put_back(dict.fromkeys(list(state.steps)))
    pods, _ = machine.control_plane()
    assert pods.recover() == []
    assert machine.texts()["kube-apiserver"] == "bad"
    assert not (machine.root / previous.PREVIOUS.lstrip("/")).exists()


def test_container_from_before_counts_for_a_manifest_that_was_put_back(machine: Machine) -> None:
    later = 10**10
    os.utime(machine.manifests / "etcd.yaml", (later, later))
    container = {"id": "old", "createdAt": str(100 * 10**9), "metadata": {"name": "etcd"}, "state": "CONTAINER_RUNNING"}
    crictl = machine.root / "bin/crictl"
    crictl.write_text(f"#!/bin/sh\necho '{json.dumps({'containers': [container]})}'\n")
    for component in ("kube-apiserver", "kube-controller-manager", "kube-scheduler"):
        (machine.manifests / f"{component}.yaml").unlink()
    healthy = waits.control_plane_healthy
    assert "no container of etcd" in str(healthy("127.0.0.1", 6443, Containers([str(crictl)]), {}))
    assert healthy("127.0.0.1", 6443, Containers([str(crictl)]), {"etcd": "old"}) is None
