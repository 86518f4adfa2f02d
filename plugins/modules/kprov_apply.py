#!/usr/bin/python
"""kprov_apply, on a control plane: a phase's objects in the API, applied, pruned, rolled out, recorded."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kprov_apply
short_description: Server-side apply of a role's manifests
description:
  - Called through the action plugin of the same name, which renders the manifests. Nothing is applied while the record
    (ConfigMap kprov-PHASE in kube-system) says that the same objects are there and nobody changed them.
  - Objects that the phase applied earlier and no longer has are deleted, if they still carry kprov's label.
options:
  phase: {description: Phase that owns the objects., type: str, required: true}
  manifests: {description: "Templates below templates/, in order.", type: list, elements: str}
  deadline: {description: Seconds until all workloads must run., type: int, default: 300}
  wait_nodes: {description: Also wait until every node that is up is Ready., type: bool, default: false}
  objects: {description: Set by the action plugin., type: list}
  cluster: {description: Set by the action plugin., type: str}
  fingerprint: {description: Set by the action plugin., type: dict}
  bin_dir: {description: Set by the action plugin., type: path}
author: kprov
"""

import json
import time

from ansible.module_utils import kprov_apply_record as records
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.kprov_kubectl import Kubectl, KubectlError
from ansible.module_utils.kprov_module import locked
from ansible.module_utils.kprov_rollout import wait_nodes, wait_rollout

READY_DEADLINE = 60
DELETE_DEADLINE = 60
APPLY = ("apply", "--server-side", "--field-manager=kprov", "--force-conflicts", "-f", "-")


class Apply:
    """Brings one phase's objects to the wanted state."""

    def __init__(self, params: dict, check_mode: bool) -> None:
        self.params = params
        self.check_mode = check_mode
        self.end = time.monotonic() + params["deadline"]
        self.kubectl = Kubectl(params["bin_dir"])
        self.objects = records.label(params["objects"])
        self.sha256 = records.digest(self.objects)

    def run(self) -> dict:
        """The module's result."""
        if self.check_mode and not self.kubectl.has_cluster():  # a run that changes would have made it by now
            return {"changed": bool(self.objects), "changes": [self._name(item) for item in self.objects]}
        self.kubectl.wait_ready(READY_DEADLINE)
        name = f"kprov-{self.params['phase']}"
        found = self.kubectl.json("get", "configmap", name, "-n", records.NAMESPACE, "--ignore-not-found")
        record = records.read(found)
        live = self._live() if record else []  # without a record all is due
        due = not records.up_to_date(record, self.sha256, live)
        prune = records.to_prune(record, self.objects)
        changes = [self._name(item) for item in self.objects] if due else []
        changes += [f"delete {self._name(item)}" for item in prune]
        known = (record.get("fingerprint"), record.get("cluster")) == (
            self.params["fingerprint"],
            self.params["cluster"],
        )
        if self.check_mode:
            return {"changed": due or bool(prune), "changes": changes}
        if due or prune:
            self._save([*records.planned(self.objects), *prune], dirty=True)
            self._apply(self.objects)
            for item in prune:
                self._delete(item)
            live = self._live()
        stale = due or bool(prune) or not known
        entries = self._entries(live) if stale else []  # while the pods start
        wait_rollout(self.kubectl, self.objects, self._left())
        if self.params["wait_nodes"]:
            wait_nodes(self.kubectl, self._left())
        if stale:
            self._save(entries, dirty=False)
        return {"changed": stale, "changes": changes}

    def _left(self) -> float:
        return max(1.0, self.end - time.monotonic())

    def _live(self) -> list[dict]:
        if not self.objects:
            return []
        found = self.kubectl.json("get", "-f", "-", "--ignore-not-found", stdin=_list(self.objects))
        return found.get("items", [found] if found else [])

    def _apply(self, objects: list[dict]) -> None:
        if objects:
            self.kubectl.run(*APPLY, stdin=_list(objects), timeout=120)

    def _delete(self, entry: dict) -> None:
        """Delete an object that kprov made; a label that is gone means that somebody took it over."""
        group, _, version = entry["apiVersion"].rpartition("/")
        resource = f"{entry['kind']}.{version}.{group}" if group else entry["kind"]
        where = ["-n", entry["namespace"]] if entry["namespace"] else []
        live = self.kubectl.json("get", resource, entry["name"], *where, "--ignore-not-found")
        if live and (live["metadata"].get("labels") or {}).get(records.MANAGED) == "kprov":
            arguments = ["delete", resource, entry["name"], *where, "--ignore-not-found"]
            self.kubectl.run(*arguments, f"--timeout={DELETE_DEADLINE}s", timeout=DELETE_DEADLINE + 15)

    def _save(self, entries: list[dict], *, dirty: bool) -> None:
        cluster, fingerprint = self.params["cluster"], self.params["fingerprint"]
        record = records.document(cluster, fingerprint, self.sha256, entries, dirty=dirty)
        self._apply([records.config_map(self.params["phase"], record)])

    def _entries(self, live: list[dict]) -> list[dict]:
        resources = self._resources()
        return [records.entry(item, _path(item, resources)) for item in live]

    def _resources(self) -> dict[tuple[str, str], str]:
        """(apiVersion, kind) to plural name, from discovery."""
        found = {}
        for line in self.kubectl.run("api-resources", "--no-headers").splitlines():
            columns = line.split()  # NAME [SHORTNAMES] APIVERSION NAMESPACED KIND
            found[(columns[-3], columns[-1])] = columns[0]
        return found

    @staticmethod
    def _name(item: dict) -> str:
        _, kind, namespace, name = records.identity(item)
        return f"{kind} {namespace + '/' if namespace else ''}{name}"


def _list(objects: list[dict]) -> str:
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})


def _path(item: dict, resources: dict[tuple[str, str], str]) -> str:
    """URL of an object on the API server: the probe reads it without kubectl."""
    api_version, kind, namespace, name = records.identity(item)
    root = f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"
    plural = resources.get((api_version, kind), kind.lower() + "s")
    return f"{root}/namespaces/{namespace}/{plural}/{name}" if namespace else f"{root}/{plural}/{name}"


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "phase": {"type": "str", "required": True},
            "objects": {"type": "list", "elements": "dict", "required": True},
            "deadline": {"type": "int", "default": 300},
            "wait_nodes": {"type": "bool", "default": False},
            "cluster": {"type": "str", "default": ""},
            "fingerprint": {"type": "dict"},
            "bin_dir": {"type": "path", "required": True},
        },
        supports_check_mode=True,
    )
    with locked(module, KubectlError):
        module.exit_json(**Apply(module.params, module.check_mode).run(), recorded=True)


if __name__ == "__main__":
    main()
