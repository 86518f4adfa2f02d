"""Which certificates are due, what is read of a control plane, what a backup keeps, which copies are refreshed."""

from __future__ import annotations

import base64
import datetime
import stat
import tarfile
from pathlib import Path

import pytest
from ansible.module_utils import kprov_certs_backup as backups
from ansible.module_utils import kprov_certs_copies as copies
from ansible.module_utils import kprov_certs_served as served
from ansible.module_utils import kprov_containers as containers
from ansible.module_utils import kprov_kubeadm_certs as kubeadm
from ansible.module_utils import kprov_static_pods as static_pods
from ansible.module_utils.kprov_kubeadm_run import StepError
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.plugins.certificates import NOW, issue

DAY = 86400.0
now = NOW.timestamp()
API_SERVER = """apiVersion: v1
kind: Pod
spec:
  containers:
  - command:
    - kube-apiserver
    - --advertise-address=10.0.0.1
    - --client-ca-file=/etc/kubernetes/pki/ca.crt
    - --secure-port=6444
"""
ETCD = """spec:
  containers:
  - command:
    - etcd
    - --listen-client-urls=https://127.0.0.1:2379,https://10.0.0.1:2379
    - --listen-metrics-urls=http://127.0.0.1:2381
    - --listen-peer-urls=https://10.0.0.1:2380
"""
SCHEDULER = """spec:
  volumes:
  - hostPath:
      path: /etc/kubernetes/scheduler.conf
      type: FileOrCreate
    name: kubeconfig
"""


@pytest.fixture
def control_plane(node: Path) -> Path:
    """A node with kubeadm's files: all leaves have 20 days left, the API server's 40, the scheduler's 5."""
    pki = node / "etc/kubernetes/pki"
    manifests = node / "etc/kubernetes/manifests"
    manifests.mkdir(parents=True)
    for name, text in (("kube-apiserver", API_SERVER), ("etcd", ETCD), ("kube-scheduler", SCHEDULER)):
        (manifests / f"{name}.yaml").write_text(text)
    authorities = {name: issue(name) for name in ("ca", "front-proxy-ca", "etcd/ca")}
    for name, ca in authorities.items():
        ca.write(pki, name)
    for item in kubeadm.items().values():
        signer = authorities[item.ca.removeprefix(kubeadm.PKI + "/")]
        days = {"apiserver": 40.0, "scheduler.conf": 5.0}.get(item.name, 20.0)
        leaf = issue(item.name, signer=signer, days=days)
        path = node / item.path.lstrip("/")
        if item.kubeconfig:
            path.write_text(leaf.kubeconfig())
        else:
            leaf.write(path.parent, path.stem)
    return node


def due(only: list[str] | None = None, within: float | None = 30 * DAY) -> set[str]:
    known = kubeadm.items()
    return set(kubeadm.due(known, kubeadm.present(known), only or [], within, now))


def test_only_what_ends_soon_is_due(control_plane: Path) -> None:
    everything = set(kubeadm.items())
    assert due() == everything - {"apiserver"}
    assert due(within=10 * DAY) == {"scheduler.conf"}
    assert due(within=DAY) == set()
    assert due(within=None) == everything
    assert due(only=["apiserver"]) == set()
    assert due(only=["apiserver"], within=None) == {"apiserver"}


def test_without_the_key_of_the_ca_nothing_of_it_is_due(control_plane: Path) -> None:
    (control_plane / "etc/kubernetes/pki/etcd/ca.key").unlink()
    assert not any("etcd" in name for name in due(within=None))


def test_a_key_without_its_certificate_is_due_however_long_it_is_valid(control_plane: Path) -> None:
    issue("of a renewal that was cut short").write(control_plane / "tmp", "other")
    (control_plane / "tmp/other.key").replace(control_plane / "etc/kubernetes/pki/apiserver.key")
    assert "apiserver" in due()


def test_what_is_not_there_is_not_due_and_what_is_damaged_is_named(control_plane: Path) -> None:
    (control_plane / "etc/kubernetes/super-admin.conf").unlink()
    assert "super-admin.conf" not in due(within=None)
    (control_plane / "etc/kubernetes/admin.conf").write_text("kind: Config\n")
    with pytest.raises(kubeadm.CertificateProblem, match=r"/etc/kubernetes/admin.conf: a kubeconfig without"):
        kubeadm.present(kubeadm.items())


@given(st.integers(0, 400), st.integers(0, 23), st.integers(0, 59))
def test_durations(days: int, hours: int, minutes: int) -> None:
    assert kubeadm.seconds(f"{days}d{hours}h{minutes}m") == days * DAY + hours * 3600 + minutes * 60


@pytest.mark.parametrize("text", ["", "30", "30 d", "d", "-3d", "1.5h"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="is not a span of time"):
        kubeadm.seconds(text)


def test_addresses_are_those_of_the_manifests(control_plane: Path) -> None:
    found = served.endpoints(static_pods.pods())
    assert [(each.item, each.host, each.port) for each in found] == [
        ("apiserver", "127.0.0.1", 6444),
        ("apiserver", "10.0.0.1", 6444),
        ("etcd-server", "127.0.0.1", 2379),
        ("etcd-server", "10.0.0.1", 2379),
        ("etcd-peer", "10.0.0.1", 2380),
    ]


def test_a_pod_has_the_kubeconfig_that_it_mounts(control_plane: Path) -> None:
    pods = static_pods.pods()
    assert pods["kube-scheduler"].mounts("/etc/kubernetes/scheduler.conf")
    assert not pods["kube-scheduler"].mounts("/etc/kubernetes/scheduler")
    assert not pods["etcd"].mounts("/etc/kubernetes/scheduler.conf")
    assert static_pods.pki_directory(pods) == "/etc/kubernetes/pki"


def test_the_runtime_is_the_kubelets(control_plane: Path) -> None:
    with pytest.raises(StepError, match="socket of the container runtime"):
        containers.runtime_endpoint()
    kubelet = control_plane / "var/lib/kubelet"
    kubelet.mkdir()
    (kubelet / "kubeadm-flags.env").write_text('KUBELET_KUBEADM_ARGS="--container-runtime-endpoint=unix:///run/a.sock"')
    assert containers.runtime_endpoint() == "unix:///run/a.sock"
    (kubelet / "config.yaml").write_text("kind: KubeletConfiguration\ncontainerRuntimeEndpoint: unix:///run/b.sock\n")
    assert containers.runtime_endpoint() == "unix:///run/b.sock"


def back_up(at: float) -> str:
    return backups.make(kubeadm.present(kubeadm.items()), None, at)["directory"]


def test_a_backup_has_everything_and_is_for_root_only(control_plane: Path) -> None:
    made = control_plane / back_up(now).lstrip("/")
    for path in (made, *made.iterdir()):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path
    with tarfile.open(made / "kubernetes.tar.gz") as archive:
        names = set(archive.getnames())
    assert {"etc/kubernetes/pki/ca.key", "etc/kubernetes/admin.conf", "etc/kubernetes/manifests/etcd.yaml"} <= names


def test_old_backups_go_and_those_of_others_stay(control_plane: Path) -> None:
    made = [back_up(now + hour * 3600) for hour in range(4)]
    foreign = control_plane / "var/lib/kprov/backups/20200101T000000Z"
    foreign.mkdir()
    (foreign / "backup.json").write_text('{"reason": "somebody"}')
    assert backups.forget_old(2) == made[:2]
    assert backups.whole() == made[2:]
    assert foreign.exists()


def test_only_copies_of_a_replaced_admin_conf_are_refreshed(control_plane: Path) -> None:
    admin, other = control_plane / "etc/kubernetes/admin.conf", issue("somebody", days=3)
    home = control_plane / "root"
    home.mkdir()
    (home / "copy").write_text("# mine\n" + admin.read_text() + "current-context: mine\n")
    (home / "other").write_text(other.kubeconfig())
    (home / "copy").chmod(0o640)
    back_up(now)
    admin.write_text(issue("admin.conf", now=NOW + datetime.timedelta(days=1)).kubeconfig())
    back_up(now + DAY)
    (home / "new").write_text(admin.read_text())

    known = copies.replaced()
    assert copies.refresh("/root/copy", known, check_mode=True) == (True, None)
    assert copies.refresh("/root/copy", known, check_mode=False) == (True, None)
    assert (home / "copy").read_text() == "# mine\n" + admin.read_text() + "current-context: mine\n"
    assert stat.S_IMODE((home / "copy").stat().st_mode) == 0o640
    assert copies.refresh("/root/copy", known, check_mode=False) == (False, None)
    assert copies.refresh("/root/new", known, check_mode=False) == (False, None)
    before = (home / "other").read_text()
    changed, why = copies.refresh("/root/other", known, check_mode=False)
    assert not changed and "2026-06-04" in why
    assert (home / "other").read_text() == before


def test_identity_of_a_kubeconfig_is_whole(control_plane: Path) -> None:
    known = kubeadm.items()
    assert not kubeadm.broken_pair(known["admin.conf"])
    path = control_plane / "etc/kubernetes/admin.conf"
    key = base64.b64encode(issue("other").key).decode()
    lines = [line for line in path.read_text().splitlines() if "client-key-data" not in line]
    path.write_text("\n".join([*lines, f"    client-key-data: {key}"]))
    assert kubeadm.broken_pair(known["admin.conf"])
