"""`kprov certs kubeconfig rebuild`: files of a control plane that are gone, cut or somebody else's are right again."""

from __future__ import annotations

from typing import Any

import pytest

from kprov.errors import ExitCode
from tests.e2e.cluster import Completed, LabCluster
from tests.e2e.conftest import MakeLab, Measured
from tests.e2e.journal import RunningUp

FILES = ("admin.conf", "controller-manager.conf", "scheduler.conf", "kubelet.conf")
LOG = "/var/log/kprov/certs_renew.log"  # what kubeadm says
CUT = "head -c 700 controller-manager.conf > /run/cut && cat /run/cut > controller-manager.conf"
# As an old recipe has it for a lost admin.conf.
AS_API_SERVER = """python3 - <<'END'
import base64, re
text = open("admin.conf").read()
for name, suffix in (("certificate", "crt"), ("key", "key")):
    data = base64.b64encode(open(f"pki/apiserver-kubelet-client.{suffix}", "rb").read()).decode()
    text = re.sub(f"client-{name}-data: .*", f"client-{name}-data: {data}", text)
open("admin.conf", "w").write(text)
END"""
DEAD = """systemctl stop kubelet
for name in etcd kube-apiserver kube-controller-manager kube-scheduler; do
  crictl stop $(crictl ps -q --name "^$name$")
done
rm /var/lib/kubelet/pki/kubelet-client-* && mv kubeadm.yaml /root/
rm *.conf && systemctl start --no-block kubelet"""


@pytest.fixture(scope="module")
def lab(make_lab: MakeLab) -> LabCluster:
    made = make_lab("kubeconfig", workers=0)
    made.up("--no-verify")
    return made


def rebuild(lab: LabCluster, files: str, *arguments: str) -> Completed:
    return lab.certs(f"kubeconfig rebuild {files}", *arguments)


def there(lab: LabCluster, command: str) -> str:
    return lab.ssh("cp1", f"cd /etc/kubernetes && {command}")


def findings(lab: LabCluster) -> dict[str, dict[str, Any]]:
    """By name of the item; those about kubeconfigs."""
    found = lab.certs("check").data["findings"]
    return {one["name"]: one for one in found if one["code"].startswith("kubeconfig-")}


def subjects(done: Completed) -> dict[str, str]:
    return {item["item"]: item["subject"] for item in done.data["items"]}


def test_a_check_names_each_file_with_the_command_that_mends_it(lab: LabCluster) -> None:
    assert lab.certs("check").exit_code == ExitCode.OK
    there(lab, f"rm scheduler.conf kubelet.conf && {CUT} && {AS_API_SERVER}")
    found = findings(lab)
    assert found.keys() == {*FILES}
    for name, finding in found.items():
        assert finding["hint"] == f"`kprov certs kubeconfig rebuild {name} --host {lab.node('cp1')}`"
    assert "CN=kube-apiserver-kubelet-client" in found["admin.conf"]["message"]
    assert found["scheduler.conf"]["message"] == "it is missing"
    renewed = lab.certs("renew", "--yes")
    assert "scheduler.conf is not renewed: it is missing" in renewed.stderr


def test_they_are_rebuilt_and_nothing_else_restarts(lab: LabCluster, measured: Measured) -> None:
    before = lab.static_pods()
    tried = rebuild(lab, ",".join(FILES), "--dry-run")
    assert tried.exit_code == ExitCode.FOUND
    assert {one["item"] for one in tried.data["items"]} == {*FILES}
    assert lab.static_pods() == before
    assert findings(lab).keys() == {*FILES}

    done = rebuild(lab, ",".join(FILES), "--yes")

    assert done.exit_code == ExitCode.OK, done.stderr
    node = lab.node("cp1")
    assert subjects(done) == {
        "admin.conf": "CN=kubernetes-admin,O=kubeadm:cluster-admins",
        "controller-manager.conf": "CN=system:kube-controller-manager",
        "scheduler.conf": "CN=system:kube-scheduler",
        "kubelet.conf": f"CN=system:node:{node},O=system:nodes",
    }
    proofs = {item["item"]: item["proof"] for item in done.data["items"]}
    measured(f"four kubeconfigs rebuilt: {proofs}")
    assert all(proofs.values())
    assert lab.certs("check").exit_code == ExitCode.OK
    after = lab.static_pods()
    restarted = {name for name in before if before[name] != after[name]}
    assert restarted == {"kube-controller-manager", "kube-scheduler"}
    assert lab.kubectl("wait", "--for=condition=Ready", f"node/{node}", "--timeout=60s")
    assert there(lab, "stat -c '%a %U' " + " ".join(FILES)).split("\n")[:-1] == ["600 root"] * len(FILES)
    assert "Using existing kubeconfig file" not in lab.ssh("cp1", f"cat {LOG}")
    # The kubelet goes on with the certificate that it replaces by itself.
    assert "client-certificate: /var/lib/kubelet/pki/kubelet-client-current.pem" in there(lab, "cat kubelet.conf")


def test_what_was_there_is_in_a_backup(lab: LabCluster) -> None:
    backups = lab.certs("backups").data["backups"]
    archive = f"/var/lib/kprov/backups/{backups[-1]['backup']}/kubernetes.tar.gz"
    assert lab.ssh("cp1", f"tar -xzOf {archive} etc/kubernetes/controller-manager.conf | wc -c").strip() == "700"


def test_a_second_run_changes_nothing(lab: LabCluster) -> None:
    before = lab.snapshot("cp1")
    done = rebuild(lab, ",".join(FILES), "--yes")
    assert (done.exit_code, done.data["items"]) == (ExitCode.OK, [])
    assert lab.snapshot("cp1") == before


@pytest.mark.parametrize(
    ("files", "arguments", "said"),
    [
        ("schedular.conf", (), "did you mean scheduler.conf?"),
        ("super-admin.conf", (), "only on a control plane that --host names"),
        ("scheduler.conf", ("--host", "cp9"), "no such host"),
    ],
)
def test_wrong_names_never_reach_a_node(lab: LabCluster, files: str, arguments: tuple[str, ...], said: str) -> None:
    done = rebuild(lab, files, "--yes", *arguments)
    assert (done.exit_code, said in done.stderr) == (ExitCode.INPUT, True)


def test_without_the_ca_s_key_or_with_a_wrong_one_the_old_file_stays(lab: LabCluster) -> None:
    there(lab, f"{CUT} && mv pki/ca.key /root/ca.key")
    before = lab.files("cp1")
    refused = rebuild(lab, "controller-manager.conf", "--yes")
    assert refused.exit_code == ExitCode.INPUT
    assert "docs/how-to/external-ca.md" in refused.stderr
    assert lab.files("cp1") == before
    cut = there(lab, "cp pki/etcd/ca.key pki/ca.key && sha256sum controller-manager.conf")
    failed = rebuild(lab, "controller-manager.conf", "--yes")
    assert failed.exit_code == ExitCode.PHASE, failed.stderr
    assert "no file was rebuilt" in failed.stderr
    assert there(lab, "sha256sum controller-manager.conf") == cut
    there(lab, "mv /root/ca.key pki/ca.key")


def test_a_line_that_is_no_yaml_counts_although_everything_else_is_right(lab: LabCluster) -> None:
    there(lab, "echo oops >> scheduler.conf")
    assert "is no YAML" in findings(lab)["scheduler.conf"]["message"]
    done = rebuild(lab, "scheduler.conf", "--yes")
    assert done.exit_code == ExitCode.OK, done.stderr
    assert "oops" not in there(lab, "cat scheduler.conf")


@pytest.mark.parametrize("step", ["Rebuild kubeconfigs", "Prove that they are in use"])
def test_killed_on_the_way_the_same_command_goes_on(lab: LabCluster, step: str) -> None:
    there(lab, CUT)
    with RunningUp(lab, verb=("certs", "kubeconfig", "rebuild", "controller-manager.conf")) as run:
        run.wait_for_task(step)
        run.kill()
    lab.ssh("cp1", "flock --timeout 90 /run/kprov.lock true")  # what runs on the node ends what it began
    assert there(lab, "ls -A | grep kprov- || true") == lab.ssh("cp1", "ls -d /run/kprov-* 2>/dev/null || true") == ""
    assert there(lab, "stat -c %s controller-manager.conf").strip() == "700" or not findings(lab)
    done = rebuild(lab, "controller-manager.conf", "--yes")
    assert done.exit_code == ExitCode.OK, done.stderr
    assert lab.certs("check").exit_code == ExitCode.OK


def test_a_dead_control_plane_without_any_kubeconfig_comes_back(lab: LabCluster, measured: Measured) -> None:
    """As kubeadm leaves one: without kprov's configuration of it, which no API server can be asked for."""
    there(lab, DEAD)
    assert findings(lab).keys() == {*FILES}
    done = rebuild(lab, ",".join(FILES), "--yes")
    assert done.exit_code == ExitCode.OK, done.stderr
    assert "valid for kubeadm's own year" in done.stderr
    measured(f"a dead control plane: {[item['proof'] for item in done.data['items']]}")
    node = lab.kubectl("wait", "--for=condition=Ready", f"node/{lab.node('cp1')}", "--timeout=60s")
    assert "condition met" in node
    assert lab.certs("check").exit_code == ExitCode.OK
