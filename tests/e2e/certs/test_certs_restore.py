"""`kprov certs restore`: the certificates from before a renewal are served again, also where a file is damaged."""

from __future__ import annotations

from typing import Any

import pytest

from kprov.certs.node.known import KUBEADM
from kprov.errors import ExitCode
from tests.e2e.cluster import Completed, LabCluster, another_inventory
from tests.e2e.conftest import MakeLab


@pytest.fixture(scope="module")
def lab(make_lab: MakeLab, tmp_path_factory: pytest.TempPathFactory) -> LabCluster:
    made = make_lab("restore", workers=0)
    inventory = another_inventory(made, tmp_path_factory.mktemp("restore"), control_plane_certificate_validity="240h")
    cluster = LabCluster(made.name, inventory)
    cluster.up("--no-verify")
    return cluster


def restore(lab: LabCluster, *arguments: str) -> Completed:
    return lab.certs("restore", "--host", lab.node("cp1"), "--yes", *arguments)


def items(lab: LabCluster) -> dict[str, dict[str, Any]]:
    """kubeadm's certificates on the first control plane; each must be in use."""
    found = lab.certs("check").data["items"]
    mine = {item["item"]: item for item in found if item["item"] in KUBEADM and item["host"] == lab.node("cp1")}
    assert all(item["served_equal"] in (True, None) for item in mine.values())
    return mine


def serials(lab: LabCluster) -> dict[str, str]:
    return {name: item["serial"] for name, item in items(lab).items()}


def served(lab: LabCluster, port: int) -> str:
    """Serial of what a socket serves, asked by openssl."""
    ask = f"openssl s_client -connect 127.0.0.1:{port} </dev/null 2>/dev/null | openssl x509 -noout -serial"
    return lab.ssh("cp1", ask).strip().lower().removeprefix("serial=").lstrip("0")


def names(lab: LabCluster) -> list[str]:
    listed = lab.certs("backups", "--limit", lab.node("cp1")).data["backups"]
    return [one["backup"] for one in listed]


def test_a_restore_brings_the_old_serials_back(lab: LabCluster) -> None:
    before = serials(lab)
    assert lab.certs("renew", "--all", "--yes", "--host", lab.node("cp1")).exit_code == ExitCode.OK
    renewed = serials(lab)
    assert not {name for name in before if before[name] == renewed[name]}
    backup = names(lab)[-1]

    tried = restore(lab, "--from", backup, "--dry-run")
    assert tried.exit_code == ExitCode.FOUND
    assert {one["item"]: one["backup"] for one in tried.data["items"]} == before
    assert serials(lab) == renewed

    done = restore(lab, "--from", backup)
    assert done.exit_code == ExitCode.OK, done.stderr
    assert {one["item"]: one["now"] for one in done.data["items"]} == before
    assert serials(lab) == before
    assert served(lab, 6443) == before["apiserver"].lstrip("0")
    assert lab.kubectl("get", "--raw", "/readyz") == "ok"
    # The copy that people use went along, and the way forward again is in a backup, too.
    assert lab.ssh("cp1", "test ! -e /root/.kube/config || cmp /root/.kube/config /etc/kubernetes/admin.conf") == ""
    assert names(lab)[-1] > backup


def test_a_second_restore_changes_nothing(lab: LabCluster) -> None:
    wanted = names(lab)[-2]
    before = lab.snapshot("cp1")
    done = restore(lab, "--from", wanted)
    assert (done.exit_code, done.data["items"]) == (ExitCode.OK, [])
    assert lab.snapshot("cp1") == before


def test_a_damaged_file_comes_back(lab: LabCluster) -> None:
    before = serials(lab)
    assert lab.certs("renew", "--only", "scheduler.conf", "--all", "--yes").exit_code == ExitCode.OK
    backup = names(lab)[-1]
    lab.ssh("cp1", "echo garbage > /etc/kubernetes/scheduler.conf")
    done = restore(lab, "--from", backup, "--only", "scheduler.conf")
    assert done.exit_code == ExitCode.OK, done.stderr
    assert serials(lab) == before


def test_what_has_ended_is_not_put_back_unless_asked_for(lab: LabCluster) -> None:
    """A backup whose front-proxy-client ends in a minute."""
    lab.ssh(
        "cp1",
        "sed 's/certificateValidityPeriod: .*/certificateValidityPeriod: 1m0s/' /etc/kubernetes/kubeadm.yaml"
        " > /run/short.yaml"
        " && kubeadm certs renew front-proxy-client --config /run/short.yaml",
    )
    short = serials(lab)["front-proxy-client"]
    assert lab.certs("renew", "--only", "front-proxy-client", "--all", "--yes").exit_code == ExitCode.OK
    backup = names(lab)[-1]
    lab.ssh("cp1", "sleep 61")  # what is waited for is the end of a certificate that lives for a minute
    before = serials(lab)
    refused = restore(lab, "--from", backup)
    assert refused.exit_code == ExitCode.INPUT
    assert "front-proxy-client ended at" in refused.stderr
    assert serials(lab) == before
    accepted = restore(lab, "--from", backup, "--accept-expired")
    assert accepted.exit_code == ExitCode.OK, accepted.stderr
    assert serials(lab)["front-proxy-client"] == short
    again = lab.certs("renew", "--yes", "--only", "front-proxy-client")
    assert again.exit_code == ExitCode.OK, again.stderr


def test_wrong_names_never_reach_a_node(lab: LabCluster) -> None:
    for arguments, said in (
        (("--from", "yesterday"), "has no backup yesterday"),
        (("--only", "apiservr"), "has no apiservr"),
    ):
        done = restore(lab, *arguments)
        assert (done.exit_code, said in done.stderr) == (ExitCode.INPUT, True)
