"""Kubelets whose serving certificates the cluster's CA signs: from the start, later on, and forged requests."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kprov.errors import ExitCode
from tests.e2e.cluster import Completed, LabCluster, another_inventory, kprov
from tests.e2e.conftest import MakeLab

KUBECTL = "/usr/local/bin/kubectl --kubeconfig /etc/kubernetes/admin.conf"
CURRENT = "/var/lib/kubelet/pki/kubelet-server-current.pem"
# As the API server would: the cluster's CA, and the address that it connects to.
HANDSHAKE = """python3 - <<'END'
import json, socket, ssl
context = ssl.create_default_context(cafile="/etc/kubernetes/pki/ca.crt")
with context.wrap_socket(socket.create_connection(("{ip}", 10250), 5), server_hostname="{ip}") as tls:
    found = tls.getpeercert()
print(json.dumps([dict(pair for part in found["subject"] for pair in part), found["subjectAltName"]]))
END"""
# A worker's own identity is all that it takes to ask for another node's name.
FORGE = """cd /tmp && openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout forged.key \
  -subj '/O=system:nodes/CN=system:node:{node}' -addext 'subjectAltName=DNS:{name},IP:{ip}' -out forged.csr 2>/dev/null
own=/var/lib/kubelet/pki/kubelet-client-current.pem
curl -sSf --cacert /etc/kubernetes/pki/ca.crt --cert $own -H 'Content-Type: application/yaml' --data-binary @- \
  https://{ip}:6443/apis/certificates.k8s.io/v1/certificatesigningrequests <<END
apiVersion: certificates.k8s.io/v1
kind: CertificateSigningRequest
metadata: {{name: forged}}
spec:
  signerName: kubernetes.io/kubelet-serving
  usages: [digital signature, server auth]
  request: $(base64 -w0 forged.csr)
END"""


@pytest.fixture(scope="module")
def lab(make_lab: MakeLab) -> LabCluster:
    return make_lab("serving", workers=1)


@pytest.fixture(scope="module")
def asking(lab: LabCluster, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The inventory with kubelets that ask."""
    return another_inventory(lab, tmp_path_factory.mktemp("asking"), kubelet_server_tls_bootstrap="true")


def up(inventory: Path, *options: str) -> Completed:
    done = kprov("up", str(inventory), "--yes", *options)
    assert done.exit_code == ExitCode.OK, done.stderr
    return done


def address(lab: LabCluster, short: str) -> str:
    text = lab.kubectl("get", "node", lab.node(short), "-o", "json")
    found = {one["type"]: one["address"] for one in json.loads(text)["status"]["addresses"]}
    return str(found["InternalIP"])


def served(lab: LabCluster, short: str) -> tuple[str, set[tuple[str, str]]]:
    """CN and names of what a kubelet serves, verified; fails if the cluster's CA has not signed it for its address."""
    subject, names = json.loads(lab.ssh("cp1", HANDSHAKE.format(ip=address(lab, short))))
    return subject["commonName"], {(kind, name) for kind, name in names}


def server_items(inventory: Path) -> dict[str, tuple[str, str]]:
    items = kprov("certs", "check", str(inventory)).data["items"]
    return {i["host"]: (i["path"], i["renewed_by"]) for i in items if i["item"] == "kubelet-server"}


def assert_signed(lab: LabCluster) -> None:
    for short in ("cp1", "w1"):
        node, ip = lab.node(short), address(lab, short)
        assert served(lab, short) == (f"system:node:{node}", {("DNS", node), ("IP Address", ip)})


def test_a_new_cluster_has_signed_certificates_at_the_end_of_up(lab: LabCluster, asking: Path) -> None:
    up(asking)
    assert_signed(lab)
    found = kprov("certs", "check", str(asking))
    assert (found.exit_code, found.data["findings"], found.data["unread"]) == (ExitCode.OK, [], [])
    assert {*server_items(asking).values()} == {(CURRENT, "kubelet")}
    again = up(asking)
    assert (again.data["changed"], again.data["module_calls"]) == (0, {})


def test_one_that_was_left_without_an_answer_gets_it(lab: LabCluster, asking: Path) -> None:
    """What a run leaves that is killed before it has approved anything."""
    lab.ssh("w1", f"rm -f {CURRENT} /var/lib/kubelet/pki/kubelet-server-*; systemctl restart kubelet")
    planned = kprov("plan", str(asking))
    assert planned.exit_code == ExitCode.FOUND
    reasons = [reason for step in planned.data["steps"] for reason in step["reasons"]]
    assert reasons == [f"no serving certificate of the cluster's yet: {lab.node('w1')}"]
    up(asking)
    assert_signed(lab)


def test_a_request_for_another_node_s_name_stays_pending_and_is_named(lab: LabCluster, asking: Path) -> None:
    victim = {"name": lab.node("cp1"), "ip": address(lab, "cp1")}
    lab.ssh("w1", FORGE.format(node=lab.node("w1"), **victim))
    why = f"it asks for {victim['name']}, {victim['ip']}, which the inventory does not have for {lab.node('w1')}"
    lab.ssh("cp1", "systemctl start kprov-certs-check")
    report = json.loads(lab.ssh("cp1", "cat /var/lib/kprov/certs-check.json"))
    assert any(why in one["message"] and "forged" in one["message"] for one in report["findings"]), report
    found = kprov("certs", "check", str(asking))
    (finding,) = [one for one in found.data["findings"] if one["code"] == "kubelet-request-pending"]
    assert (finding["host"], finding["name"]) == (lab.node("w1"), "forged")
    assert why in finding["message"]
    done = up(asking, "--verify-all", "--only", "certificates", "--no-verify")
    assert any(why in problem["message"] for problem in done.envelope["problems"]), done.envelope["problems"]
    forged = json.loads(lab.kubectl("get", "csr", "forged", "-o", "json"))
    assert forged["spec"]["username"] == f"system:node:{lab.node('w1')}"
    assert forged["status"] == {}
    lab.kubectl("delete", "csr", "forged")


def test_the_daily_check_approves_what_a_kubelet_asks_next(lab: LabCluster) -> None:
    """A kubelet with no certificate asks as one does whose own has 10 to 30 % of its life left."""
    lab.ssh("w1", f"rm -f {CURRENT} /var/lib/kubelet/pki/kubelet-server-*; systemctl restart kubelet")
    lab.ssh(
        "cp1", "until kubectl --kubeconfig /etc/kubernetes/admin.conf get csr | grep -q Pending; do sleep 0.5; done"
    )
    lab.ssh("cp1", "systemctl start kprov-certs-check || true")
    assert "approved csr-" in lab.ssh("cp1", "journalctl -u kprov-certs-check -n 20 -o cat")
    lab.ssh("w1", f"until test -e {CURRENT}; do sleep 0.5; done")
    assert_signed(lab)


def test_off_and_on_again_for_a_cluster_that_runs(lab: LabCluster, asking: Path) -> None:
    up(lab.inventory)
    assert {path for path, _ in server_items(lab.inventory).values()} == {"/var/lib/kubelet/pki/kubelet.crt"}
    assert lab.certs("check").data["findings"] == []
    lab.ssh("cp1", "rm /var/lib/kubelet/pki/kubelet-server-*")
    lab.ssh("w1", "rm /var/lib/kubelet/pki/kubelet-server-*")
    some = up(asking, "--limit", lab.node("cp1"), "--no-verify")
    assert served(lab, "cp1")
    waits = [problem["message"] for problem in some.envelope["problems"] if "signed themselves" in problem["message"]]
    assert waits, some.envelope["problems"]
    assert lab.node("w1") in waits[0]
    up(asking)
    assert_signed(lab)
    assert up(asking).data["module_calls"] == {}


def test_the_api_server_can_verify_kubelets(lab: LabCluster, asking: Path, tmp_path: Path) -> None:
    flags = "{'kubelet-certificate-authority': '/etc/kubernetes/pki/ca.crt'}"
    up(another_inventory(LabCluster(lab.name, asking), tmp_path, control_plane_api_server_args=flags))
    assert "--kubelet-certificate-authority=/etc/kubernetes/pki/ca.crt" in lab.ssh(
        "cp1", "tr '\\0' '\\n' </proc/$(pidof kube-apiserver)/cmdline"
    )
    proxy = lab.kubectl("logs", "-n", "kube-system", "-l", "k8s-app=kube-proxy", "--tail=1", "--prefix")
    assert len(proxy.splitlines()) == 2  # one on each node
