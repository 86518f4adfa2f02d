"""What phase control_plane must have done: a control plane that answers, with nothing open that need not be."""

from __future__ import annotations

import pytest
from testinfra.host import Host

KUBECTL = "kubectl --kubeconfig /etc/kubernetes/admin.conf"
STATIC_PODS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")

# What must be true -> (what to read on the node, what it says)
LIVE = {
    "the API server is ready": (f"{KUBECTL} get --raw /readyz", "ok"),
    "the controller manager is healthy": ("curl -sk https://127.0.0.1:10257/healthz", "ok"),
    "the scheduler is healthy": ("curl -sk https://127.0.0.1:10259/healthz", "ok"),
    "etcd is ready": ("curl -s http://127.0.0.1:2381/readyz", "ok"),
    **{f"one {name} runs": (f"crictl ps -q --name ^{name}$ | wc -l", "1") for name in STATIC_PODS},
    "the running scheduler has kubeadm's flags": ("pgrep -c -f '^kube-scheduler .*--leader-elect=true'", "1"),
    "only this machine reaches what only it needs": (
        "ss -Hltn 'sport = :10257 or sport = :10259 or sport = :2381' | awk '{print $4}' | cut -d: -f1 | uniq",
        "127.0.0.1",
    ),
    "only root reads private keys": (r"find /etc/kubernetes -name '*.key' -exec stat -c %U:%a {} + | uniq", "root:600"),
    "only root reads kubeconfigs": ("stat -c %U:%a /etc/kubernetes/*.conf | uniq", "root:600"),
    "no credentials for joining are left": (f"{KUBECTL} -n kube-system get secrets -o name", ""),
    "the phase is finished": (
        "ls /var/lib/kprov/phases | grep ^control_plane | xargs",
        "control_plane.json control_plane.steps.json",
    ),
}


@pytest.mark.parametrize("fact", LIVE)
def test_live(host: Host, fact: str) -> None:
    read, expected = LIVE[fact]
    assert host.check_output(read) == expected
