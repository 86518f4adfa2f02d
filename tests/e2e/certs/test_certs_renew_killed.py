"""`kprov certs renew` cut short at each of its steps, on one control plane: the next run does what was left."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from kprov.content import content_root
from kprov.engine.settings import ALIVE_COUNT, ALIVE_INTERVAL
from kprov.errors import ExitCode
from tests.e2e.cluster import Completed, LabCluster, wait_until
from tests.e2e.conftest import MakeLab
from tests.e2e.journal import RunningUp

# A file that is read for each connection, two that are watched or read for each handshake, one whose reader restarts.
NAMES = ("admin.conf", "apiserver", "etcd-peer", "scheduler.conf")
RENEW = ("--only", ",".join(NAMES), "--within", "9d")
COPY = "/root/.kube/config"
LOG = "/var/log/kprov/certs_renew.log"  # what kubeadm says
SCHEDULER = "crictl ps -q --name '^kube-scheduler$'"
# The four have a day left, and a kubelet that has just been started holds no crash against the scheduler.
SOON = f"""set -e
printf '%s\\n' 'apiVersion: kubeadm.k8s.io/v1beta4' 'kind: ClusterConfiguration' \
  "kubernetesVersion: $(kubeadm version -o short)" 'certificateValidityPeriod: 24h0m0s' > /root/soon.yaml
for name in {" ".join(NAMES)}; do kubeadm certs renew $name --config /root/soon.yaml >/dev/null; done
mkdir -p /root/.kube && cp /etc/kubernetes/admin.conf {COPY}
systemctl restart kubelet
until curl -sf http://127.0.0.1:10248/healthz >/dev/null; do sleep 0.2; done
"""
# As soon as kubeadm writes, packets of SSH vanish without an answer, for longer than a run takes to see it.
NO_NETWORK = f"""written=$(stat -c %s {LOG}); systemd-run --quiet sh -c 'rule="INPUT -p tcp --dport 22 -j DROP"
until [ "$(stat -c %s {LOG})" != "$0" ]; do sleep 0.02; done
iptables -I $rule; sleep {ALIVE_INTERVAL * (ALIVE_COUNT + 3)}; iptables -D $rule' "$written"
"""
# The API server goes on seeing the files of now, whatever becomes of them; one that is started anew does not.
FREEZE = """set -e
cd /etc/kubernetes/pki && cp apiserver.crt frozen.crt && cp apiserver.key frozen.key
python3 - $(pidof kube-apiserver) <<'END'
import ctypes, os, sys
libc, BIND = ctypes.CDLL(None, use_errno=True), 4096
namespace = os.open(f"/proc/{sys.argv[1]}/ns/mnt", os.O_RDONLY)
assert libc.setns(namespace, 0) == 0, os.strerror(ctypes.get_errno())
for suffix in ("crt", "key"):
    old, new = (f"/etc/kubernetes/pki/{name}.{suffix}".encode() for name in ("frozen", "apiserver"))
    assert libc.mount(old, new, None, BIND, None) == 0, os.strerror(ctypes.get_errno())
END
rm frozen.crt frozen.key
"""


def steps() -> list[str]:
    """Titles of the role's tasks that run something on a node, in the playbook's order."""
    tasks = content_root() / "roles" / "certs_renew" / "tasks"
    found = [
        task for file in ("gate", "backup", "main") for task in yaml.safe_load((tasks / f"{file}.yml").read_text())
    ]
    return [task["name"] for task in found if any(key.startswith("kprov_") or key.endswith("fetch") for key in task)]


@pytest.fixture(scope="module")
def lab(make_lab: MakeLab) -> LabCluster:
    made = make_lab("killed", workers=0)
    made.up("--no-verify")
    return made


def renew(lab: LabCluster, *arguments: str) -> Completed:
    return lab.certs("renew", "--yes", *arguments)


def items(lab: LabCluster) -> dict[str, dict[str, Any]]:
    found = lab.certs("check").data["items"]
    return {item["item"]: item for item in found if item["host"]}


def unfinished(found: dict[str, dict[str, Any]]) -> set[str]:
    """Not renewed yet, or renewed and not in use, or a copy of what is no more."""
    left = {name for name in NAMES if found[name]["left_seconds"] < 9 * 86400}
    left |= {name for name, item in found.items() if item["served_equal"] is False}
    return left | ({COPY} if found[COPY]["serial"] != found["admin.conf"]["serial"] else set())


def start(lab: LabCluster) -> RunningUp:
    return RunningUp(lab, *RENEW, verb=("certs", "renew"))


def finish(lab: LabCluster) -> set[str]:
    """What the next run finds to do; it does that and nothing else."""
    lab.ssh("cp1", "flock --timeout 90 /run/kprov.lock true")  # what runs on the node ends what it began
    before, running = items(lab), lab.static_pods()
    left = unfinished(before)
    done = renew(lab, *RENEW)
    assert done.exit_code == ExitCode.OK, done.stderr
    # A copy of what is about to be renewed is refreshed on the way.
    assert {item["item"] for item in done.data["items"]} | {COPY} == left | {COPY}
    after = items(lab)
    assert unfinished(after) == set()
    renewed = {name for name in NAMES if after[name]["serial"] != before[name]["serial"]}
    assert renewed == {name for name in NAMES if before[name]["left_seconds"] < 9 * 86400}
    now = lab.static_pods()
    restarted = {name for name in running if now[name] != running[name]}
    assert restarted == ({"kube-scheduler"} if "scheduler.conf" in left else set())
    return left


@pytest.mark.parametrize("step", steps())
def test_killed_as_a_step_begins(lab: LabCluster, step: str) -> None:
    lab.ssh("cp1", SOON)
    with start(lab) as run:
        run.wait_for_task(step)
        run.kill()
    left = finish(lab)
    done_before = steps().index(step)
    if done_before < steps().index("Renew the certificates that are due"):
        assert left >= {*NAMES}
    if done_before > steps().index("Renew the certificates that are due"):
        assert left <= {"scheduler.conf", COPY}


def test_killed_while_kubeadm_renews(lab: LabCluster) -> None:
    lab.ssh("cp1", SOON)
    written = lab.ssh("cp1", f"stat -c %s {LOG}").strip()
    with start(lab) as run:
        run.wait_for_task("Renew the certificates that are due")
        lab.ssh("cp1", f"timeout 30 sh -c 'until [ \"$(stat -c %s {LOG})\" != {written} ]; do sleep 0.02; done'")
        run.kill()
    finish(lab)


def test_killed_while_a_component_restarts(lab: LabCluster) -> None:
    lab.ssh("cp1", SOON)
    old = lab.ssh("cp1", SCHEDULER).strip()
    with start(lab) as run:
        run.wait_for_task("Prove that they are in use")
        lab.ssh("cp1", f"timeout 60 sh -c 'while [ \"$({SCHEDULER})\" = {old} ]; do sleep 0.05; done'")
        run.kill()
    assert finish(lab) <= {"scheduler.conf", COPY}


def test_the_network_goes_while_kubeadm_renews(lab: LabCluster) -> None:
    lab.ssh("cp1", SOON)
    lab.ssh("cp1", NO_NETWORK)
    with start(lab) as run:
        cut = run.finish()
    assert cut.exit_code == ExitCode.PHASE, cut.stderr
    assert lab.node("cp1") in cut.stderr, cut.stderr
    wait_until("the network is back", lambda: lab.ssh("cp1", "echo back", check=False) == "back\n")
    assert finish(lab) <= {"scheduler.conf", COPY}


def test_a_server_that_does_not_take_its_certificate_is_named_and_left_running(lab: LabCluster) -> None:
    """The last one: nothing but a restart mends that API server."""
    address = items(lab)["apiserver"]["served"][0]["where"]
    running = lab.static_pods()
    lab.ssh("cp1", FREEZE)
    refused = renew(lab, "--only", "apiserver", "--all")
    assert refused.exit_code == ExitCode.PHASE
    assert f"kube-apiserver at {address} serves another certificate" in refused.stderr
    assert "the API would be away for 5 to 35 s" in refused.stderr
    assert "--accept-outage" in refused.stderr
    assert lab.static_pods() == running
