"""The manifests that a control plane last was healthy on, kept while others are being tried.

They are kept, with what the steps had recorded, before the first manifest changes. While they are kept, the step
wait-control-plane is not finished: the run after a killed one finds both.
"""

from __future__ import annotations

import os

from ansible.module_utils import kprov_fs
from ansible.module_utils.kprov_kubeadm_steps import ETCD_LOCAL, WAIT_CONTROL_PLANE, Steps, manifest_path
from ansible.module_utils.kprov_paths import STATE, real
from ansible.module_utils.kprov_state import machine_id, make_state_directory

# Step to the components it writes and the phase of kubeadm init that writes one alone.
REWRITES = {
    ETCD_LOCAL: {"etcd": ETCD_LOCAL},
    "control-plane all": {
        "kube-apiserver": "control-plane apiserver",
        "kube-controller-manager": "control-plane controller-manager",
        "kube-scheduler": "control-plane scheduler",
    },
}
PREVIOUS = STATE + "/control_plane/previous.json"


class Previous:
    """What the control plane last was healthy on; there while other manifests are being tried."""

    def __init__(self, state: Steps) -> None:
        self._state = state
        found = kprov_fs.read_json(real(PREVIOUS)) or {}
        self._kept = found if found.get("machine_id") == machine_id() else {}

    def __bool__(self) -> bool:
        return bool(self._kept)

    @property
    def stale(self) -> bool:
        """Kept by a run that ended just before it could forget, or for a cluster that this node has left."""
        return not self._state.steps or self._state.finished(WAIT_CONTROL_PLANE)

    @property
    def containers(self) -> dict[str, str]:
        """Component to the container that ran then; it may be older than a manifest that was put back."""
        return dict(self._kept.get("containers", {}))

    def keep(self, containers: dict[str, str]) -> None:
        """Keep the manifests as they are, durably, unless some are kept: then those of now were never healthy."""
        if self._kept:
            return
        steps = {name: self._state.steps.get(name) for name in (*REWRITES, WAIT_CONTROL_PLANE)}
        paths = [manifest_path(component) for written in REWRITES.values() for component in written]
        kept = {
            "machine_id": machine_id(),
            "manifests": {path: _read(path) for path in paths if os.path.exists(real(path))},
            "steps": steps,
            "containers": containers,
        }
        self._state.put_back({WAIT_CONTROL_PLANE: None})
        make_state_directory(os.path.dirname(PREVIOUS))
        kprov_fs.write_json(real(PREVIOUS), kept)
        self._kept = kept

    def put_back(self) -> list[str]:
        """Write the kept manifests where they differ; the components that changed. forget() when they are healthy."""
        changed = []
        for path, text in self._kept["manifests"].items():
            if not os.path.exists(real(path)) or _read(path) != text:
                kprov_fs.atomic_write(real(path), text.encode(), 0o600)
                changed.append(os.path.basename(path).rpartition(".")[0])
        steps = dict(self._kept["steps"])
        steps[WAIT_CONTROL_PLANE] = None  # until the control plane is healthy again
        self._state.put_back(steps)
        return changed

    def healthy_again(self) -> None:
        """The control plane is healthy on what was put back: as if nothing had been tried."""
        self._state.put_back(self._kept["steps"])
        self.forget()

    def forget(self) -> None:
        """There is nothing to go back to any more, or no need."""
        kprov_fs.remove(real(PREVIOUS))
        self._kept = {}


def _read(path: str) -> str:
    with open(real(path), encoding="utf-8") as file:
        return file.read()
