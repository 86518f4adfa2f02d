#!/usr/bin/python
"""kprov_runtime_root: the container runtime's root directory moves to another disk, step by step."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kprov_runtime_root
short_description: One step of moving Docker's data-root or containerd's root, and of the way back
description:
  - Each step reads the record of the move (/var/lib/kprov/runtime_root.json), does nothing if it is done already, and
    records itself at its end. The old directory is changed by C(remove_old) alone.
  - C(copy) returns after some seconds with C(done=false) while the copy goes on in a unit of its own. Repeat it.
options:
  step:
    description:
      - C(begin) checks the target and starts the record; C(stop) ends kubelet, containers and runtime; C(copy) and
        C(verify); C(switch) is recorded before the configuration changes and C(prove) after it; C(finish).
      - C(back) and C(back_finished) are the way back to the old directory, C(remove_old) is the end of it.
    type: str
    required: true
    choices: [begin, stop, copy, verify, switch, prove, finish, remove_old, back, back_prove, back_finished]
  runtime: {description: "The container runtime, containerd or docker.", type: str, required: true}
  to: {description: "The new directory, for C(begin).", type: path}
  keep_copy: {description: "C(back_finished) leaves the copy in the new directory.", type: bool, default: false}
  bin_dir: {description: Where crictl is., type: path, required: true}
author: kprov
"""

import time

from ansible.module_utils import kprov_runtime_copy
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.kprov_docker_api import DockerError
from ansible.module_utils.kprov_module import locked
from ansible.module_utils.kprov_runtime_copy import CopyError
from ansible.module_utils.kprov_runtime_root import BEFORE_SWITCH, Move, MoveError
from ansible.module_utils.kprov_runtime_stop import Runtime, StopError
from ansible.module_utils.kprov_systemd import UnitError

AFTER_STOP = ("stopped", "copied", "verified", "switching", "switched", "finished")
# A step that has been done is not done again: it is done when the record says one of these.
DONE = {
    "stop": AFTER_STOP,
    "copy": AFTER_STOP[1:],
    "verify": AFTER_STOP[2:],
    "switch": AFTER_STOP[3:],
    "prove": AFTER_STOP[4:],
    "finish": AFTER_STOP[5:],
}


def forward(move: Move, step: str) -> dict:
    """A step of the move itself; the module's result. Call it under node_lock."""
    if move.step in DONE[step]:
        return {"changed": False, "done": True, "msg": f"done before; the move is after: {move.step}"}
    done = True
    if step == "stop":
        move.stop()
        move.stopped()
        msg = f"kubelet, containers and {move.runtime.name} are stopped"
    elif step == "copy":
        done, msg = move.copy()
    elif step == "verify":
        msg = move.verify()
    elif step == "switch":
        move.save("switching")
        msg = f"{move.runtime.name} gets {move.new}"
    elif step == "prove":
        msg = move.prove(move.new)
        move.save("switched")
    else:
        move.save("finished", finished=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()))
        msg = f"{move.old} is kept until `kprov runtime-root confirm`"
    return {**said(msg), "done": done}


def back(move: Move, step: str, keep_copy: bool) -> dict:
    """A step of the way back; the module's result. Call it under node_lock."""
    if step == "back":
        kprov_runtime_copy.stop()
        touched = move.step != "begun" or "images" in move.record
        move.save("aborting", touched=move.record.get("touched", touched))
        if move.record["touched"] and not move.runtime.runs_on(move.old):
            move.stop()
        return said(f"goes back to {move.old}")
    if step == "back_prove":
        # What was imported or pulled since the switch is not in the old directory; `kprov up` brings what is its own.
        move.record["images"] = {}
        return said(move.prove(move.old))
    if not keep_copy:
        move.clear_new()
    move.forget()
    return said(
        f"{move.runtime.name} is on {move.old} as before" + (f"; the copy in {move.new} is left" if keep_copy else "")
    )


def said(msg: str) -> dict:
    """A result with a change."""
    return {"changed": True, "done": True, "msg": msg, "changes": [msg]}


def apply(parameters: dict) -> dict:
    """The module's result. Call it under node_lock. Raises MoveError and what stopping, copying, asking raise."""
    step, runtime = parameters["step"], Runtime(parameters["runtime"], parameters["bin_dir"])
    if step == "begin":
        move, msg = Move.begin(runtime, parameters["to"])
        return {**said(msg), "drain": move.step in BEFORE_SWITCH[:1]}
    move = Move.read(runtime)
    if move is None:
        if step == "remove_old":
            return {"changed": False, "done": True, "msg": "there is nothing to remove"}
        raise MoveError("no move was begun on this node")
    if step == "remove_old":
        return said(move.remove_old())
    if step.startswith("back"):
        return back(move, step, parameters["keep_copy"])
    return forward(move, step)


def main() -> None:
    """Entry point."""
    steps = ["begin", *DONE, "remove_old", "back", "back_prove", "back_finished"]
    module = AnsibleModule(
        argument_spec={
            "step": {"type": "str", "required": True, "choices": steps},
            "runtime": {"type": "str", "required": True},
            "to": {"type": "path"},
            "keep_copy": {"type": "bool", "default": False},
            "bin_dir": {"type": "path", "required": True},
        },
        required_if=[("step", "begin", ("to",))],
        supports_check_mode=True,
    )
    if module.check_mode:
        module.exit_json(changed=True, done=True, msg=f"would {module.params['step']}")
    with locked(module, CopyError, DockerError, MoveError, StopError, UnitError):
        result = apply(module.params)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
