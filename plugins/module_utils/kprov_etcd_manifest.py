"""The manifest of an etcd member that has joined others: flags change, what it has joined with stays.

kubeadm's phase `etcd local` knows only a cluster of one. On a member whose data are lost, its --initial-cluster would
start a new, empty cluster, which the API server beside it would serve; with what kubeadm wrote when the member joined
(--initial-cluster-state=existing), etcd refuses to start.
"""

from __future__ import annotations

import os
import re

from ansible.module_utils import kprov_fs
from ansible.module_utils.kprov_kubeadm_run import Runner, StepError, private_directory
from ansible.module_utils.kprov_kubeadm_steps import manifest_path
from ansible.module_utils.kprov_paths import real

# kubeadm sorts flags, so the two are neighbours.
INITIAL = re.compile(r"(?:^ *- --initial-cluster(?:-state)?=.*\n)+", re.MULTILINE)
JOINED = "--initial-cluster-state=existing"
DRY_RUN_DIRECTORY = "KUBEADM_INIT_DRYRUN_DIR"  # kubeadm writes manifests there instead, with --dry-run


def present() -> str:
    """Text of the manifest on this node; empty if there is none."""
    try:
        with open(real(manifest_path("etcd")), encoding="utf-8") as file:
            return file.read()
    except FileNotFoundError:
        return ""


def has_joined(manifest: str) -> bool:
    """Whether it is of a member that has joined others."""
    return JOINED in manifest


def rewrite(runner: Runner, config: str, deadline: float) -> None:
    """Write this node's manifest as kubeadm would from its configuration, with the way the member has joined.

    An equal one is not written. deadline: seconds for kubeadm. StepError if kubeadm fails or its manifest is unknown.
    """
    before = present()
    with private_directory() as directory:
        arguments = ["init", "phase", "etcd", "local", "--config", config, "--dry-run"]
        runner.kubeadm(arguments, deadline, {DRY_RUN_DIRECTORY: directory})
        with open(os.path.join(directory, "etcd.yaml"), encoding="utf-8") as file:
            after = as_joined(file.read(), before)
    if after != before:
        kprov_fs.atomic_write(real(manifest_path("etcd")), after.encode(), 0o600)


def as_joined(alone: str, before: str) -> str:
    """kubeadm's manifest of a cluster of one, with the flags by which the member has joined, or StepError."""
    flags = INITIAL.search(before)
    if not flags or len(INITIAL.findall(alone)) != 1:
        raise StepError("kubeadm's manifest of etcd does not have --initial-cluster once; it is left as it is")
    return INITIAL.sub(lambda _: flags[0], alone)
