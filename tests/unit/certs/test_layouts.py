"""Which files of a node are which certificates, and who renews them: kubeadm's layout, others', damaged ones."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import pytest

from kprov.certs.finding import Limits
from kprov.certs.item import Inventory, Renewer
from kprov.certs.node import known
from kprov.certs.rules import judge
from tests.unit.certs import pki
from tests.unit.certs.nodes import PKI, Node, TlsServer, kubeadm_files, of, serving

LIMITS = Limits(30 * 86400, 7 * 86400)
# What `kubeadm certs check-expiration` lists on the first control plane.
KUBEADM = {
    *("admin.conf", "apiserver", "apiserver-etcd-client", "apiserver-kubelet-client", "controller-manager.conf"),
    *("etcd-healthcheck-client", "etcd-peer", "etcd-server", "front-proxy-client", "scheduler.conf"),
    "super-admin.conf",
}
AUTHORITIES = {"ca", "etcd-ca", "front-proxy-ca"}


def codes(inventory: Inventory) -> set[tuple[str, str]]:
    """(code, name) of what the rules say."""
    return {(one.code, one.name) for one in judge(inventory, LIMITS)}


def on_disk(inventory: Inventory) -> dict[str, Renewer]:
    return {one.name: one.renewer for one in inventory.items if one.kind in ("ca", "certificate", "kubeconfig")}


def why(inventory: Inventory) -> dict[str, str]:
    """What could not be read, but for sockets."""
    return {one.what: one.why for one in inventory.unread if " at " not in one.what and "API" not in one.what}


@pytest.mark.parametrize("algorithm", ["rsa", "ecdsa"])
def test_healthy_control_plane_of_kubeadm(node: Node, algorithm: pki.Algorithm) -> None:
    made = pki.kubeadm(algorithm)
    kubeadm_files(node, made)
    with serving(node, made):
        inventory = node.inventory()
    renewers = on_disk(inventory)
    assert {name for name, renewer in renewers.items() if renewer is Renewer.KUBEADM} == KUBEADM
    assert {item.name for item in inventory.items if item.kind == "ca"} == AUTHORITIES
    assert renewers["kubelet-client"] is Renewer.KUBELET
    assert renewers["kubelet-server"] is Renewer.NOBODY  # kubelet.crt: its own, for a year
    equal = {item.name for item in inventory.items if item.served_equal}
    assert equal == {
        *("apiserver", "etcd-server", "etcd-peer", "kubelet-server", "controller-manager.conf", "scheduler.conf")
    }
    assert inventory.unread == ()
    assert judge(inventory, LIMITS) == ()
    assert len(inventory.leases) == 2
    assert {item.place for item in inventory.items if item.kind == "bundle"} == {
        "ConfigMap kube-public/cluster-info",
        "ConfigMap kube-system/kube-root-ca.crt",
    }


def test_the_same_files_with_nothing_running(plane: Node) -> None:
    inventory = plane.inventory()
    assert {name for name, renewer in on_disk(inventory).items() if renewer is Renewer.KUBEADM} == KUBEADM
    assert judge(inventory, LIMITS) == ()
    assert why(inventory) == {}


def test_paths_of_kubeadm_without_manifests(plane: Node) -> None:
    for name in ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "etcd"):
        plane.remove(f"/etc/kubernetes/manifests/{name}.yaml")
    assert {name for name, renewer in on_disk(plane.inventory()).items() if renewer is Renewer.KUBEADM} == KUBEADM


def test_worker_has_two_certificates_and_a_ca(node: Node) -> None:
    made = pki.kubeadm()
    node.put(f"{PKI}/ca.crt", made.ca.pem)
    kubelet = "/var/lib/kubelet/pki"
    node.put(f"{kubelet}/kubelet-client-current.pem", made.kubelet.pem + made.kubelet.key_pem, 0o600)
    node.pair(f"{kubelet}/kubelet.crt", made.kubelet_server)
    node.put("/var/lib/kubelet/config.yaml", "rotateCertificates: true\n")
    inventory = of(w1=node.answer())
    assert on_disk(inventory) == {
        "kubelet-client": Renewer.KUBELET,
        "kubelet-server": Renewer.NOBODY,
        "ca": Renewer.NOBODY,
    }
    assert inventory.machines[0].control_plane is False


def test_kubelet_s_serving_certificate_of_the_cluster_wins(plane: Node) -> None:
    served = pki.issue(pki.kubeadm().ca, "system:node:cp1", sans=("cp1",))
    plane.put("/var/lib/kubelet/pki/kubelet-server-current.pem", served.pem + served.key_pem, 0o600)
    plane.put("/etc/kubernetes/kubelet.conf.d/50-kprov.conf", "serverTLSBootstrap: true\n")
    (item,) = plane.inventory().all_named("kubelet-server")
    assert (item.certificate.serial, item.renewer) == (f"{served.x509.serial_number:x}", Renewer.KUBELET)
    plane.put("/etc/kubernetes/kubelet.conf.d/50-kprov.conf", "serverTLSBootstrap: false\n")
    (item,) = plane.inventory().all_named("kubelet-server")
    assert (item.place, item.renewer) == ("/var/lib/kubelet/pki/kubelet.crt", Renewer.NOBODY)  # what was is a leftover


def test_a_configured_serving_certificate_wins_over_both(plane: Node) -> None:
    own = pki.issue(pki.kubeadm().ca, "cp1")
    plane.pair("/etc/own/kubelet.crt", own)
    plane.put("/var/lib/kubelet/config.yaml", "tlsCertFile: /etc/own/kubelet.crt\nrotateCertificates: false\n")
    inventory = plane.inventory()
    (item,) = inventory.all_named("kubelet-server")
    assert (item.place, item.renewer) == ("/etc/own/kubelet.crt", Renewer.NOBODY)
    assert on_disk(inventory)["kubelet-client"] is Renewer.NOBODY


def test_a_flag_of_the_kubelet_wins_over_its_files() -> None:
    first, emptied = ["config.yaml", "tlsCertFile: /a.pem\n"], ["90.conf", "tlsCertFile:\nport: 1\n"]
    assert known.given_to_kubelet({"kubelet": {"args": ["--tls-cert-file", "/b.pem"], "files": [first]}}) == "/b.pem"
    assert known.given_to_kubelet({"kubelet": {"args": [], "files": [first]}}) == "/a.pem"
    assert known.given_to_kubelet({"kubelet": {"args": [], "files": [first, emptied]}}) is None
    assert known.given_to_kubelet({}) is None


def test_external_ca_is_nobody_s_to_renew(plane: Node) -> None:
    plane.remove(f"{PKI}/ca.key")
    renewers = on_disk(plane.inventory())
    external = {name for name, renewer in renewers.items() if renewer is Renewer.EXTERNAL}
    assert external == {
        *("apiserver", "apiserver-kubelet-client", "admin.conf", "super-admin.conf"),
        *("controller-manager.conf", "scheduler.conf"),
    }
    assert renewers["etcd-server"] is Renewer.KUBEADM


@pytest.mark.parametrize("name", ["apiserver", "front-proxy-client", "etcd/server"])
def test_file_that_a_flag_names_and_that_is_missing(plane: Node, name: str) -> None:
    plane.remove(f"{PKI}/{name}.crt")
    assert why(plane.inventory()) == {f"{PKI}/{name}.crt": "No such file or directory"}


def test_file_that_is_damaged(plane: Node) -> None:
    good = plane.path(f"{PKI}/apiserver.crt").read_text()
    plane.put(f"{PKI}/apiserver.crt", good[:300] + "\n-----END CERTIFICATE-----\n")
    plane.put(f"{PKI}/etcd/healthcheck-client.crt", "")
    found = why(plane.inventory())
    assert found.keys() == {f"{PKI}/apiserver.crt", f"{PKI}/etcd/healthcheck-client.crt"}
    assert found[f"{PKI}/etcd/healthcheck-client.crt"] == "there is no certificate in it"


def test_other_pem_files_in_the_directory_are_no_certificates(plane: Node) -> None:
    plane.put(f"{PKI}/encryption.pem", pki.kubeadm().ca.key_pem)
    plane.put(f"{PKI}/request.pem", "-----BEGIN CERTIFICATE REQUEST-----\nMII=\n-----END CERTIFICATE REQUEST-----\n")
    assert why(plane.inventory()) == {}


def test_everything_is_found_through_a_link_once(plane: Node) -> None:
    plane.path("/etc/kubernetes/ssl").symlink_to("pki")
    assert [item.place for item in plane.inventory().all_named("apiserver")] == [f"{PKI}/apiserver.crt"]


def test_ipv6_names_are_compared_in_their_shortest_form(plane: Node) -> None:
    plane.pair(f"{PKI}/apiserver.crt", pki.issue(pki.kubeadm().ca, "kube-apiserver", sans=("fd00:0:0::1", "*.k8s.lan")))
    (item,) = plane.inventory().all_named("apiserver")
    assert item.certificate.sans == ("fd00::1", "*.k8s.lan")
    assert item.certificate.names("fd00:0:0:0::1")
    assert item.certificate.names("api.K8S.lan")
    assert not item.certificate.names("fd00::2")
    assert not item.certificate.names("a.b.k8s.lan")


def test_two_authorities_in_one_file_are_two_items(plane: Node) -> None:
    made = pki.kubeadm()
    new = pki.authority("kubernetes")
    plane.put(f"{PKI}/ca.crt", made.ca.pem + new.pem)
    plane.pair(f"{PKI}/apiserver-kubelet-client.crt", pki.issue(new, "kube-apiserver-kubelet-client"))
    inventory = plane.inventory()
    serials = [item.certificate.serial for item in inventory.all_named("ca")]
    assert serials == [f"{made.ca.x509.serial_number:x}", f"{new.x509.serial_number:x}"]
    assert judge(inventory, LIMITS) == ()


def test_chain_behind_a_leaf_is_not_an_item(plane: Node) -> None:
    made = pki.kubeadm()
    plane.put(f"{PKI}/apiserver.crt", made.leaves["apiserver.crt"].pem + made.ca.pem)
    assert len([*plane.inventory().all_named("apiserver")]) == 1
    assert judge(plane.inventory(), LIMITS) == ()


def kubespray(node: Node, ports: dict[str, int]) -> pki.Kubeadm:
    """Kubespray's directories. Its etcd is a service: one certificate for clients and peers, in ETCD_* variables."""
    made = pki.kubeadm()
    ssl, etcd = "/etc/kubernetes/ssl", "/etc/ssl/etcd/ssl"
    node.pair(f"{ssl}/ca.crt", made.ca)
    node.pair(f"{ssl}/front-proxy-ca.crt", made.front_proxy_ca)
    for name in ("apiserver", "apiserver-kubelet-client", "front-proxy-client"):
        node.pair(f"{ssl}/{name}.crt", made.leaves[f"{name}.crt"])
    node.pair(f"{etcd}/ca.pem", made.etcd_ca, f"{etcd}/ca-key.pem")
    for name, leaf in (
        ("node", "apiserver-etcd-client.crt"),
        ("member", "etcd/server.crt"),
        ("admin", "etcd/peer.crt"),
    ):
        node.pair(f"{etcd}/{name}-cp1.pem", made.leaves[leaf], f"{etcd}/{name}-cp1-key.pem")
    api = {
        "client-ca-file": f"{ssl}/ca.crt",
        "etcd-cafile": f"{etcd}/ca.pem",
        "etcd-certfile": f"{etcd}/node-cp1.pem",
        "kubelet-client-certificate": f"{ssl}/apiserver-kubelet-client.crt",
        "proxy-client-cert-file": f"{ssl}/front-proxy-client.crt",
        "requestheader-client-ca-file": f"{ssl}/front-proxy-ca.crt",
        "tls-cert-file": f"{ssl}/apiserver.crt",
        "secure-port": str(ports["api"]),
    }
    node.kubeconfig("/etc/kubernetes/admin.conf", pki.kubeconfig(made.users["admin.conf"], made.ca))
    lines = "\n".join(f"    - --{flag}={value}" for flag, value in api.items())
    node.put("/etc/kubernetes/manifests/kube-apiserver.yaml", f"    - kube-apiserver\n{lines}\n")
    environment = {
        "ETCD_CERT_FILE": f"{etcd}/member-cp1.pem",
        "ETCD_PEER_CERT_FILE": f"{etcd}/member-cp1.pem",
        "ETCD_PEER_KEY_FILE": f"{etcd}/member-cp1-key.pem",
        "ETCD_TRUSTED_CA_FILE": f"{etcd}/ca.pem",
        "ETCD_LISTEN_CLIENT_URLS": f"https://127.0.0.1:{ports['etcd']},http://127.0.0.1:1",
        "ETCD_LISTEN_PEER_URLS": f"https://127.0.0.1:{ports['peer']}",
    }
    text = "".join(f"{name}={value}\0" for name, value in environment.items())
    node.runs(7, "/usr/local/bin/etcd", environment=f"PATH=/bin\0{text}")
    return made


def test_kubespray_s_layout(node: Node) -> None:
    kubespray(node, node.ports)
    inventory = node.inventory()
    renewers = on_disk(inventory)
    kubeadm_s = {"apiserver", "apiserver-kubelet-client", "front-proxy-client", "admin.conf"}
    assert {name for name, renewer in renewers.items() if renewer is Renewer.KUBEADM} == kubeadm_s
    etcd_s = {"apiserver-etcd-client", "etcd-server", "admin-cp1.pem"}
    assert {name for name, renewer in renewers.items() if renewer is Renewer.KPROV} == etcd_s
    assert {name for name, renewer in renewers.items() if renewer is Renewer.NOBODY} == {
        *("ca", "etcd-ca", "front-proxy-ca")
    }
    assert why(inventory) == {}
    assert judge(inventory, LIMITS) == ()
    keys: dict[str, Any] = {item.name: item.key for item in inventory.items}
    assert keys["etcd-server"].path == "/etc/ssl/etcd/ssl/member-cp1-key.pem"
    assert keys["etcd-server"].problem is None
    node.pair("/etc/ssl/etcd/ssl/other.pem", pki.issue(pki.authority("x"), "other"), "/etc/ssl/etcd/ssl/other-key.pem")
    assert on_disk(node.inventory())["other.pem"] is Renewer.NOBODY
    assert judge(node.inventory(), LIMITS) == ()
    node.remove("/etc/ssl/etcd/ssl/ca-key.pem")
    renewers = on_disk(node.inventory())
    assert {name for name, renewer in renewers.items() if renewer is Renewer.EXTERNAL} == etcd_s


def test_kubespray_s_etcd_serves_one_file_to_clients_and_peers(node: Node) -> None:
    made = kubespray(node, node.ports)
    with serving_etcd(node, made.leaves["etcd/server.crt"], made.leaves["etcd/peer.crt"]):
        (item,) = node.inventory().all_named("etcd-server")
    assert item.served_equal is False
    assert [one.certificate == item.certificate for one in item.served] == [True, False]


def serving_etcd(node: Node, client: pki.Pair, peer: pki.Pair) -> ExitStack:
    stack = ExitStack()
    for name, shows in (("etcd", client), ("peer", peer)):
        stack.callback(TlsServer(shows, node.sockets[name], client_ca=pki.kubeadm().etcd_ca).close)
    return stack


def test_flags_in_two_words(node: Node) -> None:
    leaf = pki.issue(pki.kubeadm().ca, "kube-apiserver")
    node.pair("/srv/kubernetes/api.crt", leaf)
    node.runs(9, "/usr/bin/kube-apiserver", "--tls-cert-file", "/srv/kubernetes/api.crt", "--secure-port", "1")
    assert [item.place for item in node.inventory().all_named("apiserver")] == ["/srv/kubernetes/api.crt"]
