"""kubeconfigs: every user in every shape of file, copies of admin.conf, those of other clusters, damaged ones."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from kprov.certs.item import Item, Renewer
from kprov.certs.node import kubeconfigs
from kprov.certs.rules import judge
from tests.unit.certs import pki
from tests.unit.certs.nodes import PKI, Node
from tests.unit.certs.test_layouts import LIMITS, codes, why

HOME = "/root/.kube/config"
EXEC = {
    "exec": {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": "aws",
        "args": ["eks", "get-token"],
        "env": [{"name": "AWS_PROFILE", "value": "prod"}],
    }
}


def items(node: Node, path: str = HOME) -> list[Item]:
    return [item for item in node.inventory().items if item.place == path]


def broken(node: Node) -> dict[str, str]:
    """kubeadm's file to why nobody can log in with it."""
    found = judge(node.inventory(), LIMITS)
    assert why(node.inventory()) == {}  # said once
    return {one.name: one.message for one in found if one.code == "kubeconfig-broken"}


def other_cluster() -> tuple[pki.Pair, dict[str, Any]]:
    ca = pki.authority("other")
    login = pki.issue(ca, "admin-of-other", org="system:masters")
    return login, pki.kubeconfig(login, ca, server="https://10.9.9.9:6443")


def test_exact_copy_of_admin_conf_is_known_as_one(plane: Node) -> None:
    plane.put(HOME, plane.path("/etc/kubernetes/admin.conf").read_text(), 0o600)
    (item,) = items(plane)
    assert (item.renewer, item.name) == (Renewer.COPY, HOME)
    assert judge(plane.inventory(), LIMITS) == ()


def test_old_copy_is_nobody_s_and_alarms_when_it_ends(plane: Node) -> None:
    made = pki.kubeadm()
    old = pki.issue(made.ca, "kubernetes-admin", org="kubeadm:cluster-admins", days=3)
    plane.kubeconfig("/home/ann/.kube/config", pki.kubeconfig(old, made.ca))
    (item,) = items(plane, "/home/ann/.kube/config")
    assert item.renewer is Renewer.NOBODY
    (finding,) = judge(plane.inventory(), LIMITS)
    assert (finding.code, finding.severity) == ("expires", "warning")
    assert "copy" in str(finding.hint)


def test_copy_of_an_admin_conf_that_kprov_replaced_is_known_by_the_backup(plane: Node) -> None:
    made = pki.kubeadm()
    old = pki.issue(made.ca, "kubernetes-admin", org="kubeadm:cluster-admins", days=3)
    plane.kubeconfig(HOME, pki.kubeconfig(old, made.ca))
    certificates = {"admin.conf": {"serial": f"{old.x509.serial_number:x}"}, "apiserver": {"serial": "1"}}
    plane.put("/var/lib/kprov/backups/20260101T000000Z/backup.json", json.dumps({"certificates": certificates}))
    plane.put("/var/lib/kprov/backups/20260102T000000Z/backup.json", "half of")
    (item,) = items(plane)
    assert item.renewer is Renewer.COPY


def test_expired_embedded_certificate_with_a_valid_pki_directory(plane: Node) -> None:
    made = pki.kubeadm()
    ended = pki.issue(made.ca, "system:kube-scheduler", days=-0.5)
    plane.kubeconfig("/etc/kubernetes/scheduler.conf", pki.kubeconfig(ended, made.ca))
    (finding,) = judge(plane.inventory(), LIMITS)
    assert (finding.code, finding.severity, finding.name) == ("expired", "critical", "scheduler.conf")


def test_several_clusters_in_one_file(plane: Node) -> None:
    made = pki.kubeadm()
    _, other = other_cluster()
    document = pki.merged(pki.kubeconfig(made.users["admin.conf"], made.ca), other)
    plane.kubeconfig(HOME, document)
    assert [(item.certificate.common_name, item.renewer) for item in items(plane)] == [
        ("kubernetes-admin", Renewer.COPY),
        ("admin-of-other", Renewer.NOBODY),
    ]
    assert judge(plane.inventory(), LIMITS) == ()


def test_file_of_another_cluster_alone_is_a_warning(plane: Node) -> None:
    plane.kubeconfig(HOME, other_cluster()[1])
    (finding,) = judge(plane.inventory(), LIMITS)
    assert (finding.code, finding.severity) == ("kubeconfig-ca-differs", "warning")


def test_kubeadm_s_own_file_of_another_cluster_is_critical(plane: Node) -> None:
    plane.kubeconfig("/etc/kubernetes/admin.conf", other_cluster()[1])
    found = {(one.code, one.severity) for one in judge(plane.inventory(), LIMITS)}
    assert found == {
        ("kubeconfig-ca-differs", "critical"),
        ("not-signed-by-ca", "critical"),
        ("kubeconfig-identity", "warning"),
    }


def test_users_without_certificates_are_no_items(plane: Node) -> None:
    token = {"token": "abcdef.0123456789abcdef"}
    documents = [pki.kubeconfig(login, pki.kubeadm().ca) for login in (token, EXEC, {"username": "a", "password": "b"})]
    plane.kubeconfig(HOME, pki.merged(*documents))
    plane.kubeconfig("/etc/kubernetes/bootstrap-kubelet.conf", documents[0])
    assert items(plane) == items(plane, "/etc/kubernetes/bootstrap-kubelet.conf") == []
    assert why(plane.inventory()) == {}


@pytest.mark.parametrize("shape", ["yaml", "indented", "quoted", "json", "json in one line"])
def test_every_shape_that_kubectl_reads(plane: Node, shape: str) -> None:
    made = pki.kubeadm()
    admin = made.users["admin.conf"]
    first = pki.kubeconfig(admin, made.ca)
    first["users"][0]["user"].update(EXEC)  # a list inside an entry
    document = pki.merged(first, pki.kubeconfig({"token": "t"}, made.ca))
    text = pki.text(document)
    written = {
        "yaml": text,
        "indented": re.sub(r"^(?=[ -])", "  ", text, flags=re.MULTILINE),
        "quoted": text.replace(pki.encoded(admin.pem), f'"{pki.encoded(admin.pem)}"'),
        "json": json.dumps(document, indent=4),
        "json in one line": json.dumps(document),
    }[shape]
    assert yaml.safe_load(written) == document
    plane.put(HOME, written, 0o600)
    (item,) = items(plane)
    assert item.certificate.x509 == admin.x509
    assert [one.x509 for one in item.authorities] == [made.ca.x509, made.ca.x509]
    assert item.key
    assert item.key.problem is None


def test_paths_in_place_of_data(plane: Node) -> None:
    made = pki.kubeadm()
    plane.pair("/root/.kube/ann.crt", made.users["admin.conf"])
    plane.put("/root/.kube/ca.crt", made.ca.pem)
    document = pki.kubeconfig({"client-certificate": "ann.crt", "client-key": "/root/.kube/ann.key"}, None)
    document["clusters"][0]["cluster"]["certificate-authority"] = "ca.crt"
    plane.kubeconfig(HOME, document, 0o644)  # there is no key in it
    (item,) = items(plane)
    assert item.certificate.x509 == made.users["admin.conf"].x509
    assert item.authorities[0].x509 == made.ca.x509
    assert item.key
    assert (item.key.path, item.key.mode) == ("/root/.kube/ann.key", 0o600)
    assert judge(plane.inventory(), LIMITS) == ()
    plane.path("/root/.kube/ann.key").chmod(0o644)
    assert codes(plane.inventory()) == {("key-readable", "/root/.kube/ann.key")}


def test_kubeconfig_with_the_api_server_s_identity_by_path(plane: Node) -> None:
    """As old instructions make it: kubectl config set-credentials --client-certificate=apiserver-kubelet-client.crt."""
    pair = {
        "client-certificate": f"{PKI}/apiserver-kubelet-client.crt",
        "client-key": f"{PKI}/apiserver-kubelet-client.key",
    }
    plane.kubeconfig(HOME, pki.kubeconfig(pair, pki.kubeadm().ca))
    assert codes(plane.inventory()) == {("api-server-identity", HOME)}


def test_file_that_a_path_leads_to_is_missing(plane: Node) -> None:
    plane.kubeconfig(HOME, pki.kubeconfig({"client-certificate": "gone.crt", "client-key": "x"}, pki.kubeadm().ca))
    assert why(plane.inventory()) == {HOME: "there is no certificate in /root/.kube/gone.crt"}


@pytest.mark.parametrize(
    "data",
    ["%%%", "AAAA", pki.encoded("-----BEGIN CERTIFICATE-----\nMIIB"), ">-", pki.encoded("no certificate")],
)
def test_damaged_data_is_said_not_skipped(plane: Node, data: str) -> None:
    login = {"client-certificate-data": data, "client-key-data": "AAAA"}
    plane.kubeconfig("/etc/kubernetes/admin.conf", pki.kubeconfig(login, pki.kubeadm().ca))
    assert broken(plane) == {"admin.conf": "there is no certificate in client-certificate-data"}


def test_damaged_certificate_in_good_base64(plane: Node) -> None:
    text = "-----BEGIN CERTIFICATE-----\nMIIBAAAA\n-----END CERTIFICATE-----\n"
    login = {"client-certificate-data": pki.encoded(text), "client-key-data": "AAAA"}
    plane.kubeconfig("/etc/kubernetes/admin.conf", pki.kubeconfig(login, pki.kubeadm().ca))
    assert [*broken(plane)] == ["admin.conf"]


@pytest.mark.parametrize("text", ["", "kind: Other\n", "\0\1\2", "users: [", "kind: Config\nusers:\nclusters: 3\n"])
def test_files_that_are_no_kubeconfigs(plane: Node, text: str) -> None:
    plane.put(HOME, text)
    assert items(plane) == []
    assert why(plane.inventory()) == {}


def test_directory_in_place_of_a_file(plane: Node) -> None:
    plane.path(HOME).mkdir(parents=True)
    assert why(plane.inventory()) == {HOME: "Is a directory"}


def test_where_kubeconfigs_are_looked_for(plane: Node) -> None:
    plane.put("/srv/scheduler.conf", "x")
    for path in (HOME, "/home/ann/.kube/config", "/home/bob/.kube/other"):
        plane.put(path, "x")
    found = kubeconfigs.paths(["/srv/scheduler.conf", "/srv/gone.conf"])
    assert found[0] == "/srv/scheduler.conf"
    assert found[-2:] == [HOME, "/home/ann/.kube/config"]
    assert "/etc/kubernetes/kubelet.conf" in found


EXPECTED = ("admin.conf", "controller-manager.conf", "scheduler.conf", "kubelet.conf")


def test_kubeadm_s_files_are_missed_on_a_control_plane(plane: Node) -> None:
    for name in (*EXPECTED, "super-admin.conf"):
        plane.remove(f"/etc/kubernetes/{name}")
    assert broken(plane) == dict.fromkeys(EXPECTED, "it is missing")
    found = {one.name: one for one in judge(plane.inventory(), LIMITS)}
    assert {name: one.severity for name, one in found.items()} == {
        **dict.fromkeys(EXPECTED, "critical"),
        "admin.conf": "warning",  # nothing stops without it
    }
    assert found["scheduler.conf"].hint == "`kprov certs kubeconfig rebuild scheduler.conf --host cp1`"
    plane.remove(f"{PKI}/ca.key")
    assert "external-ca.md" in str(judge(plane.inventory(), LIMITS)[0].hint)


def test_elsewhere_they_are_not(plane: Node) -> None:
    """A worker; a component that is told another file."""
    manifest = plane.path("/etc/kubernetes/manifests/kube-scheduler.yaml")
    manifest.write_text(manifest.read_text().replace("/etc/kubernetes/scheduler.conf", "/etc/own/scheduler.conf"))
    plane.remove("/etc/kubernetes/scheduler.conf")
    assert broken(plane) == {}
    plane.remove("/etc/kubernetes/manifests/kube-apiserver.yaml")
    plane.remove("/etc/kubernetes/admin.conf")
    assert broken(plane) == {}


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda text: "", "it is empty"),
        (lambda text: text[:300], "it is no kubeconfig, or the beginning of one"),
        (lambda text: text[: text.index("users:")], "it has no user with a certificate"),
        (lambda text: text[: text.index("    client-certificate-data")], "it has no user with a certificate"),
        (lambda text: text.replace("kind: Config", "oops\nkind: Config"), "line 13 is no YAML"),
        (lambda text: "\0\1\2", "it is no kubeconfig, or the beginning of one"),
    ],
)
def test_damage_to_kubeadm_s_own_file(plane: Node, damage: Callable[[str], str], said: str) -> None:
    path = "/etc/kubernetes/scheduler.conf"
    plane.put(path, damage(plane.path(path).read_text()), 0o600)
    assert broken(plane) == {"scheduler.conf": said}


def test_kubelet_conf_of_another_cluster(plane: Node) -> None:
    current = {"client-certificate": "/var/lib/kubelet/pki/kubelet-client-current.pem", "client-key": "x"}
    plane.kubeconfig("/etc/kubernetes/kubelet.conf", pki.kubeconfig(current, pki.authority("other")))
    assert broken(plane) == {"kubelet.conf": "it trusts CN=other, not this cluster's CA"}


@pytest.mark.parametrize(
    ("name", "login", "severity"),
    [
        ("admin.conf", pki.issue(pki.kubeadm().ca, "kubernetes-admin"), "warning"),
        ("admin.conf", pki.kubeadm().leaves["apiserver-kubelet-client.crt"], "warning"),
        ("scheduler.conf", pki.kubeadm().users["controller-manager.conf"], "critical"),
        ("controller-manager.conf", pki.issue(pki.kubeadm().ca, "system:kube-controller-manager", org="x"), "critical"),
    ],
)
def test_somebody_else_s_login_in_kubeadm_s_file(plane: Node, name: str, login: pki.Pair, severity: str) -> None:
    plane.kubeconfig(f"/etc/kubernetes/{name}", pki.kubeconfig(login, pki.kubeadm().ca))
    (finding,) = judge(plane.inventory(), LIMITS)
    assert (finding.code, finding.severity, finding.name) == ("kubeconfig-identity", severity, name)
    assert finding.hint == f"`kprov certs kubeconfig rebuild {name} --host cp1`"


def test_an_administrator_of_before_1_29_is_one(plane: Node) -> None:
    old = pki.issue(pki.kubeadm().ca, "kubernetes-admin", org="system:masters")
    plane.kubeconfig("/etc/kubernetes/admin.conf", pki.kubeconfig(old, pki.kubeadm().ca))
    assert judge(plane.inventory(), LIMITS) == ()
