#!/usr/bin/python
"""kprov_kubeadm: the phases of kubeadm init and kubeadm join, one by one, each recorded and resumable."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kprov_kubeadm
short_description: Run phases of kubeadm that this node has not finished
description:
  - Each finished step is recorded in /var/lib/kprov/phases/PHASE.steps.json. A step that was interrupted runs again,
    after its half-written output is removed. Steps with C(again) run again when the configuration changed.
  - Joining needs credentials. Without C(secrets) a node that has not joined yet is left alone and C(needs_credentials)
    is true in the result; a node that has joined needs none.
  - Static pods of a control plane that works are changed one component at a time. When one is not healthy on its new
    manifest within C(health_deadline), all previous manifests are put back, and the module fails when they are healthy.
options:
  phase: {description: Phase that owns the steps., type: str, required: true}
  command: {description: What the steps are phases of., type: str, choices: [init, join], required: true}
  config: {description: kubeadm's configuration on the node., type: path, required: true}
  steps:
    description: "The steps in order: C(name), C(again), C(first) (false: not the first time), C(command), C(deadline)."
    type: list
    elements: dict
    required: true
  join: {description: JoinConfiguration without secrets; C(endpoint) is the API server's host and port., type: dict}
  secrets: {description: "token, ca (PEM) and certificate_key.", type: dict}
  node: {description: "name, address and port (of the API server) of this node.", type: dict, required: true}
  names: {description: What the API server's certificate must be valid for., type: list, elements: str}
  health_deadline:
    description: Seconds that a component of a control plane that works may take to be healthy on a changed manifest.
    type: int
    default: 120
  variables: {description: Component to the variable that sets its flags, for messages., type: dict, default: {}}
  bin_dir: {description: Where kubeadm is., type: path, required: true}
  runtime: {description: Socket of the container runtime., type: str, required: true}
  record: {description: "The phase ends with this call: cluster and fingerprints for its record.", type: dict}
author: kprov
"""

import contextlib
import json
import os
import time

from ansible.module_utils import kprov_etcd_manifest as etcd_manifest
from ansible.module_utils import kprov_fs
from ansible.module_utils import kprov_kubeadm_wait as waits
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.kprov_kubeadm_join import discovery, join_configuration
from ansible.module_utils.kprov_kubeadm_rewrite import PART, ControlPlane, PutBack
from ansible.module_utils.kprov_kubeadm_run import Runner, StepError, private_file
from ansible.module_utils.kprov_kubeadm_steps import (
    ADMIN_CONF,
    COMPONENTS,
    ETCD_LOCAL,
    KUBELET_CONF,
    PKI,
    PREFLIGHT,
    STATIC_PODS,
    WAIT_CONTROL_PLANE,
    WAIT_KUBELET,
    Step,
    Steps,
    clean_up,
    config_digest,
    manifest_path,
    manifests,
)
from ansible.module_utils.kprov_module import RECORD, end_phase, locked
from ansible.module_utils.kprov_paths import STATE, real
from ansible.module_utils.kprov_state import PhaseRecord, file_entry, make_state_directory
from ansible.module_utils.kprov_x509 import missing_names

LOCK_DEADLINE = 330  # a killed run's kubeadm may still be in a step
KUBELET_DEADLINE = 60
NODE_DEADLINE = 120
MARK = "mark-control-plane"
NODE_DELETED = "kubelet restarted, its Node was deleted"


class Kubeadm:
    """Brings the steps of one phase on this node to an end."""

    def __init__(self, params: dict, check_mode: bool, lock: int | None) -> None:
        self.params = params
        self.check_mode = check_mode
        self.secrets = params["secrets"] or {}
        self.steps = [Step(**{**step, "command": step["command"] or params["command"]}) for step in params["steps"]]
        self.shas = {
            "init": config_digest(_content(params["config"])),
            "join": config_digest(json.dumps(params["join"], sort_keys=True).encode()),
        }
        hidden = [str(value) for key, value in self.secrets.items() if key != "ca"]
        self.runner = Runner(params["phase"], params["bin_dir"], hidden, lock)
        self.state = Steps(params["phase"], params["command"])
        self.control_plane = ControlPlane(params, self.state, self.runner)
        self.ran: list[str] = []

    def run(self) -> dict:
        """The module's result."""
        self.state.reconcile()
        if not self.check_mode:
            self._adopt()
            self.ran += self.control_plane.recover()
        todo = self.state.todo(self.steps, self.shas)
        changes = [f"kubeadm {step.command}: {step.name}" for step in todo]
        if self.check_mode:
            if not todo and waits.node_registered(self.params["node"]["name"]) is False:
                changes = [NODE_DELETED]
            return {"changed": bool(changes), "changes": changes, "needs_credentials": False}
        if any(step.needs_credentials for step in todo) and not self.secrets:
            return {"changed": False, "changes": [], "needs_credentials": True}
        record = PhaseRecord.open(self.params["phase"], part=PART)
        with self._configs(todo) as configs:
            for step in todo:
                self._run(step, configs)
        self._skip_later_ones()
        self._check_node()
        owned = manifests({component for step in self.steps for component in STATIC_PODS.get(step.name, ())})
        record.add_files({path: file_entry(path, 0o600, digest) for path, digest in owned.items()})
        return {"changed": bool(self.ran), "changes": self.ran, "needs_credentials": False}

    def _adopt(self) -> None:
        """A node that works, but has no record: nothing to join, and preflight would only complain."""
        if self.state.steps or not os.path.exists(real(KUBELET_CONF)):
            return
        name = self.params["node"]["name"]
        if self.params["command"] == "join" and waits.node_registered(name):
            self.state.adopt(self.steps, self.shas, time.time())
        elif self.params["command"] == "init" and os.path.exists(real(ADMIN_CONF)) and manifests(["kube-apiserver"]):
            self.state.finish(PREFLIGHT, self.shas["init"], time.time())

    @contextlib.contextmanager
    def _configs(self, todo: list[Step]):
        """Command to configuration file. The one of join holds the credentials and exists only meanwhile."""
        if not any(step.needs_credentials for step in todo):
            yield {"init": self.params["config"]}
            return
        join = self.params["join"]
        with private_file("discovery.json", json.dumps(discovery(join["endpoint"], self.secrets["ca"]))) as file:
            configuration = join_configuration(join, self.secrets, file)
            with private_file("join.json", json.dumps(configuration)) as path:
                yield {"init": self.params["config"], "join": path}

    def _run(self, step: Step, configs: dict[str, str]) -> None:
        before = self.state.steps.get(step.name)
        if before and not before["finished"]:
            clean_up(step.name, before["started"])
        sha256 = self.shas[step.command]
        careful = self.control_plane.works(step)
        if careful:
            self.control_plane.keep()
        self.state.start(step.name, sha256, time.time())
        try:
            if step.name == WAIT_KUBELET:
                waits.wait("the kubelet had no identity", step.deadline, waits.kubelet_has_identity)
                kprov_fs.remove(real("/etc/kubernetes/bootstrap-kubelet.conf"))
            elif step.name == WAIT_CONTROL_PLANE:
                self.control_plane.wait(step)
            elif careful:
                self.control_plane.rewrite(step, lambda phase: self._kubeadm(phase, configs[phase.command]))
            else:
                self._kubeadm(step, configs[step.command])
        except PutBack:
            raise
        except StepError as error:
            done = sum(self.state.finished(other.name) for other in self.steps)
            raise StepError(
                f"kubeadm {step.command} phase {step.name}: {error}\n"
                f"{done} of {len(self.steps)} steps are done and kept; run the same command again to go on. "
                f"Full output on the node: {self.runner.log}"
            ) from error
        self.state.finish(step.name, sha256, time.time())
        if step.name == WAIT_CONTROL_PLANE:
            self.control_plane.proven()
        self.ran.append(f"kubeadm {step.command}: {step.name}")

    def _kubeadm(self, step: Step, config: str) -> None:
        arguments = [step.command, "phase", *step.name.split(), "--config", config]
        with _unchanged_manifests_keep_their_time(), _set_aside(self._outdated(step)):
            if step.name == ETCD_LOCAL and etcd_manifest.has_joined(etcd_manifest.present()):
                etcd_manifest.rewrite(self.runner, config, step.deadline)
            else:
                self.runner.kubeadm(arguments, step.deadline)

    def _outdated(self, step: Step) -> list[str]:
        """The API server's certificate, if it lacks names: kubeadm never replaces one. The server loads it itself."""
        pair = [f"{PKI}/apiserver.crt", f"{PKI}/apiserver.key"]
        ours = [*pair, f"{PKI}/ca.key"]
        if step.name not in ("certs all", "certs apiserver") or not all(os.path.exists(real(path)) for path in ours):
            return []
        try:
            missing = missing_names(real(pair[0]), real(pair[1]), real(PKI + "/ca.crt"), self.params["names"])
        except (OSError, ValueError):
            return []  # kubeadm knows best what is wrong with it
        return pair if missing else []

    def _skip_later_ones(self) -> None:
        """Steps that are for changes only: what they would do has been done by the others."""
        for step in self.steps:
            if not step.first and not self.state.finished(step.name):
                self.state.finish(step.name, self.shas[step.command], time.time())

    def _check_node(self) -> None:
        """The kubelet answers and its Node exists; a Node that was deleted comes back when the kubelet starts."""
        waits.wait("the kubelet was not healthy", KUBELET_DEADLINE, waits.kubelet_healthy)
        name = self.params["node"]["name"]
        if waits.node_registered(name) is not False:
            return
        if not self.ran:
            self.runner.run(["systemctl", "restart", "kubelet.service"], KUBELET_DEADLINE)
            self.ran.append(NODE_DELETED)
        waits.wait(
            f"Node {name} was not registered",
            NODE_DEADLINE,
            lambda: (
                None if waits.node_registered(name) else "the kubelet has not registered; see journalctl -u kubelet"
            ),
        )
        if any(step.name.endswith(MARK) for step in self.steps):
            # Label and taints; the configuration of init is on every control plane and needs no token.
            self.runner.kubeadm(["init", "phase", MARK, "--config", self.params["config"]], NODE_DEADLINE)


def _content(path: str | None) -> bytes:
    """Of the configuration; in check mode it may not be there yet."""
    try:
        with open(real(path), "rb") as file:
            return file.read()
    except (TypeError, FileNotFoundError):
        return b""


@contextlib.contextmanager
def _unchanged_manifests_keep_their_time():
    """kubeadm rewrites manifests that do not change; waiting for a restart compares times, so put the old one back."""
    paths = [manifest_path(component) for component in COMPONENTS]
    before = {path: (kprov_fs.sha256(real(path)), os.stat(real(path))) for path in paths if os.path.exists(real(path))}
    yield
    for path, (digest, status) in before.items():
        if os.path.exists(real(path)) and kprov_fs.sha256(real(path)) == digest:
            os.utime(real(path), ns=(status.st_atime_ns, status.st_mtime_ns))


@contextlib.contextmanager
def _set_aside(paths: list[str]):
    """Move files away; put them back if what follows fails."""
    if not paths:
        yield
        return
    make_state_directory(STATE + "/replaced")
    moved = {path: f"{STATE}/replaced/{os.path.basename(path)}" for path in paths}
    for path, away in moved.items():
        os.replace(real(path), real(away))
    try:
        yield
    except BaseException:
        for path, away in moved.items():
            os.replace(real(away), real(path))
        raise
    for away in moved.values():
        kprov_fs.remove(real(away))


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "phase": {"type": "str", "required": True},
            "record": RECORD,
            "command": {"type": "str", "choices": ["init", "join"], "required": True},
            "config": {"type": "path"},
            "steps": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    "name": {"type": "str", "required": True},
                    "command": {"type": "str", "choices": ["init", "join"]},
                    "again": {"type": "bool", "default": False},
                    "first": {"type": "bool", "default": True},
                    "deadline": {"type": "int", "default": 300},
                },
            },
            "join": {"type": "dict"},
            "secrets": {"type": "dict", "no_log": True},
            "node": {"type": "dict", "required": True},
            "names": {"type": "list", "elements": "str", "default": []},
            "health_deadline": {"type": "int", "default": 120},
            "variables": {"type": "dict", "default": {}},
            "bin_dir": {"type": "path", "required": True},
            "runtime": {"type": "str", "required": True},
        },
        required_if=[("command", "join", ["join"]), ("command", "init", ["config"])],
        supports_check_mode=True,
    )
    with locked(module, StepError, deadline=LOCK_DEADLINE) as lock:
        result = Kubeadm(module.params, module.check_mode, lock).run()
        module.exit_json(**(result if result["needs_credentials"] else end_phase(module, result)))


if __name__ == "__main__":
    main()
