"""`kprov certs rotate-ca` on one control plane and a worker: killed in each step, and who is let in afterwards."""

from __future__ import annotations

import time
from typing import Any

import pytest

from kprov.engine.paths import cluster_home
from kprov.errors import ExitCode
from kprov.spec.load import load
from tests.e2e.cluster import Completed, LabCluster, kprov
from tests.e2e.conftest import MakeLab
from tests.e2e.journal import RunningUp

PKI = "/etc/kubernetes/pki"
OLD = "/root/old"
# The task of each step that changes something.
STRIKES = {
    "create": "Keep it beside the old one",
    "trust": "Take the step",
    "issue": "Take the step",
    "distrust": "Take the step",
}


@pytest.fixture(scope="module")
def lab(make_lab: MakeLab) -> LabCluster:
    made = make_lab("rotate", workers=1)
    made.up("--no-verify")
    made.ssh("cp1", f"rm -rf {OLD}; cp -r {PKI} {OLD}")
    return made


def rotate(lab: LabCluster, authority: str, *arguments: str) -> Completed:
    return lab.certs(f"rotate-ca {authority}", *arguments)


def serial(lab: LabCluster, authority: str) -> str:
    found: str = rotate(lab, authority).data["new"]["serial"]
    return found


def etcd(lab: LabCluster, leaf: str, port: int) -> str:
    """The answer to a client with a certificate; empty if it is refused."""
    address = load(lab.inventory).spec.group("kube_control_plane")[0].ip
    command = f"curl -sk --http1.1 --cert {leaf}.crt --key {leaf}.key https://{address}:{port}/version"
    return lab.ssh("cp1", command, check=False)


def proxied(lab: LabCluster, leaf: str) -> str:
    """Whom the API server takes a front proxy with this certificate for."""
    body = '{"apiVersion":"authentication.k8s.io/v1","kind":"SelfSubjectReview"}'
    url = "https://127.0.0.1:6443/apis/authentication.k8s.io/v1/selfsubjectreviews"
    headers = "-H 'X-Remote-User: somebody' -H 'Content-Type: application/json'"
    return lab.ssh("cp1", f"curl -sk --http1.1 --cert {leaf}.crt --key {leaf}.key {headers} -d '{body}' {url}")


def items(lab: LabCluster) -> dict[str, dict[str, Any]]:
    found = lab.certs("check").data["items"]
    return {item["item"]: item for item in found if item["host"] == lab.node("cp1")}


def until_at_work(lab: LabCluster) -> None:
    """Until a module of kprov's holds the node, or has been too quick to be seen."""
    end = time.monotonic() + 5
    while time.monotonic() < end and lab.ssh("cp1", "flock -n /run/kprov.lock echo free", check=False):
        pass


def test_without_yes_nothing_is_changed(lab: LabCluster) -> None:
    before = lab.snapshot("cp1")
    assert rotate(lab, "etcd-ca").exit_code == ExitCode.OK
    found = rotate(lab, "etcd-ca", "--replace", serial(lab, "etcd-ca"), "--all-steps")
    assert (found.exit_code, found.data["next_step"]) == (ExitCode.FOUND, "create")
    assert rotate(lab, "etcd-ca", "--yes").data["changed"] is False, "nobody said which CA is to go"
    assert lab.snapshot("cp1") == before


def test_the_cas_that_kprov_does_not_rotate_are_refused(lab: LabCluster) -> None:
    done = rotate(lab, "ca", "--yes", "--replace", "1")
    assert done.exit_code == ExitCode.INPUT
    assert "rotate-ca.md" in done.data["hint"]


def test_front_proxy_ca_is_rotated_and_nothing_is_restarted(lab: LabCluster) -> None:
    running, old = lab.static_pods(), serial(lab, "front-proxy-ca")
    assert "somebody" in proxied(lab, f"{OLD}/front-proxy-client")
    done = rotate(lab, "front-proxy-ca", "--replace", old, "--yes", "--all-steps")
    assert done.exit_code == ExitCode.OK, done.stderr
    assert [one["step"] for one in done.data["taken"]] == [*STRIKES]
    assert any("refuses the old CA" in proof for proof in done.data["taken"][-1]["proofs"])
    assert lab.static_pods() == running
    assert "somebody" in proxied(lab, f"{PKI}/front-proxy-client")
    assert '"code": 401' in proxied(lab, f"{OLD}/front-proxy-client")
    published = lab.kubectl(
        "get",
        "cm",
        "-n",
        "kube-system",
        "extension-apiserver-authentication",
        "-o",
        "jsonpath={.data.requestheader-client-ca-file}",
    )
    assert published.strip() == lab.ssh("cp1", f"cat {PKI}/front-proxy-ca.crt").strip()
    again = rotate(lab, "front-proxy-ca", "--replace", old, "--yes", "--all-steps")
    assert (again.exit_code, again.data["changed"]) == (ExitCode.OK, False)


def test_restarts_need_leave_before_anything_is_changed(lab: LabCluster) -> None:
    done = rotate(lab, "etcd-ca", "--replace", serial(lab, "etcd-ca"), "--yes")
    assert done.exit_code == ExitCode.OK, done.stderr
    before = lab.snapshot("cp1")
    refused = rotate(lab, "etcd-ca", "--yes")
    assert (refused.exit_code, refused.data["hint"]) == (ExitCode.INPUT, "allow it with --accept-outage")
    assert lab.snapshot("cp1") == before
    lab.ssh("cp1", f"rm {PKI}/etcd/ca-next.*")  # the next test begins anew


def test_etcd_ca_is_rotated_though_every_step_is_killed(lab: LabCluster) -> None:
    old = serial(lab, "etcd-ca")
    command = ("--replace", old, "--accept-outage")
    for step, task in STRIKES.items():
        assert rotate(lab, "etcd-ca", "--replace", old).data["next_step"] == step
        with RunningUp(lab, *command, verb=("certs", "rotate-ca", "etcd-ca")) as run:
            run.wait_for_task(task)
            until_at_work(lab)
            run.kill()
        lab.ssh("cp1", "flock --timeout 110 /run/kprov.lock true")  # what runs on the node ends what it began
        lab.kubectl("get", "--raw", "/readyz")
        if rotate(lab, "etcd-ca").data["next_step"] == step:
            done = rotate(lab, "etcd-ca", "--yes", *command)
            assert (done.exit_code, [one["step"] for one in done.data["taken"]]) == (ExitCode.OK, [step]), done.stderr
    ended = rotate(lab, "etcd-ca", "--yes", *command)
    assert (ended.exit_code, ended.data["changed"], ended.data["next_step"]) == (ExitCode.OK, False, None)


def test_only_the_new_ca_is_trusted_and_in_use(lab: LabCluster) -> None:
    for port in (2379, 2380):
        assert "etcdserver" in etcd(lab, f"{PKI}/etcd/healthcheck-client", port), port
        assert etcd(lab, f"{OLD}/etcd/healthcheck-client", port) == "", port
    assert lab.ssh("cp1", f"ls {PKI} {PKI}/etcd | grep -e -next -e -old", check=False) == ""
    assert lab.ssh("cp1", f"stat -c %a {PKI}/etcd/ca.key").strip() == "600"
    checked = lab.certs("check")
    assert checked.exit_code in (ExitCode.OK, ExitCode.FOUND), checked.data
    found = items(lab)
    assert all(found[name]["served_equal"] for name in ("etcd-server", "etcd-peer", "apiserver"))


def test_no_key_is_in_a_log_and_the_cluster_works(lab: LabCluster) -> None:
    for path in (cluster_home(lab.name) / "runs").rglob("*"):
        assert not path.is_file() or "PRIVATE KEY" not in path.read_text(errors="replace"), path
    # A line of the key's body: nothing of it is in the command, which sudo logs.
    line = f"k=$(sed -n 3p {PKI}/etcd/ca.key)"
    journal = lab.ssh("cp1", f'{line}; journalctl -q --no-pager -o cat | grep -cF -- "$k"', check=False)
    files = lab.ssh("cp1", f'{line}; grep -rlF -- "$k" /var/log /root/.ansible /tmp /run', check=False)
    assert (journal.strip(), files) == ("0", "")
    done = kprov("verify", str(lab.inventory))
    assert done.exit_code == ExitCode.OK, done.stderr
    assert lab.up("--no-verify").data["changed"] == 0
