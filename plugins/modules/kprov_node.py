#!/usr/bin/python
"""kprov_node, on a control plane: labels, annotations, taints and extended resources of all Nodes, in one call."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kprov_node
short_description: Set what the inventory says about Nodes, and remove what it no longer says
description:
  - Called through the action plugin of the same name, which collects the variables of all hosts.
  - kprov owns what it has set and nothing else. What the inventory no longer says is removed if kprov has set it and it
    still has the value that kprov gave it. What somebody else has set to another value is a conflict; then no Node is
    changed.
  - Ownership is kept in the ConfigMap kprov-node in kube-system, which is also the phase's record. Without settings
    there is none.
options:
  phase: {description: Name of the phase., type: str, required: true}
  nodes: {description: "Set by the action plugin: Node to kind to key to value, and force.", type: dict}
  cluster: {description: Set by the action plugin., type: str}
  fingerprint: {description: Set by the action plugin., type: dict}
  bin_dir: {description: Set by the action plugin., type: path}
author: kprov
"""

import json
from concurrent.futures import ThreadPoolExecutor

from ansible.module_utils import kprov_apply_record as records
from ansible.module_utils import kprov_node_settings as settings
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.kprov_kubectl import Kubectl, KubectlError
from ansible.module_utils.kprov_module import locked
from ansible.module_utils.kprov_node_settings import Merge

READY_DEADLINE = 60
MANAGER = "--field-manager=kprov-node"
PARALLEL = 8
NAMESPACE = ("-n", records.NAMESPACE)
# A patch of taints is refused when the Node was written since it was read (every kubelet writes its own now and then).
ATTEMPTS = 5


class Nodes:
    """Brings all Nodes to the wanted state."""

    def __init__(self, params: dict, check_mode: bool) -> None:
        self.params = params
        self.check_mode = check_mode
        self.kubectl = Kubectl(params["bin_dir"])
        self.force = {name: node.get("force", False) for name, node in params["nodes"].items()}
        self.wanted = {
            name: {kind: node.get(kind) or {} for kind in settings.KINDS} for name, node in params["nodes"].items()
        }
        self.recorded: dict[str, dict] = {}

    def run(self) -> dict:
        """The module's result."""
        if self.check_mode and not self.kubectl.has_cluster():  # a run that changes would have made it by now
            return {"changed": bool(self.wanted), "changes": [f"Node {name}" for name in sorted(self.wanted)]}
        self.kubectl.wait_ready(READY_DEADLINE)
        record = records.read(
            self.kubectl.json("get", "configmap", self._record_name(), *NAMESPACE, "--ignore-not-found")
        )
        if not self.wanted and not record:
            return {"changed": False, "changes": []}
        self.recorded = record.get("nodes") or {}
        live = {node["metadata"]["name"]: node for node in self.kubectl.json("get", "nodes")["items"]}
        plans = {name: self._plan(node) for name, node in live.items()}
        self._refuse_conflicts(plans)
        due = {name: plan for name, plan in plans.items() if plan.due}
        result = {"changes": describe(due), "left": left(plans), "absent": sorted(self.wanted.keys() - live.keys())}
        if self.check_mode:
            return {"changed": bool(due), **result}
        if due:
            record = self._save({**self._entries(live, plans), **self._before(live, plans)}, dirty=True)
            with ThreadPoolExecutor(PARALLEL) as pool:
                done = list(pool.map(self._change, (live[name] for name in due), due.values()))
            for node, plan in done:
                live[node["metadata"]["name"]], plans[node["metadata"]["name"]] = node, plan
        stale = self._finish(record, self._entries(live, plans))
        return {"changed": bool(due) or stale, **result}

    def _plan(self, node: dict) -> Merge:
        name = node["metadata"]["name"]
        return settings.merge(self._wanted(name), settings.read(node), self._known(node), self.force.get(name, False))

    def _wanted(self, name: str) -> dict:
        return self.wanted.get(name, {})

    def _known(self, node: dict) -> dict:
        """What was recorded about this very Node: nothing on one that was made anew is kprov's."""
        found = self.recorded.get(node["metadata"]["name"], {})
        return found if found.get("uid") == node["metadata"]["uid"] else {}

    def _refuse_conflicts(self, plans: dict[str, Merge]) -> None:
        lines = []
        for name, plan in sorted(plans.items()):
            fields = self.kubectl.json("get", "node", name, "--show-managed-fields") if plan.conflicts else {}
            for kind, key, there in plan.conflicts:
                wanted, who = self.wanted[name][kind][key], settings.manager(fields, kind, key)
                by = f" (set by {who})" if who else ""
                lines.append(
                    f"{settings.describe(kind, key)} of Node {name} is {there!r}{by}, the inventory says {wanted!r}"
                )
        if lines:
            raise KubectlError(
                f"somebody else has set this, so no Node was changed: {'; '.join(lines)}. "
                "Take it out of the inventory, remove it from the Node, or set node_force_conflicts: true for the host"
            )

    def _change(self, node: dict, plan: Merge) -> tuple[dict, Merge]:
        """Patch one Node and return it as it is afterwards, with what was done."""
        name = node["metadata"]["name"]
        for attempt in range(1, ATTEMPTS + 1):
            try:
                after = self._patch(node, plan)
                break
            except KubectlError as error:
                if "(Conflict)" not in str(error) or attempt == ATTEMPTS:
                    raise
            node = self.kubectl.json("get", "node", name)
            plan = self._plan(node)
            self._refuse_conflicts({name: plan})
        missing = settings.unfulfilled(self._wanted(name), settings.read(after))
        if missing:
            raise KubectlError(
                f"Node {name} was patched, but still has not: {', '.join(missing)}; does a webhook change Nodes?"
            )
        return after, plan

    def _patch(self, node: dict, plan: Merge) -> dict:
        for patch, where in zip(settings.patches(node, plan), ((), ("--subresource=status",))):  # noqa: B905 (Python 3.9)
            if patch:
                arguments = (
                    "patch",
                    "node",
                    node["metadata"]["name"],
                    "--type=merge",
                    "--patch-file=/dev/stdin",
                    MANAGER,
                )
                node = self.kubectl.json(*arguments, *where, stdin=json.dumps(patch))
        return node

    def _entries(self, live: dict[str, dict], plans: dict[str, Merge]) -> dict[str, dict]:
        """The record's Nodes: those that somebody wants something of."""
        found = {}
        for name, wanted in self.wanted.items():
            node = live.get(name)
            if node is None:
                found[name] = settings.entry(None, wanted, {})
            else:
                shown = settings.as_shown(wanted, settings.read(node))
                found[name] = settings.entry(node["metadata"]["uid"], shown, plans[name].own)
        return found

    def _before(self, live: dict[str, dict], plans: dict[str, Merge]) -> dict[str, dict]:
        """Entries of the Nodes that are about to be changed."""
        return {
            name: settings.planned(live[name]["metadata"]["uid"], self._wanted(name), plan, self._known(live[name]))
            for name, plan in plans.items()
            if plan.due
        }

    def _finish(self, record: dict, nodes: dict[str, dict]) -> bool:
        """Bring the record up to date; True if it said something else. Nothing wanted, nothing owned: no record."""
        if not nodes:
            self.kubectl.run("delete", "configmap", self._record_name(), *NAMESPACE, "--ignore-not-found")
            return True
        said = tuple(record.get(name) for name in ("nodes", "fingerprint", "cluster"))
        if said == (nodes, self.params["fingerprint"], self.params["cluster"]) and not record["dirty"]:
            return False
        self._save(nodes, dirty=False)
        return True

    def _save(self, nodes: dict[str, dict], *, dirty: bool) -> dict:
        """Write the record; returns what it says now."""
        header = records.header(self.params["cluster"], self.params["fingerprint"], dirty=dirty)
        record = {**header, "nodes": nodes}
        item = json.dumps(records.config_map(self.params["phase"], record))
        self.kubectl.run("apply", "--server-side", "--field-manager=kprov", "--force-conflicts", "-f", "-", stdin=item)
        return record

    def _record_name(self) -> str:
        return f"kprov-{self.params['phase']}"


def describe(plans: dict[str, Merge]) -> list[str]:
    """What changes, for people."""
    return [
        line
        for name, plan in sorted(plans.items())
        for line in (
            *(f"Node {name}: {settings.describe(k, key)} = {v!r}" for k in plan.set for key, v in plan.set[k].items()),
            *(f"Node {name}: delete {settings.describe(k, key)}" for k in plan.remove for key in plan.remove[k]),
        )
    ]


def left(plans: dict[str, Merge]) -> list[str]:
    """What kprov had set, is no longer wanted, and stays because somebody has given it another value since."""
    return [
        f"Node {name}: {settings.describe(kind, key)}"
        for name, plan in sorted(plans.items())
        for kind, key in plan.left
    ]


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "phase": {"type": "str", "required": True},
            "nodes": {"type": "dict", "required": True},
            "cluster": {"type": "str", "default": ""},
            "fingerprint": {"type": "dict"},
            "bin_dir": {"type": "path", "required": True},
        },
        supports_check_mode=True,
    )
    with locked(module, KubectlError):
        module.exit_json(**Nodes(module.params, module.check_mode).run(), recorded=True)


if __name__ == "__main__":
    main()
