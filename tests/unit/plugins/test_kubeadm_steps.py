"""Which kubeadm phases run, run again, or are forgotten; what is cleaned up after an interrupted one."""

from __future__ import annotations

import base64
import datetime
import ipaddress
import os
import sys
from pathlib import Path

import pytest
from ansible.module_utils import kprov_kubeadm_run as run
from ansible.module_utils import kprov_kubeadm_steps as steps
from ansible.module_utils import kprov_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

CERTIFICATE = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
KEY = "-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----\n"
INIT = [
    steps.Step("preflight", "init"),
    steps.Step("certs all", "init", again=True),
    steps.Step("kubeconfig all", "init", again=True),
    steps.Step("etcd local", "init", again=True),
    steps.Step("kubelet-start", "init"),
    steps.Step("wait-control-plane", "init", again=True),
]
JOIN = [
    steps.Step("preflight", "join"),
    steps.Step("kubelet-start", "join"),
    steps.Step("kubelet-wait-bootstrap", "join"),
    steps.Step("control-plane all", "init", again=True, first=False),
]
SHAS = {"init": "one", "join": "one"}


def names(found: list[steps.Step]) -> list[str]:
    return [step.name for step in found]


def write(node: Path, path: str, text: str = "x") -> Path:
    file = node / path.lstrip("/")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def done(command: str, all_steps: list[steps.Step], until: str | None = None) -> steps.Steps:
    """A node on which the steps up to `until` (not included) are finished."""
    state = steps.Steps("phase", command)
    for step in all_steps:
        if step.name == until:
            break
        state.finish(step.name, "one", 100.0)
    return state


def reread(command: str) -> steps.Steps:
    state = steps.Steps("phase", command)
    state.reconcile()
    return state


def test_new_node_runs_everything_that_is_for_the_first_time(node: Path) -> None:
    assert names(reread("init").todo(INIT, SHAS)) == names(INIT)
    assert "control-plane all" not in names(reread("join").todo(JOIN, SHAS))


def test_finished_node_runs_nothing(node: Path) -> None:
    write(node, steps.KUBELET_CONF)
    done("init", INIT)
    assert names(reread("init").todo(INIT, SHAS)) == []


def test_interrupted_run_goes_on_where_it_stopped_without_preflight(node: Path) -> None:
    write(node, steps.KUBELET_CONF)
    done("init", INIT, until="etcd local").start("etcd local", "one", 200.0)
    assert names(reread("init").todo(INIT, SHAS)) == ["etcd local", "kubelet-start", "wait-control-plane"]


def test_preflight_runs_again_while_nothing_else_has_started(node: Path) -> None:
    write(node, steps.PKI + "/ca.crt")
    steps.Steps("phase", "init").start("preflight", "one", 100.0)
    assert names(reread("init").todo(INIT, SHAS))[0] == "preflight"


def test_changed_configuration_runs_only_steps_marked_again(node: Path) -> None:
    write(node, steps.KUBELET_CONF)
    done("init", INIT)
    found = names(reread("init").todo(INIT, {"init": "two", "join": "one"}))
    assert found == ["certs all", "kubeconfig all", "etcd local", "wait-control-plane"]


def test_joined_control_plane_applies_a_change_without_credentials(node: Path) -> None:
    write(node, steps.KUBELET_CONF)
    done("join", JOIN)
    found = reread("join").todo(JOIN, {"init": "two", "join": "two"})
    assert names(found) == ["control-plane all"]
    assert not any(step.needs_credentials for step in found)


def test_change_that_was_interrupted_on_a_joined_control_plane_is_made(node: Path) -> None:
    write(node, steps.KUBELET_CONF)
    state = done("join", JOIN)
    state.start("control-plane all", "two", 200.0)
    assert names(reread("join").todo(JOIN, {"init": "two", "join": "two"})) == ["control-plane all"]


def test_manifest_changed_by_hand_runs_its_step_and_waits(node: Path) -> None:
    write(node, steps.KUBELET_CONF)
    manifest = write(node, steps.manifest_path("etcd"), "as kubeadm wrote it")
    done("init", INIT)
    assert names(reread("init").todo(INIT, SHAS)) == []
    manifest.write_text("edited")
    assert names(reread("init").todo(INIT, SHAS)) == ["etcd local", "wait-control-plane"]


def test_reset_node_starts_from_nothing(node: Path) -> None:
    done("join", JOIN)  # and no trace of a cluster on the node
    assert names(reread("join").todo(JOIN, SHAS))[0] == "preflight"


def test_node_without_its_identity_joins_again_without_preflight(node: Path) -> None:
    write(node, "/var/lib/kubelet/config.yaml")
    done("join", JOIN)
    assert names(reread("join").todo(JOIN, SHAS)) == ["kubelet-start", "kubelet-wait-bootstrap"]


def test_bootstrap_that_never_came_starts_the_kubelet_with_a_new_token(node: Path) -> None:
    write(node, steps.BOOTSTRAP_CONF)
    done("join", JOIN, until="kubelet-wait-bootstrap")
    assert names(reread("join").todo(JOIN, SHAS)) == ["kubelet-start", "kubelet-wait-bootstrap"]


def test_kubelet_that_has_joined_is_not_started_over(node: Path) -> None:
    write(node, steps.KUBELET_CONF)
    done("join", JOIN, until="kubelet-start").start("kubelet-start", "one", 200.0)
    assert names(reread("join").todo(JOIN, SHAS)) == ["kubelet-wait-bootstrap"]


def test_record_of_another_machine_or_command_is_ignored(node: Path) -> None:
    write(node, steps.KUBELET_CONF)
    done("init", INIT)
    assert reread("join").steps == {}
    (node / "etc/machine-id").write_text("another\n")
    assert reread("init").steps == {}


@pytest.fixture
def pki(node: Path) -> Path:
    """A pair from before the step, as a user's own CA would be."""
    for name, text in (("ca.crt", CERTIFICATE), ("ca.key", KEY)):
        os.utime(write(node, f"{steps.PKI}/{name}", text), (100, 100))
    return node


def test_certificates_in_pairs_are_kept(pki: Path) -> None:
    write(pki, f"{steps.PKI}/etcd/ca.crt", CERTIFICATE)
    write(pki, f"{steps.PKI}/etcd/ca.key", KEY)
    assert steps.clean_up("certs all", 1000) == []


@pytest.mark.parametrize("name", ["apiserver.crt", "apiserver.key", "etcd/server.key", "sa.key", "sa.pub"])
def test_half_a_pair_goes(pki: Path, name: str) -> None:
    write(pki, f"{steps.PKI}/{name}", KEY)
    assert steps.clean_up("certs all", 1000) == [f"{steps.PKI}/{name}"]


def test_cut_file_goes_with_its_pair(pki: Path) -> None:
    write(pki, f"{steps.PKI}/apiserver.crt", CERTIFICATE[:40])
    write(pki, f"{steps.PKI}/apiserver.key", KEY)
    assert steps.clean_up("certs all", 1000) == [f"{steps.PKI}/apiserver.crt", f"{steps.PKI}/apiserver.key"]


def test_nothing_older_than_the_step_goes(pki: Path) -> None:
    (pki / "etc/kubernetes/pki/ca.key").unlink()  # an external CA: certificate without key
    old = write(pki, f"{steps.KUBERNETES}/admin.conf", "")
    os.utime(old, (100, 100))
    assert steps.clean_up("certs all", 1000) == steps.clean_up("kubeconfig all", 1000) == []


def test_cut_kubeconfig_goes_whole_one_stays(pki: Path) -> None:
    write(pki, f"{steps.KUBERNETES}/admin.conf", "apiVersion: v1\nclusters:\n")
    whole = "apiVersion: v1\nclusters: []\ncontexts: []\ncurrent-context: x\nkind: Config\nusers: []\n"
    write(pki, f"{steps.KUBERNETES}/scheduler.conf", whole)
    assert steps.clean_up("kubeconfig all", 1000) == [f"{steps.KUBERNETES}/admin.conf"]


def test_output_goes_to_a_private_log_without_secrets(node: Path) -> None:
    secret, token = "f" * 64, "abcdef.0123456789abcdef"
    runner = run.Runner("worker", "/usr/bin", [secret])
    command = [sys.executable, "-c", f"print('{secret}', '{token}'); raise SystemExit(3)"]
    with pytest.raises(run.StepError, match="exit code 3") as error:
        runner.run(command, 10)
    log = node / "var/log/kprov/worker.log"
    assert log.stat().st_mode & 0o777 == 0o600
    for text in (log.read_text(), str(error.value)):
        assert secret not in text
        assert token not in text
        assert "(secret) (token)" in text


def test_log_that_has_grown_is_set_aside_once(node: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "MOST", 100)
    runner = run.Runner("worker", "/usr/bin", [])
    for word in ("one", "two", "three"):
        runner.run(["echo", word * 40], 10)
    assert "three" in (node / "var/log/kprov/worker.log").read_text()
    assert sorted(path.name for path in (node / "var/log/kprov").iterdir()) == ["worker.log", "worker.log.1"]
    assert "two" in (node / "var/log/kprov/worker.log.1").read_text()


def test_step_ends_at_its_deadline(node: Path) -> None:
    with pytest.raises(run.StepError, match=r"did not end within 0\.5 s"):
        run.Runner("worker", "/usr/bin", []).run(["sleep", "60"], 0.5)


def test_private_file_is_gone_afterwards(node: Path) -> None:
    with pytest.raises(RuntimeError), run.private_file("join.json", "{}") as path:
        assert Path(path).stat().st_mode & 0o777 == 0o600
        raise RuntimeError
    assert list((node / "run").iterdir()) == []


def test_joining_node_trusts_the_cluster_by_its_ca_and_needs_no_answer_to_find_it(plugin) -> None:
    module = plugin("modules", "kprov_kubeadm")
    file = module.discovery("api.example:6443", CERTIFICATE)
    cluster = file["clusters"][0]["cluster"]
    assert cluster["server"] == "https://api.example:6443"
    assert base64.b64decode(cluster["certificate-authority-data"]).decode() == CERTIFICATE
    join = {"nodeRegistration": {"name": "w1"}, "controlPlane": {"localAPIEndpoint": {}}}
    secrets = {"token": "abcdef.0123456789abcdef", "certificate_key": "key"}
    found = module.join_configuration(join, secrets, "/run/x/discovery.json")
    assert found["discovery"] == {
        "file": {"kubeConfigPath": "/run/x/discovery.json"},
        "tlsBootstrapToken": "abcdef.0123456789abcdef",
    }
    assert found["controlPlane"] == {"localAPIEndpoint": {}, "certificateKey": "key"}


@pytest.mark.parametrize(("registered", "changed"), [(False, True), (True, False), (None, False)])
def test_check_says_that_a_node_object_is_gone(
    node: Path, plugin, monkeypatch: pytest.MonkeyPatch, registered: bool | None, changed: bool
) -> None:
    write(node, steps.KUBELET_CONF)
    done("join", JOIN[:3])
    module = plugin("modules", "kprov_kubeadm")
    monkeypatch.setattr(module.waits, "node_registered", lambda name: registered)
    params = {
        "phase": "phase",
        "command": "join",
        "config": None,
        "steps": [{"name": step.name, "command": None} for step in JOIN[:3]],
        "join": {},
        "secrets": None,
        "node": {"name": "w1", "address": "192.0.2.1", "port": 6443},
        "health_deadline": 120,
        "variables": {},
        "bin_dir": "/usr/local/bin",
        "runtime": "unix:///run/x.sock",
    }
    found = module.Kubeadm(params, True, None).run()
    assert found == {
        "changed": changed,
        "changes": ["kubelet restarted, its Node was deleted"] if changed else [],
        "needs_credentials": False,
    }


def test_names_that_a_certificate_lacks(tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "kube-apiserver")])
    now = datetime.datetime.now(datetime.UTC)
    names = [x509.DNSName("k8s.example"), x509.IPAddress(ipaddress.ip_address("10.0.0.1"))]
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now - datetime.timedelta(hours=1))
    builder = builder.not_valid_after(now + datetime.timedelta(days=1))
    builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    (tmp_path / "crt").write_bytes(builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    encoding = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (tmp_path / "key").write_bytes(key.private_bytes(*encoding))
    certificate, own_key = str(tmp_path / "crt"), str(tmp_path / "key")
    wanted = ["k8s.example", "10.0.0.1", "new.example", "10.0.0.2"]
    assert kprov_x509.missing_names(certificate, own_key, certificate, wanted) == ["new.example", "10.0.0.2"]
