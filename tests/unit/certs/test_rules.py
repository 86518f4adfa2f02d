"""Every finding: what raises it, that a healthy cluster does not, how bad it is."""

from __future__ import annotations

import ast
import copy
import os
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from kprov.certs import rules
from kprov.certs.finding import Finding, Limits
from kprov.certs.item import Inventory
from kprov.certs.node.kubelet_approver import PENDING
from kprov.certs.rules import judge
from tests.unit.certs import pki
from tests.unit.certs.nodes import BOOTED, KUBELET, LEASES, NOW, PKI, Node, TlsServer, lease, manifests, of
from tests.unit.certs.requests import pkcs10, request
from tests.unit.certs.test_layouts import LIMITS
from tests.unit.factories import make_spec

PAGE = Path("docs/reference/certs.md")
ADMIN = "/etc/kubernetes/admin.conf"
CLIENT = f"{KUBELET}/pki/kubelet-client-2026.pem"


def found(inventory: Inventory, limits: Limits = LIMITS) -> list[tuple[str, str, str]]:
    return [(one.code, one.severity, one.name) for one in judge(inventory, limits)]


def codes_in_the_rules() -> set[str]:
    """What the rules can say: the word before a severity in calls of about() and Finding()."""
    words = set()
    for path in Path(rules.__file__).parent.glob("*.py"):
        for call in ast.walk(ast.parse(path.read_text())):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in ("about", "Finding"):
                texts = [arg.value for arg in call.args if isinstance(arg, ast.Constant)]
                words.add(next(text for text in texts if re.fullmatch("[a-z]+(-[a-z]+)*", text)))
    return words


def renew(node: Node, file: str, issuer: pki.Pair | None = None, **how: Any) -> None:
    """Another certificate in place of one of kubeadm's."""
    made = pki.kubeadm()
    own = {"etcd": made.etcd_ca, "fron": made.front_proxy_ca}.get(file[:4], made.ca)
    node.pair(f"{PKI}/{file}", pki.issue(issuer or own, "renewed", **how))


def own_kubeconfig(node: Node, days: float) -> None:
    made = pki.kubeadm()
    node.kubeconfig("/root/.kube/config", pki.kubeconfig(pki.issue(made.ca, "ann", days=days), made.ca))


def dying_ca(days: float) -> pki.Pair:
    """kubernetes' own CA with the same key, ending in so many days."""
    ca = pki.kubeadm().ca
    short = pki.x509.CertificateBuilder(
        issuer_name=ca.x509.issuer,
        subject_name=ca.x509.subject,
        public_key=ca.key.public_key(),
        serial_number=7,
        not_valid_before=NOW - pki.DAY,
        not_valid_after=NOW + days * pki.DAY,
        extensions=[*ca.x509.extensions],
    )
    return pki.Pair(short.sign(ca.key, pki.hashes.SHA256()), ca.key)


def kubelet_client(node: Node, minutes: float, life: float) -> None:
    """The kubelet's own certificate, with so many minutes left of its life."""
    start = timedelta(minutes=minutes - life)
    pair = pki.issue(pki.kubeadm().ca, "system:node:cp1", org="system:nodes", days=minutes / 1440, start=start)
    node.put(f"{KUBELET}/pki/kubelet-client-2026.pem", pair.pem + pair.key_pem, 0o600)


def short_etcd_ca(node: Node) -> None:
    ca = pki.authority("etcd-ca", days=100)
    node.pair(f"{PKI}/etcd/ca.crt", ca)
    for file in ("etcd/server.crt", "etcd/peer.crt", "etcd/healthcheck-client.crt", "apiserver-etcd-client.crt"):
        node.pair(f"{PKI}/{file}", pki.issue(ca, file, days=101 if "server" in file[4:] else 99))


def put_key(node: Node, path: str, pair: pki.Pair) -> None:
    node.put(path, pair.key_pem, 0o600)


def foreign_key(node: Node) -> None:
    made = pki.kubeadm()
    document = pki.kubeconfig(made.users["scheduler.conf"], made.ca)
    document["users"][0]["user"]["client-key-data"] = pki.encoded(made.ca.key_pem)
    node.kubeconfig("/etc/kubernetes/scheduler.conf", document)


def api_server_s() -> dict[str, Any]:
    return pki.kubeconfig(pki.kubeadm().leaves["apiserver-kubelet-client.crt"], pki.kubeadm().ca)


def admin() -> pki.Pair:
    return pki.kubeadm().users["admin.conf"]


# Code to what makes a healthy control plane raise it; the severity and the name of the finding.
Fault = Callable[[Node], None]
FAULTS: dict[str, list[tuple[str, str, Fault]]] = {
    "expired": [
        ("critical", "apiserver", lambda node: renew(node, "apiserver.crt", days=-0.1)),
        ("critical", "ca", lambda node: node.pair(f"{PKI}/ca.crt", dying_ca(-0.1))),
        ("warning", "/root/.kube/config", lambda node: own_kubeconfig(node, days=-1)),
    ],
    "expires": [
        ("critical", "etcd-server", lambda node: renew(node, "etcd/server.crt", days=6.9)),
        ("warning", "etcd-server", lambda node: renew(node, "etcd/server.crt", days=29)),
        ("warning", "/root/.kube/config", lambda node: own_kubeconfig(node, days=1)),
    ],
    "not-yet-valid": [
        ("critical", "front-proxy-client", lambda n: renew(n, "front-proxy-client.crt", start=timedelta(hours=1)))
    ],
    "rotation-overdue": [
        ("warning", "kubelet-client", lambda node: kubelet_client(node, minutes=1, life=13)),
        ("critical", "kubelet-client", lambda node: kubelet_client(node, minutes=0.5, life=13)),
    ],
    "not-signed-by-ca": [
        ("critical", "etcd-peer", lambda node: renew(node, "etcd/peer.crt", issuer=pki.authority("etcd-ca"))),
    ],
    "ca-ends-first": [("warning", "etcd-server", short_etcd_ca)],
    "kubeconfig-ca-differs": [
        (
            "critical",
            "admin.conf",
            lambda n: n.kubeconfig(ADMIN, pki.kubeconfig(pki.kubeadm().users["admin.conf"], pki.authority("x"))),
        ),
        (
            "warning",
            "/root/.kube/config",
            lambda n: n.kubeconfig("/root/.kube/config", pki.kubeconfig(pki.authority("me"), pki.authority("x"))),
        ),
    ],
    "key-mismatch": [
        ("critical", "apiserver", lambda n: put_key(n, f"{PKI}/apiserver.key", pki.kubeadm().ca)),
        ("critical", "ca", lambda n: put_key(n, f"{PKI}/ca.key", pki.kubeadm().etcd_ca)),
        ("critical", "scheduler.conf", foreign_key),
    ],
    "key-readable": [
        ("warning", f"{PKI}/sa.key", lambda node: node.path(f"{PKI}/sa.key").chmod(0o644)),
        ("warning", f"{PKI}/etcd/ca.key", lambda node: node.path(f"{PKI}/etcd/ca.key").chmod(0o604)),
        ("warning", ADMIN, lambda node: node.path(ADMIN).chmod(0o644)),
    ],
    "api-server-identity": [
        (
            "warning",
            "/root/.kube/config",
            lambda n: n.kubeconfig("/root/.kube/config", api_server_s()),
        )
    ],
    "kubeconfig-identity": [
        ("warning", "admin.conf", lambda n: n.kubeconfig(ADMIN, api_server_s())),
        ("critical", "kubelet-client", lambda n: n.put(CLIENT, admin().pem + admin().key_pem, 0o600)),
    ],
    "kubeconfig-broken": [
        ("warning", "admin.conf", lambda n: n.remove(ADMIN)),
        ("critical", "scheduler.conf", lambda n: n.put("/etc/kubernetes/scheduler.conf", "", 0o600)),
        ("critical", "kubelet.conf", lambda n: n.remove(f"{KUBELET}/pki/kubelet-client-current.pem")),
    ],
}
CASES = [(code, *case) for code, cases in FAULTS.items() for case in cases]


@pytest.mark.parametrize(("code", "severity", "name", "fault"), CASES, ids=[f"{c[0]}-{c[1]}-{c[2]}" for c in CASES])
def test_fault_is_found_and_a_healthy_node_has_none(
    plane: Node, code: str, severity: str, name: str, fault: Fault
) -> None:
    assert found(plane.inventory()) == []
    fault(plane)
    findings = found(plane.inventory())
    assert (code, severity, name) in findings
    assert [one for one in findings if one[0] == code] == [(code, severity, name)]


def test_keys_that_cannot_be_used(plane: Node) -> None:
    plane.put(f"{PKI}/apiserver.key", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", 0o600)
    (finding,) = judge(plane.inventory(), LIMITS)
    assert (finding.code, finding.severity) == ("key-mismatch", "critical")
    assert "it cannot be used" in finding.message


@pytest.mark.parametrize("minutes", [1.4, 3, 12])
def test_certificate_of_minutes_does_not_alarm_while_rotation_works(plane: Node, minutes: float) -> None:
    kubelet_client(plane, minutes, life=13)
    assert found(plane.inventory()) == []


def test_certificate_of_minutes_alarms_where_nothing_rotates(plane: Node) -> None:
    kubelet_client(plane, 12, life=13)
    plane.put(f"{KUBELET}/config.yaml", "rotateCertificates: false\n")
    assert found(plane.inventory()) == [("expires", "critical", "kubelet-client")]


def test_limits_are_the_operator_s(plane: Node) -> None:
    renew(plane, "etcd/server.crt", days=40)
    inventory = plane.inventory()
    day = 86400.0
    assert found(inventory) == []
    assert found(inventory, Limits(60 * day, 7 * day)) == [("expires", "warning", "etcd-server")]
    assert found(inventory, Limits(60 * day, 41 * day)) == [("expires", "critical", "etcd-server")]


def test_process_that_started_before_its_kubeconfig_changed(plane: Node, servers: dict[str, TlsServer]) -> None:
    assert found(plane.inventory()) == []
    flags = [f"--{flag}" for flag in manifests(plane.ports)["kube-controller-manager"]]
    plane.runs(101, "/usr/local/bin/kube-controller-manager", *flags, started=BOOTED + 10.0)
    inventory = plane.inventory()
    assert found(inventory) == [("loaded-before-change", "critical", "controller-manager.conf")]
    assert next(iter(inventory.all_named("controller-manager.conf"))).served_equal is False
    # The file is as old as the process: it has read it.
    os.utime(plane.path("/etc/kubernetes/controller-manager.conf"), (BOOTED + 9.0, BOOTED + 9.0))
    assert found(plane.inventory()) == []


def test_nobody_leads(plane: Node, servers: dict[str, Any]) -> None:
    servers["api"].objects[f"{LEASES}/kube-scheduler"] = lease(age=61)
    assert found(of(cp1=plane.answer())) == [("no-leader", "critical", "kube-scheduler")]
    servers["api"].objects[f"{LEASES}/kube-scheduler"] = lease(age=20)
    assert found(of(cp1=plane.answer())) == []


def test_controller_s_wrong_clock_is_not_a_missing_leader(plane: Node, servers: dict[str, Any]) -> None:
    servers["api"].objects[f"{LEASES}/kube-scheduler"] = lease(age=301)
    servers["api"].objects[f"{LEASES}/kube-controller-manager"] = lease(age=301)
    answer = plane.answer()
    assert found(of(skew=-300, cp1=answer)) == [("clock-skew", "warning", "")]
    assert ("no-leader", "critical", "kube-scheduler") in found(of(cp1=answer))


def test_bundles_that_pods_and_nodes_get(plane: Node, servers: dict[str, Any]) -> None:
    objects = servers["api"].objects
    other = pki.authority("kubernetes")
    objects["/api/v1/namespaces/kube-system/configmaps/kube-root-ca.crt"] = {"data": {"ca.crt": other.pem}}
    assert found(plane.inventory()) == [("bundle-without-ca", "critical", "caBundle")]
    both = {"data": {"ca.crt": other.pem + pki.kubeadm().ca.pem}}
    objects["/api/v1/namespaces/kube-system/configmaps/kube-root-ca.crt"] = both
    assert found(plane.inventory()) == []
    info = {"data": {"kubeconfig": pki.text(pki.kubeconfig({}, other))}}
    objects["/api/v1/namespaces/kube-public/configmaps/cluster-info"] = info
    (finding,) = judge(plane.inventory(), LIMITS)
    assert finding.message == "ConfigMap kube-public/cluster-info does not hold the cluster's CA"


def test_webhook_s_expired_bundle_is_a_warning(plane: Node, servers: dict[str, Any]) -> None:
    bundle = pki.encoded(pki.authority("webhook", days=-1).pem)
    hook = {"metadata": {"name": "w"}, "webhooks": [{"clientConfig": {"caBundle": bundle}}, {"clientConfig": {}}]}
    path = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"
    servers["api"].objects[path] = {"items": [hook]}
    aggregated = {"metadata": {"name": "v1.metrics"}, "spec": {"caBundle": bundle}}
    servers["api"].objects["/apis/apiregistration.k8s.io/v1/apiservices"] = {"items": [aggregated, {"spec": {}}]}
    inventory = plane.inventory()
    assert found(inventory) == [("expired", "warning", "caBundle")] * 2
    places = {item.place for item in inventory.items if item.kind == "bundle" and item.left(NOW) < 0}
    assert places == {"ValidatingWebhookConfiguration w", "APIService v1.metrics"}


def test_damaged_bundle_is_unread(plane: Node, servers: dict[str, Any]) -> None:
    servers["api"].objects["/api/v1/namespaces/kube-system/configmaps/kube-root-ca.crt"] = {"data": {"ca.crt": "x"}}
    assert [one.what for one in plane.inventory().unread] == ["ConfigMap kube-system/kube-root-ca.crt"]


def test_hosts_with_different_authorities(plane: Node) -> None:
    first = plane.answer()
    second = copy.deepcopy(first)
    assert found(of(cp1=first, cp2=second)) == []
    other = pki.authority("kubernetes")
    plane.pair(f"{PKI}/ca.crt", other)
    changed = judge(of(cp1=first, cp2=plane.answer()), LIMITS)
    assert ("ca-differs", "critical", "ca") in {(one.code, one.severity, one.name) for one in changed}
    plane.pair(f"{PKI}/ca.crt", other)
    plane.put(f"{PKI}/ca.crt", other.pem + pki.kubeadm().ca.pem)  # rotating: this host trusts both
    assert found(of(cp1=first, cp2=plane.answer())) == []


def test_hosts_with_different_keys_for_tokens(plane: Node) -> None:
    first = plane.answer()
    plane.put(f"{PKI}/sa.pub", pki.authority("other").public_pem)
    findings = found(of(cp1=first, cp2=plane.answer()))
    assert findings == [("service-account-key-differs", "critical", "sa.pub")]


def test_clock(plane: Node) -> None:
    answer = plane.answer()
    assert found(of(skew=29, cp1=answer)) == []
    (finding,) = judge(of(skew=-31, cp1=answer), LIMITS)
    assert (finding.code, finding.host, finding.message) == ("clock-skew", "cp1", "its clock is 31 s behind")


def test_names_that_the_inventory_wants(plane: Node) -> None:
    inventory = plane.inventory()
    assert judge(inventory, LIMITS, make_spec(1, 1, ip="10.1.0.1")) == ()
    spec = make_spec(1, 1, ip="10.1.0.1", control_plane_cert_sans=["api.example.org", "10.1.0.1", "fd00::9"])
    (finding,) = judge(inventory, LIMITS, spec)
    assert (finding.code, finding.severity, finding.name) == ("san-missing", "warning", "apiserver")
    assert finding.message == "it is not valid for api.example.org, fd00::9"
    spec = make_spec(1, 1, ip="10.1.0.7")
    assert {one.name for one in judge(inventory, LIMITS, spec)} == {"apiserver", "etcd-server", "etcd-peer"}


def rotated_server(node: Node, issuer: pki.Pair, *sans: str) -> None:
    """A serving certificate of the kubelet that the cluster's CA, or somebody else, has signed."""
    served = pki.issue(issuer, "system:node:cp1", org="system:nodes", sans=sans)
    node.put(f"{KUBELET}/pki/kubelet-server-current.pem", served.pem + served.key_pem, 0o600)
    node.put("/etc/kubernetes/kubelet.conf.d/50-kprov.conf", "serverTLSBootstrap: true\n")


def test_a_kubelet_s_serving_certificate_of_the_cluster_has_its_address(plane: Node) -> None:
    spec = make_spec(1, 0, ip="10.1.0.1")
    rotated_server(plane, pki.kubeadm().ca, "cp1", "10.1.0.1")
    assert judge(plane.inventory(), LIMITS, spec) == ()
    rotated_server(plane, pki.kubeadm().ca, "cp1", "10.1.0.2")
    (finding,) = judge(plane.inventory(), LIMITS, spec)
    assert (finding.code, finding.name, finding.message) == (
        *("san-missing", "kubelet-server", "it is not valid for 10.1.0.1"),
    )
    rotated_server(plane, pki.authority("another"), "cp1", "10.1.0.1")
    assert [one.code for one in judge(plane.inventory(), LIMITS, spec)] == ["not-signed-by-ca"]


def test_requests_that_wait(plane: Node, servers: dict[str, Any]) -> None:
    sans = ("w1", "10.1.0.1")
    servers["api"].objects[PENDING] = {
        "items": [
            request(pkcs10(sans=sans), name="new", age=30),
            request(pkcs10(sans=sans), name="old", age=300),
            request(pkcs10(sans=("cp1", "10.1.0.1")), name="forged", age=1),
        ]
    }
    inventory = plane.inventory()
    approves = judge(inventory, LIMITS, make_spec(1, 1, ip="10.1.0.1", kubelet_server_tls_bootstrap=True))
    by_name = {one.name: one for one in approves if one.code == "kubelet-request-pending"}
    assert {*by_name} == {"old", "forged"}
    assert by_name["old"].hint == "a control plane's daily check approves it; at once: " + (
        "`systemctl start kprov-certs-check` there"
    )
    assert "it asks for cp1" in by_name["forged"].message
    assert (by_name["forged"].host, by_name["forged"].severity) == ("w1", "warning")
    for spec in (None, make_spec(1, 1, ip="10.1.0.1")):  # somebody else approves: it may take its time
        waiting = {one.name: one for one in judge(inventory, LIMITS, spec)}
        assert {*waiting} == {"old"}
        assert "kubectl certificate approve old" in str(waiting["old"].hint)


def test_what_is_critical_comes_first(plane: Node) -> None:
    plane.path(ADMIN).chmod(0o644)
    renew(plane, "front-proxy-client.crt", days=-1)
    assert [one.severity for one in judge(plane.inventory(), LIMITS)] == ["critical", "warning"]


def test_a_finding_is_a_problem() -> None:
    critical = Finding("expired", "critical", "it expired", "cp1", "ca", "/x", "do").problem()
    assert (critical.severity, critical.code, critical.message, critical.host, critical.hint) == (
        *("error", "expired", "ca: it expired", "cp1", "do"),
    )
    assert Finding("clock-skew", "warning", "late").problem().severity == "warning"


def test_every_code_has_a_section_with_what_why_and_fix() -> None:
    text = PAGE.read_text()
    codes = codes_in_the_rules()
    assert codes >= {*FAULTS, "served-differs", "loaded-before-change", "no-leader", "clock-skew", "san-missing"}
    assert {*re.findall(r"^### `([a-z-]+)`", text, re.MULTILINE)} == codes | {"unread"}
    sections = re.split(r"^### ", text, flags=re.MULTILINE)[1:]
    for section in sections:
        for word in ("**What.**", "**Why.**", "**Fix.**"):
            assert word in section, f"{section.partition(chr(10))[0]} lacks {word}"
