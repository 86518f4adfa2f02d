#!/usr/bin/python
"""kprov_lock: one operation at a time on a cluster, whichever controller it comes from."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kprov_lock
short_description: Take or release the cluster's lock, a file on one control plane
description:
  - Taken over are an expired lock and one of the same controller, which has made sure that its old run has ended. Any
    other lock fails the task with C(locked=true). Times are the node's, so clocks of controllers do not matter.
  - A run that holds the lock already renews it. Releasing a lock that is not (any more) this run's does nothing.
  - Where the API answers, Lease kube-system/kprov goes with it. Control planes that renew their own certificates in a
    maintenance window have that one meanwhile; then the task fails with C(locked=true), too.
options:
  state: {description: What to do., type: str, choices: [held, released], required: true}
  run_id: {description: Identity of the run., type: str, required: true}
  controller_id: {description: Identity of the controller., type: str, required: true}
  holder: {description: "Who: user@controller.", type: str, required: true}
  operation: {description: "What is running, such as up; needed to take the lock.", type: str}
  expires_in: {description: Seconds after which anyone may take the lock., type: int, default: 14400}
  break_lock: {description: Take the lock whoever holds it., type: bool, default: false}
  makes_room:
    description: Go on without the file where its disk is full. The operation is there to make room.
    type: bool
    default: false
author: kprov
"""

import calendar
import contextlib
import errno
import os
import time

from ansible.module_utils import kprov_fs
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.kprov_certs_api import Api
from ansible.module_utils.kprov_kubeadm_run import StepError
from ansible.module_utils.kprov_lease import CLUSTER, Lease
from ansible.module_utils.kprov_lock import LockTimeout, node_lock
from ansible.module_utils.kprov_paths import CLUSTER_LOCK, STATE, real
from ansible.module_utils.kprov_state import make_state_directory
from ansible.module_utils.kprov_static_pods import pods

FULL = (errno.ENOSPC, errno.EDQUOT)
FORMAT = "%Y-%m-%dT%H:%M:%SZ"


class Locked(Exception):
    """Somebody else holds the lock; the message is for the user."""


def read() -> dict | None:
    """The lock, None if nobody holds it. A damaged file is a lock of nobody known: it must be broken, not ignored."""
    if not os.path.exists(real(CLUSTER_LOCK)):
        return None
    return kprov_fs.read_json(real(CLUSTER_LOCK)) or {}


def expired(lock: dict, now: float) -> bool:
    """Whether the lock's time is over; an unreadable time is not over."""
    try:
        return calendar.timegm(time.strptime(str(lock.get("expires")), FORMAT)) <= now
    except ValueError:
        return False


def take(parameters: dict, now: float, check_mode: bool = False) -> dict:
    """Take or renew the lock; the module's result. Call it under node_lock. Raises Locked."""
    lock = read()
    mine = lock is not None and lock.get("run_id") == parameters["run_id"]
    took_over = None
    if lock is not None and not mine:
        if parameters["break_lock"]:
            took_over = "broken"
        elif lock.get("controller_id") == parameters["controller_id"]:
            took_over = "of an earlier run of this controller"
        elif expired(lock, now):
            took_over = "expired"
        else:
            raise Locked(explain(lock))
    if not check_mode:
        wanted = {key: parameters[key] for key in ("run_id", "controller_id", "holder", "operation")}
        wanted["since"] = lock.get("since") if mine else time.strftime(FORMAT, time.gmtime(now))
        wanted["expires"] = time.strftime(FORMAT, time.gmtime(now + parameters["expires_in"]))
        try:
            make_state_directory(STATE)
            kprov_fs.write_json(real(CLUSTER_LOCK), wanted)
        except OSError as error:
            if error.errno not in FULL or not parameters.get("makes_room"):
                raise
            # Nobody else gets the lock here either before there is room.
            return {"changed": False, "msg": "the disk is full: nobody can write a lock"}
    msg = f"took a lock over ({took_over}): {describe(lock)}" if took_over else "the lock is this run's"
    return {"changed": False, "msg": msg}


def release(run_id: str, check_mode: bool = False) -> dict:
    """Give the lock back; the module's result. Call it under node_lock."""
    lock = read()
    if lock is None:
        return {"changed": False, "msg": "there was no lock any more"}
    if lock.get("run_id") != run_id:
        return {"changed": False, "msg": f"the lock is not this run's any more: {describe(lock)}"}
    if not check_mode:
        kprov_fs.remove(real(CLUSTER_LOCK))
        kprov_fs.sync_directory(real(STATE))
    return {"changed": False, "msg": "the lock is released"}


def take_lease(parameters: dict, now: float) -> None:
    """The Lease goes with the file; nothing where the API gives no answer. Raises Locked: the file is gone again."""
    lease = _lease(parameters)
    try:
        other = lease.take(now, force=parameters["break_lock"]) if lease else None
    except StepError:
        return  # nobody renews by himself either while the API gives no answer
    if other:
        release(parameters["run_id"])
        raise Locked(f"the cluster is locked: {other}. Wait for it; --break-lock takes it from one that is gone")


def release_lease(parameters: dict) -> None:
    """Nothing where the API gives no answer: it runs out."""
    lease = _lease(parameters)
    with contextlib.suppress(StepError):
        if lease:
            lease.release()


def _lease(parameters: dict) -> Lease | None:
    """None on a node without an API server."""
    api_server = pods().get("kube-apiserver")
    identity = f"{parameters['holder']}_{parameters['controller_id']}"
    return Lease(Api(api_server), CLUSTER, identity, parameters["expires_in"]) if api_server else None


def describe(lock: dict) -> str:
    """Who holds a lock, for what."""
    known = {key: lock.get(key) or "unknown" for key in ("holder", "operation", "since", "expires")}
    return "{holder} runs `kprov {operation}` since {since} (expires {expires})".format(**known)


def explain(lock: dict) -> str:
    """Why the lock cannot be taken and what to do."""
    return (
        f"the cluster is locked: {describe(lock)}. Wait for that run. If you know that it has ended, "
        "take the lock from it with --break-lock"
    )


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["held", "released"], "required": True},
            "run_id": {"type": "str", "required": True},
            "controller_id": {"type": "str", "required": True},
            "holder": {"type": "str", "required": True},
            "operation": {"type": "str"},
            "expires_in": {"type": "int", "default": 14400},
            "break_lock": {"type": "bool", "default": False},
            "makes_room": {"type": "bool", "default": False},
        },
        required_if=[("state", "held", ("operation",))],
        supports_check_mode=True,
    )
    try:
        with node_lock(check_mode=module.check_mode):
            parameters = module.params
            if parameters["state"] == "held":
                result = take(parameters, time.time(), module.check_mode)
                if not module.check_mode:
                    take_lease(parameters, time.time())
            else:
                mine = (read() or {}).get("run_id") == parameters["run_id"]
                result = release(parameters["run_id"], module.check_mode)
                if mine and not module.check_mode:
                    release_lease(parameters)
    except Locked as error:
        module.fail_json(msg=str(error), locked=True)
    except LockTimeout as error:
        module.fail_json(msg=str(error))
    except OSError as error:
        module.fail_json(msg=f"the lock: {error.filename or STATE}: {error.strerror or error}")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
