"""A cluster of one host that runs ordinary pods, kube-proxy on nftables, installed through sudo with a password."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from kprov.engine.paths import cluster_home
from kprov.lab.directory import lab_directory
from tests.e2e.cluster import LabCluster, another_inventory
from tests.e2e.conftest import MakeLab

NODE_LOGS = "journalctl --no-pager -o cat; grep -Irsh '' /var/log /var/lib/kprov /tmp /var/tmp /home /root || true"
KEYS = "grep -rh -A1 'BEGIN.*PRIVATE KEY' /etc/kubernetes/pki | grep -v -e BEGIN -e '^--'"
CLIENT_KEYS = "sed -n 's/.*client-key-data: //p' /etc/kubernetes/*.conf"


@pytest.fixture(scope="module")
def one(make_lab: MakeLab, tmp_path_factory: pytest.TempPathFactory) -> LabCluster:
    lab = make_lab("one", workers=0)
    with (lab.inventory.parent / "group_vars" / "all.yml").open("a") as variables:
        variables.write("\ncontrol_plane_schedulable: true\nkube_proxy_mode: nftables\n")
    login = {"ansible_user": "sudoer", "ansible_become_password": sudo_password(lab)}
    return LabCluster(lab.name, another_inventory(lab, tmp_path_factory.mktemp("one"), **login))


def sudo_password(lab: LabCluster) -> str:
    return (lab_directory(lab.name).path / "sudo_password").read_text().strip()


def test_cluster_of_one_host_is_verified(one: LabCluster) -> None:
    done = one.up()
    assert all(check["ok"] and not check["skipped"] for check in done.data["verify"]["checks"])
    assert one.kprov("plan").exit_code == 0
    node = json.loads(one.kubectl("get", "node", one.node("cp1"), "-o", "json"))
    assert "taints" not in node["spec"]


def test_kube_proxy_uses_nftables_and_nothing_else(one: LabCluster) -> None:
    assert "table ip kube-proxy" in one.ssh("cp1", "nft list tables")
    assert "KUBE-SVC" not in one.ssh("cp1", "iptables-save")


def test_no_secret_is_in_a_log_here_or_there(one: LabCluster) -> None:
    """What a run left on the controller and on the node holds no password and no private key."""
    client_keys = [base64.b64decode(line).decode().splitlines()[1] for line in one.ssh("cp1", CLIENT_KEYS).split()]
    secrets = {sudo_password(one), *one.ssh("cp1", KEYS).split(), *client_keys}
    assert len(secrets) >= 10
    written = {str(path): path.read_text() for path in Path(cluster_home(one.name)).rglob("*") if path.is_file()}
    written["the node"] = one.ssh("cp1", NODE_LOGS)
    assert len(written["the node"]) > 10_000
    lines = {where: text.splitlines() for where, text in written.items()}
    found = [(where, line) for where in lines for line in lines[where] if any(secret in line for secret in secrets)]
    assert found == []
