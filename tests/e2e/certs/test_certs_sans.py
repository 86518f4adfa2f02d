"""Names that the inventory has and the certificates of a cluster that plain kubeadm made do not."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from kprov.errors import ExitCode
from tests.e2e.cluster import Completed, LabCluster, kprov
from tests.e2e.conftest import MakeLab
from tests.e2e.test_certs_schedule import KUBEADM

NAMES = {"api.example.org", "192.0.2.77"}
SERVED = """python3 - <<'END'
import json, socket, ssl
context = ssl.create_default_context(cafile="/etc/kubernetes/pki/ca.crt")
with context.wrap_socket(socket.create_connection(("{ip}", 6443), 5), server_hostname="api.example.org") as tls:
    print(json.dumps([name for _, name in tls.getpeercert()["subjectAltName"]]))
END"""
CONTAINERS = "crictl ps -q | sort"


@pytest.fixture(scope="module")
def foreign(make_lab: MakeLab) -> LabCluster:
    lab = make_lab("sans", workers=0)
    lab.prepare()
    lab.ssh("cp1", KUBEADM)
    return lab


@pytest.fixture(scope="module")
def address(foreign: LabCluster) -> str:
    """A second address of the machine: from now on it is the one that the inventory has."""
    old = str(re.search(r"\bip=(\S+)", foreign.inventory.read_text())[1])  # type: ignore[index]
    new = f"{old.rpartition('.')[0]}.250"
    foreign.ssh("cp1", f"ip address add {new}/32 dev lo")
    return new


@pytest.fixture(scope="module")
def renamed(foreign: LabCluster, address: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("renamed")
    text = re.sub(r"\bip=\S+", f"ip={address}", foreign.inventory.read_text())
    (directory / "inventory.ini").write_text(text)
    (directory / "group_vars").mkdir()
    for path in (foreign.inventory.parent / "group_vars").iterdir():
        (directory / "group_vars" / path.name).write_text(path.read_text())
    (directory / "group_vars" / "kube_control_plane.yml").write_text(
        f"control_plane_cert_sans: {json.dumps(sorted(NAMES))}\n"
    )
    return directory / "inventory.ini"


def certs(inventory: Path, verb: str, *options: str) -> Completed:
    return kprov("certs", verb, str(inventory), *options)


def missing(inventory: Path) -> set[str]:
    findings = certs(inventory, "check").data["findings"]
    return {one["name"] for one in findings if one["code"] == "san-missing"}


def config(lab: LabCluster) -> str:
    return lab.kubectl("get", "configmap", "-n", "kube-system", "kubeadm-config", "-o", "jsonpath={.data}")


def test_the_check_and_the_dry_run_name_what_is_missing(foreign: LabCluster, renamed: Path) -> None:
    assert missing(foreign.inventory) == set()
    assert missing(renamed) == {"apiserver", "etcd-server", "etcd-peer"}
    before = foreign.ssh("cp1", "find /etc/kubernetes -type f -exec sha256sum {} + | sort")
    done = certs(renamed, "renew", "--apply-sans", "--dry-run")
    assert done.exit_code == ExitCode.FOUND, done.stderr
    assert "api.example.org" in done.stderr
    assert foreign.ssh("cp1", "find /etc/kubernetes -type f -exec sha256sum {} + | sort") == before


def test_names_are_added_in_use_and_kept(foreign: LabCluster, renamed: Path, address: str) -> None:
    containers = foreign.ssh("cp1", CONTAINERS)
    others = "cd /etc/kubernetes/pki; sha256sum ca.* sa.* front-proxy-* apiserver-* etcd/ca.* etcd/healthcheck-*"
    before = foreign.ssh("cp1", others)
    done = certs(renamed, "renew", "--apply-sans", "--yes")
    assert done.exit_code == ExitCode.OK, done.stderr
    assert missing(renamed) == set()
    served = set(json.loads(foreign.ssh("cp1", SERVED.format(ip=address))))
    assert served >= NAMES | {address, "kubernetes", "10.96.0.1", foreign.node("cp1")}
    assert foreign.ssh("cp1", CONTAINERS) == containers  # nothing was restarted
    assert foreign.ssh("cp1", others) == before  # nothing else was renewed
    assert all(name in config(foreign) for name in (*NAMES, address, "serverCertSANs", "peerCertSANs"))
    assert certs(renamed, "check").exit_code == ExitCode.OK


def test_the_second_run_has_nothing_to_do(foreign: LabCluster, renamed: Path) -> None:
    before = foreign.ssh("cp1", "find /etc/kubernetes -type f -exec sha256sum {} + | sort"), config(foreign)
    done = certs(renamed, "renew", "--apply-sans", "--yes")
    assert done.exit_code == ExitCode.OK
    after = foreign.ssh("cp1", "find /etc/kubernetes -type f -exec sha256sum {} + | sort"), config(foreign)
    assert after == before


def test_a_renewal_keeps_the_names(renamed: Path) -> None:
    done = certs(renamed, "renew", "--only", "apiserver,etcd-server,etcd-peer", "--all", "--yes")
    assert done.exit_code == ExitCode.OK, done.stderr
    assert missing(renamed) == set()
