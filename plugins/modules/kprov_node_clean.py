#!/usr/bin/python
"""kprov_node_clean: room on a node, from what nobody needs any more."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kprov_node_clean
short_description: Remove dead containers, unused images and archived journals that were listed before
description:
  - Does what C(orders) say, in their order, and nothing else. Each thing is looked at again right before it is removed.
    What came into use since the list was made stays. What the container runtime could not remove is tried once more
    after the journals, for a disk without a free byte.
  - Never touches volumes, logs of containers, and anything of a container that runs.
  - The result's C(report) says what was removed, skipped and failed, and of each place how many bytes have gone and
    what is free. A thing that cannot be removed is a warning; the others are removed all the same.
options:
  runtime: {description: The container runtime., type: str, choices: [containerd, docker], required: true}
  bin_dir: {description: Where crictl and ctr are., type: path, required: true}
  orders:
    description: What to remove; C(kind) is container, sandbox, image or journal, the rest is what its check reads.
    type: list
    elements: dict
    required: true
  root: {description: The container runtime's directory; empty if nothing of it goes., type: str, default: ""}
  places: {description: Further directories whose file systems are measured., type: list, elements: path, default: []}
author: kprov
"""

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.kprov_clean_account import Account
from ansible.module_utils.kprov_module import locked
from ansible.module_utils.kprov_node_clean import REMOVE, clean
from ansible.module_utils.kprov_runtime_stop import UNITS, Runtime

PLURAL = {"container": "containers", "sandbox": "sandboxes", "image": "images", "journal": "journals"}


def summary(orders: list[dict], report: dict) -> list[str]:
    """What was removed, in short: ["2 containers", "1 image"]."""
    done = set(report["removed"])
    counts = {kind: sum(1 for order in orders if order["kind"] == kind and order["id"] in done) for kind in REMOVE}
    return [f"{number} {kind if number == 1 else PLURAL[kind]}" for kind, number in counts.items() if number]


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "runtime": {"type": "str", "choices": sorted(UNITS), "required": True},
            "bin_dir": {"type": "path", "required": True},
            "orders": {"type": "list", "elements": "dict", "required": True},
            "root": {"type": "str", "default": ""},
            "places": {"type": "list", "elements": "path", "default": []},
        },
        supports_check_mode=True,
    )
    parameters = module.params
    orders, root = parameters["orders"], parameters["root"]
    unknown = sorted({str(order.get("kind")) for order in orders} - set(REMOVE))
    if unknown:
        module.fail_json(msg=f"there is no kind {', '.join(unknown)}; the kinds are {', '.join(REMOVE)}")
    if module.check_mode:
        module.exit_json(changed=bool(orders), msg=f"would remove up to {len(orders)} things")
    runtime = Runtime(parameters["runtime"], parameters["bin_dir"])
    places = [*([root] if root else []), *parameters["places"]]
    with locked(module):
        report = clean(runtime, orders, places, Account(runtime if root else None))
    for failed in report["failed"]:
        module.warn(f"{failed['kind']} {failed['id']} was not removed: {failed['why']}")
    done = summary(orders, report)
    module.exit_json(changed=bool(done), changes=done, report=report, msg=f"removed {', '.join(done) or 'nothing'}")


if __name__ == "__main__":
    main()
