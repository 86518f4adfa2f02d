"""`kprov certs check` on a real control plane: kubeadm's own dates, everything dead, faults that it must see."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from kprov.content import content_root
from tests.e2e.cluster import Completed, LabCluster, wait_until
from tests.e2e.conftest import MakeLab

PKI = "/etc/kubernetes/pki"
ENV = "export PATH=$PATH:/usr/local/bin;"
# Sandbox and containers of a static pod go, and the kubelet makes them again.
RECYCLE = "for p in $(crictl pods -q --name {0}); do crictl stopp $p; crictl rmp -f $p; done"
KUBECTL = f"{ENV} kubectl --kubeconfig /etc/kubernetes/admin.conf"
# Prints the directories and files of site-packages that a program has imported.
IMPORTED = """
import runpy, sys
from pathlib import Path
sys.argv = ["kprov", "certs", "check", "--local", "-o", "json"]
sys.stdout = open("/dev/null", "w")
try:
    runpy.run_module("kprov", run_name="__main__")
except SystemExit:
    pass
import ansible.module_utils  # for a kubelet's configuration, which this machine need not have
files = [Path(module.__file__).parts for module in list(sys.modules.values()) if getattr(module, "__file__", None)]
top = {Path(*parts[: parts.index("site-packages") + 2]) for parts in files if "site-packages" in parts}
print("\\n".join(map(str, sorted(top))), file=sys.__stdout__)
"""


@pytest.fixture(scope="module")
def one(make_lab: MakeLab) -> LabCluster:
    lab = make_lab("certs", workers=0)
    lab.up("--no-verify")
    wait_until("a fresh cluster is well", lambda: check(lab).exit_code == 0)
    return lab


def check(lab: LabCluster, *arguments: str) -> Completed:
    return lab.certs("check", *arguments)


def items(done: Completed) -> dict[tuple[str, str], dict[str, Any]]:
    """(item, path) to what does not change while one waits."""
    return {
        (item["item"], item["path"]): {key: value for key, value in item.items() if key not in ("left_seconds", "host")}
        for item in done.data["items"]
    }


def on_disk(done: Completed) -> dict[tuple[str, str], str]:
    """The items that are files, by name and path, with their serial numbers."""
    kinds = ("certificate", "ca", "kubeconfig")
    return {key: item["serial"] for key, item in items(done).items() if item["kind"] in kinds}


def findings(done: Completed) -> set[tuple[str, str, str]]:
    return {(one["code"], one["severity"], one["name"]) for one in done.data["findings"]}


@contextmanager
def broken(lab: LabCluster, command: str, mend: str) -> Iterator[None]:
    """A fault, and its end, after which all is well again."""
    try:
        lab.ssh("cp1", f"{ENV} set -e; {command}")
        yield
    finally:
        lab.ssh("cp1", f"{ENV} {mend}", check=False)
        wait_until("all is well again", lambda: check(lab).exit_code == 0)


def test_names_and_dates_are_kubeadm_s(one: LabCluster) -> None:
    said = json.loads(one.ssh("cp1", f"{ENV} kubeadm certs check-expiration -o json 2>/dev/null"))
    kubeadm_s = {
        entry["name"]: entry["expirationDate"]
        for entry in (*said["certificates"], *said["certificateAuthorities"])
        if not entry.get("missing")
    }
    assert len(kubeadm_s) >= 13
    found = {item["item"]: item["not_after"].replace("+00:00", "Z") for item in items(check(one)).values()}
    assert {name: found.get(name) for name in kubeadm_s} == kubeadm_s
    assert {"kubelet-client", "kubelet-server"} <= found.keys()
    renewers = {item["item"]: item["renewed_by"] for item in check(one).data["items"]}
    external = {entry["name"]: entry["externallyManaged"] for entry in said["certificates"] if entry["name"] in found}
    assert {name: renewers[name] != "kubeadm" for name in external} == external


def test_without_kubeadm_the_same(one: LabCluster) -> None:
    before = items(check(one))
    assert any(item["served_equal"] for item in before.values())
    with broken(one, "mv $(command -v kubeadm) /root/kubeadm", "mv /root/kubeadm /usr/local/bin/kubeadm"):
        assert items(check(one)) == before


def test_on_the_node_itself_without_inventory(one: LabCluster, tmp_path: Path) -> None:
    """kprov and the packages that it imports for this are copied there; nothing else of the controller is."""
    asked = [sys.executable, "-c", IMPORTED]
    places = subprocess.run(asked, capture_output=True, text=True, check=True, cwd=content_root()).stdout.split()
    packages = [Path(place) for place in places]
    archive = tmp_path / "kprov.tar"
    names = [word for package in packages for word in ("-C", str(package.parent), package.name)]
    argv = ["tar", "-cf", str(archive), "--exclude=__pycache__", *names, "-C", str(content_root()), "kprov", "plugins"]
    subprocess.run(argv, check=True)
    copy = [sys.executable, "-m", "kprov", "lab", "ssh", one.name, one.node("cp1"), "--"]
    with archive.open("rb") as stream:
        command = "'mkdir -p /opt/kprov && tar -x -C /opt/kprov'"
        subprocess.run([*copy, "sudo", "sh", "-c", command], stdin=stream, check=True, timeout=120)
    run = "cd /; PYTHONPATH=/opt/kprov python3 -m kprov certs check --local -o json"
    said = json.loads(one.ssh("cp1", f"{run}; rm -rf /opt/kprov"))
    local = Completed(said["exit_code"], said, "")
    assert local.exit_code == 0, said["problems"]
    assert on_disk(local) == on_disk(check(one))
    served = {item["item"] for item in local.data["items"] if item["served_equal"]}
    assert served == {item["item"] for item in check(one).data["items"] if item["served_equal"]} - {"endpoint"}
    assert {"apiserver", "etcd-server", "etcd-peer", "kubelet-server", "scheduler.conf"} <= served


def test_with_api_server_and_etcd_dead(one: LabCluster) -> None:
    before = on_disk(check(one))
    stop = "systemctl stop kubelet; for p in $(crictl pods -q --namespace kube-system); do crictl stopp $p; done"
    ready = f"systemctl start kubelet; until {KUBECTL} get --raw /readyz >/dev/null 2>&1; do sleep 1; done"
    with broken(one, f"{stop} >/dev/null", f"timeout 100 sh -c '{ready}'"):
        assert one.ssh("cp1", "pgrep -x 'kube-apiserver|etcd' || true") == ""
        done = check(one)
        assert (done.exit_code, findings(done)) == (4, set())
        assert on_disk(done) == before
        unread = {entry["what"].partition(" at ")[0] for entry in done.data["unread"]}
        assert {"kube-apiserver", "etcd", "etcd-peer", "kubelet", "leases and CA bundles in the API"} <= unread


@pytest.mark.parametrize("component", ["controller-manager", "scheduler"])
def test_renewed_kubeconfig_without_a_restart(one: LabCluster, component: str) -> None:
    renew = f"kubeadm certs renew {component}.conf"
    with broken(one, renew, RECYCLE.format(f"kube-{component}")):
        done = check(one)
        assert done.exit_code == 3
        assert findings(done) == {("loaded-before-change", "critical", f"{component}.conf")}
        (item,) = (item for item in done.data["items"] if item["item"] == f"{component}.conf")
        assert item["served_equal"] is False


@pytest.mark.parametrize("name", ["apiserver", "etcd-server", "etcd-peer"])
def test_renewed_certificate_that_is_taken_up_without_a_restart(one: LabCluster, name: str) -> None:
    def now() -> dict[str, Any]:
        return next(item for item in check(one).data["items"] if item["item"] == name)

    before = now()
    one.ssh("cp1", f"{ENV} kubeadm certs renew {name}")
    wait_until("the new one is served", lambda: now()["served_equal"], 20)
    after = now()
    assert after["serial"] != before["serial"]
    assert {served["sha256"] for served in after["served"]} == {after["sha256"]}


def test_another_certificate_in_place_of_the_api_server_s(one: LabCluster) -> None:
    save, back = (
        f"cp -p {a} {b}" for a, b in ((f"{PKI}/apiserver.crt", "/root/x.crt"), ("/root/x.crt", f"{PKI}/apiserver.crt"))
    )
    with broken(one, f"{save}; cat {PKI}/front-proxy-client.crt > {PKI}/apiserver.crt", back):
        done = check(one)
        assert done.exit_code == 3
        codes = {(code, name) for code, severity, name in findings(done) if severity == "critical"}
        assert {(code, "apiserver") for code in ("served-differs", "not-signed-by-ca", "key-mismatch")} <= codes


def test_key_that_everybody_can_read(one: LabCluster) -> None:
    with broken(one, f"chmod 644 {PKI}/sa.key", f"chmod 600 {PKI}/sa.key"):
        done = check(one)
        assert (done.exit_code, findings(done)) == (2, {("key-readable", "warning", f"{PKI}/sa.key")})


def test_certificate_with_twenty_days_left(one: LabCluster) -> None:
    config = """printf '%s\\n' 'apiVersion: kubeadm.k8s.io/v1beta4' 'kind: ClusterConfiguration' \
        "kubernetesVersion: $(kubeadm version -o short)" 'certificateValidityPeriod: 480h0m0s' > /root/short.yaml"""
    file = f"{PKI}/front-proxy-client"
    short = f"{config}; rm {file}.crt {file}.key; kubeadm init phase certs front-proxy-client --config /root/short.yaml"
    with broken(one, short, "kubeadm certs renew front-proxy-client"):
        done = check(one)
        assert (done.exit_code, findings(done)) == (2, {("expires", "warning", "front-proxy-client")})
        assert check(one, "--warn", "19d").exit_code == 0
        assert check(one, "--crit", "21d").exit_code == 3


def test_expired_copy_of_a_kubeconfig_is_listed_with_its_own_end(one: LabCluster) -> None:
    who = "--client-name kubernetes-admin --org kubeadm:cluster-admins"
    make = f"kubeadm kubeconfig user {who} --validity-period 1s --config /etc/kubernetes/kubeadm.yaml"
    copy = "/root/.kube/config"
    with broken(one, f"mkdir -p /root/.kube; {make} > {copy} 2>/dev/null; chmod 600 {copy}", f"rm {copy}"):
        wait_until("it has ended", lambda: bool(findings(check(one))), 20)
        done = check(one)
        assert (done.exit_code, findings(done)) == (2, {("expired", "warning", copy)})
        found = items(done)
        assert found[copy, copy]["subject"] == found["admin.conf", "/etc/kubernetes/admin.conf"]["subject"]
        assert found[copy, copy]["serial"] != found["admin.conf", "/etc/kubernetes/admin.conf"]["serial"]
        assert found[copy, copy]["renewed_by"] == "nobody"


def test_ca_bundles_of_webhooks_and_apiservices_are_read_live(one: LabCluster) -> None:
    one.ssh(
        "cp1", "openssl req -x509 -newkey rsa:2048 -nodes -days 3 -subj /CN=e2e -keyout /dev/null -out /root/e2e.crt"
    )
    bundle = one.ssh("cp1", "base64 -w0 /root/e2e.crt; rm /root/e2e.crt").strip()
    group = "e2e.example.com"
    rules = [{"apiGroups": [group], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["nothings"]}]
    hook = {
        "name": f"hook.{group}",
        "clientConfig": {"url": "https://127.0.0.1:1/", "caBundle": bundle},
        "rules": rules,
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        "failurePolicy": "Ignore",
    }
    webhooks = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": "e2e"},
        "webhooks": [hook],
    }
    service = {
        "apiVersion": "apiregistration.k8s.io/v1",
        "kind": "APIService",
        "metadata": {"name": f"v1.{group}"},
        "spec": {
            "group": group,
            "version": "v1",
            "groupPriorityMinimum": 1,
            "versionPriority": 1,
            "service": {"name": "nobody", "namespace": "default"},
            "caBundle": bundle,
        },
    }
    objects = json.dumps({"apiVersion": "v1", "kind": "List", "items": [webhooks, service]})
    kinds = f"validatingwebhookconfigurations/e2e apiservices/v1.{group}"
    apply = f"echo '{objects}' | kubectl --kubeconfig /etc/kubernetes/admin.conf apply --server-side -f -"
    with broken(one, apply, f"kubectl --kubeconfig /etc/kubernetes/admin.conf delete {kinds}"):
        done = check(one)
        assert done.exit_code == 2
        found = {(one["code"], one["severity"], one["place"]) for one in done.data["findings"]}
        places = ("ValidatingWebhookConfiguration e2e", f"APIService v1.{group}")
        assert found == {("expires", "warning", place) for place in places}


def test_somebody_else_s_tls_server_is_nobody_s_concern(one: LabCluster) -> None:
    make = (
        "openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=x -keyout /root/x.key -out /root/x.crt 2>/dev/null"
    )
    serve = "systemd-run --unit=other-tls openssl s_server -accept 16443 -cert /root/x.crt -key /root/x.key"
    before = items(check(one))
    with broken(one, f"{make}; {serve}", "systemctl stop other-tls; rm -f /root/x.key /root/x.crt"):
        wait_until("it listens", lambda: "16443" in one.ssh("cp1", "ss -tln"))
        assert items(check(one)) == before


def test_metrics_are_printed_alone(one: LabCluster) -> None:
    argv = [sys.executable, "-m", "kprov", "certs", "check", str(one.inventory), "-o", "prometheus"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=True)
    lines = done.stdout.splitlines()
    assert all(line.startswith(("#", "kprov_")) for line in lines)
    assert sum(line.startswith("kprov_certificate_not_after") for line in lines) == len(check(one).data["items"])
