"""kubeconfigs made anew by the real kubeadm: what is wrong with one, what takes its place, what stays as it is."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils import kprov_certs_kubeconfigs as kubeconfigs
from ansible.module_utils import kprov_kubeadm_certs as kubeadm
from ansible.module_utils.kprov_certificate import COMMON_NAME, from_pem, subject_values
from ansible.module_utils.kprov_certs_kubeconfigs import Rebuild
from ansible.module_utils.kprov_kubeadm_run import StepError
from ansible.module_utils.kprov_kubeconfig import IDENTITIES, problem
from ansible.module_utils.kprov_kubelet_client import CLIENT

from kprov.certs.finding import Limits
from kprov.certs.kubeconfig import problem as found_by_check
from kprov.certs.node import known
from kprov.certs.rules import judge
from tests.unit.certs import pki
from tests.unit.certs.nodes import PKI, Node
from tests.unit.certs.test_kubeadm import BUILT, Kubeadm
from tests.unit.plugins.conftest import snapshot
from tests.unit.plugins.test_certs_sources import plane, program, pytestmark, seen  # noqa: F401 (a fixture, marks)

VERSION = BUILT[-1].parent.name.split("-")[1] if BUILT else ""
SCHEDULER = "/etc/kubernetes/scheduler.conf"


@pytest.fixture
def made(plane: Node, monkeypatch: pytest.MonkeyPatch) -> Node:  # noqa: F811
    """A control plane with kubeadm's files, on which nothing runs. Restarts of the kubelet are counted."""
    Kubeadm(plane, "ECDSA-P256")
    plane.put("/etc/kubernetes/kubeadm.yaml", plane.path("/config.yaml").read_text())
    plane.put("/restarts", "")
    monkeypatch.setattr(
        kubeconfigs.kprov_kubelet_client, "restart", lambda: plane.path("/restarts").open("a").write("x")
    )
    program(plane)
    return plane


def rebuild(node: Node, *files: str, check_mode: bool = False, told: str = "", **parameters: str) -> dict[str, Any]:
    given = {"node_name": "cp1", "config": "", "bin_dir": str(node.root.parent / "bin"), **parameters}
    done: dict[str, Any] = Rebuild({"files": dict.fromkeys(files, told), **given}, None, check_mode).run()
    return done


def text(node: Node, name: str) -> str:
    return node.path(f"/etc/kubernetes/{name}").read_text()


def login(content: str) -> list[str]:
    return subject_values(from_pem(kubeadm.embedded(content, "client-certificate").decode()), COMMON_NAME)


def with_login(content: str, pair: pki.Pair) -> str:
    for name, pem in (("certificate", pair.pem), ("key", pair.key_pem)):
        content = re.sub(f"client-{name}-data: .*", f"client-{name}-data: {pki.encoded(pem)}", content)
    return content


def test_both_sides_know_the_same_users() -> None:
    assert {name: (who, tuple(groups)) for name, (who, groups) in known.IDENTITIES.items()} == IDENTITIES


def test_what_is_in_order_is_left_alone(made: Node) -> None:
    before = snapshot(made.root)
    done = rebuild(made, "admin.conf", "super-admin.conf", "controller-manager.conf", "scheduler.conf")
    assert (done["changed"], done["changes"], done["rebuilt"]) == (False, [], {})
    assert snapshot(made.root) == before


DAMAGE: dict[str, tuple[Callable[[str], str], str]] = {
    "empty": (lambda content: "", "it is no kubeconfig"),
    "cut": (lambda content: content[: content.index("client-key-data")], "a kubeconfig without client-key"),
    "in base64": (lambda content: re.sub("(client-certificate-data: )....", r"\1%%%%", content), "cannot be read"),
    "somebody else": (lambda content: with_login(content, pki.kubeadm().users["admin.conf"]), "kubernetes-admin in"),
    "another CA's signature": (
        lambda content: with_login(content, pki.kubeadm().users["scheduler.conf"]),
        "its certificate is refused",
    ),
    "another key": (
        lambda content: re.sub(
            "client-key-data: .*", f"client-key-data: {pki.encoded(pki.kubeadm().ca.key_pem)}", content
        ),
        "do not belong together",
    ),
    "another CA": (
        lambda content: re.sub(
            "certificate-authority-data: .*",
            f"certificate-authority-data: {pki.encoded(pki.kubeadm().ca.pem)}",
            content,
        ),
        "it trusts another CA",
    ),
}


def test_damage_is_found_on_both_sides_and_mended(made: Node) -> None:
    good = text(made, "scheduler.conf")
    ca = made.path(f"{PKI}/ca.crt").read_text()
    assert problem("scheduler.conf", good, ca) is None
    for damage, (change, said) in DAMAGE.items():
        made.put(SCHEDULER, change(good), 0o600)
        before = seen(made)
        assert found_by_check(judge(before, Limits(0, 0)), before, "cp1", "scheduler.conf"), damage
        (change_said,) = rebuild(made, "scheduler.conf", check_mode=True)["changes"]
        assert said in change_said
        assert text(made, "scheduler.conf") == change(good)

        done = rebuild(made, "scheduler.conf")

        assert done["rebuilt"].keys() == {"scheduler.conf"}, damage
        assert login(text(made, "scheduler.conf")) == ["system:kube-scheduler"]
        assert made.path(SCHEDULER).stat().st_mode & 0o777 == 0o600
        after = seen(made)
        assert found_by_check(judge(after, Limits(0, 0)), after, "cp1", "scheduler.conf") is None
    assert rebuild(made, "scheduler.conf")["changed"] is False
    assert not [*made.path("/run").glob("kprov-*")]


def test_what_somebody_else_has_found_wrong_is_rebuilt(made: Node) -> None:
    """The check sees more than the node: a line that is no YAML, a second user."""
    before = text(made, "scheduler.conf")
    assert rebuild(made, "scheduler.conf", told="line 3 is no YAML")["changes"] == [
        "rebuilt scheduler.conf: line 3 is no YAML"
    ]
    assert text(made, "scheduler.conf") != before


def test_a_missing_one_and_one_that_everybody_can_read(made: Node) -> None:
    made.remove("/etc/kubernetes/admin.conf")
    made.path(SCHEDULER).chmod(0o644)
    done = rebuild(made, "admin.conf", "scheduler.conf", "controller-manager.conf")
    assert done["changes"] == [
        "rebuilt admin.conf: it is missing",
        "rebuilt scheduler.conf: every user of the node can read it",
    ]
    assert login(text(made, "admin.conf")) == ["kubernetes-admin"]
    assert "server: https://10.1.0.100:6443" in text(made, "admin.conf")  # controlPlaneEndpoint


def test_an_ended_one(made: Node) -> None:
    ca = made.path(f"{PKI}/ca.crt").read_text()
    content = text(made, "scheduler.conf")
    signer = pki.Pair(pki.x509.load_pem_x509_certificate(ca.encode()), _key(made.path(f"{PKI}/ca.key")))
    ended = pki.issue(signer, "system:kube-scheduler", days=-0.1)
    assert (
        problem("scheduler.conf", with_login(content, ended), ca)
        == "its certificate is refused: certificate has expired"
    )


def _key(path: Path) -> Any:
    return pki.serialization.load_pem_private_key(path.read_bytes(), None)


@pytest.mark.parametrize(("answering", "kept"), [("10.2.2.2", True), ("10.1.0.1", False), ("", True)])
def test_the_address_of_the_api_server_stays_if_one_answers_there(
    made: Node, monkeypatch: pytest.MonkeyPatch, answering: str, kept: bool
) -> None:
    """As before: a load balancer, say. Not where only kubeadm's address answers; with nobody there, nobody can tell."""
    content = text(made, "scheduler.conf").replace("https://10.1.0.1:6443", "https://10.2.2.2:6443")
    made.put(SCHEDULER, with_login(content, pki.kubeadm().users["admin.conf"]), 0o600)
    monkeypatch.setattr(
        kubeconfigs, "responds", lambda url, cafile: None if answering and answering in url else "refused"
    )
    done = rebuild(made, "scheduler.conf")
    assert ("server: https://10.2.2.2:6443" in text(made, "scheduler.conf")) is kept
    assert bool(done["warnings"]) is not kept


def test_the_address_of_another_cluster_s_file_does_not_count(made: Node) -> None:
    other = pki.kubeconfig(pki.kubeadm().users["scheduler.conf"], pki.kubeadm().ca, server="https://10.9.9.9:6443")
    made.kubeconfig(SCHEDULER, other)
    rebuild(made, "scheduler.conf")
    assert "server: https://10.1.0.1:6443" in text(made, "scheduler.conf")


def test_kubelet_conf_names_what_the_kubelet_replaces(made: Node) -> None:
    made.remove("/etc/kubernetes/kubelet.conf")
    done = rebuild(made, "kubelet.conf", node_name="node-1")
    client = made.path(CLIENT)
    assert client.is_symlink() and client.stat().st_mode & 0o777 == 0o600
    assert subject_values(from_pem(client.read_text()), COMMON_NAME) == ["system:node:node-1"]
    assert f"client-certificate: {CLIENT}" in text(made, "kubelet.conf")
    assert "-data: LS0" in text(made, "kubelet.conf")  # the CA
    assert "client-key-data" not in text(made, "kubelet.conf")
    assert (done["changed"], made.path("/restarts").read_text()) == (True, "x")
    # One that can be used stays; so does the name in it, whatever the inventory says.
    kept = client.read_bytes()
    made.remove("/etc/kubernetes/kubelet.conf")
    rebuild(made, "kubelet.conf", node_name="another")
    assert client.read_bytes() == kept
    assert rebuild(made, "kubelet.conf")["changed"] is False
    client.chmod(0o644)
    rebuild(made, "kubelet.conf", told="every user of the node can read the private key in it")
    assert client.read_bytes() != kept
    assert client.stat().st_mode & 0o777 == 0o600
    assert made.path("/restarts").read_text() == "xxx"


@pytest.mark.parametrize(
    ("addresses", "name"), [({"a": "10.1.0.2", "b": "10.1.0.1"}, "b"), ({"cp1": "10.7.7.7"}, "cp1"), ({"a": "x"}, None)]
)
def test_the_node_is_called_what_the_cluster_calls_it(
    made: Node, monkeypatch: pytest.MonkeyPatch, addresses: dict[str, str], name: str | None
) -> None:
    made.put(
        "/etc/kubernetes/manifests/kube-apiserver.yaml",
        f"- --client-ca-file={PKI}/ca.crt\n- --advertise-address=10.1.0.1\n",
    )
    nodes = [
        {"metadata": {"name": node}, "status": {"addresses": [{"address": address}]}}
        for node, address in addresses.items()
    ]
    monkeypatch.setattr(kubeconfigs.Api, "get", lambda self, path, kubeconfig: {"items": nodes})
    made.remove("/etc/kubernetes/kubelet.conf")
    if name is None:
        with pytest.raises(StepError, match=r"no Node with 10\.1\.0\.1, nor one called cp1; its Nodes are a"):
            rebuild(made, "kubelet.conf")
        assert not made.path("/etc/kubernetes/kubelet.conf").exists()
    else:
        rebuild(made, "kubelet.conf")
        assert login_of_client(made) == [f"system:node:{name}"]


def login_of_client(node: Node) -> list[str]:
    return subject_values(from_pem(node.path(CLIENT).read_text()), COMMON_NAME)


def test_without_kubeadm_s_configuration_the_least_will_do(made: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    def dead(*_: object) -> None:
        raise StepError("Connection refused")

    monkeypatch.setattr(kubeconfigs.Api, "get", dead)
    made.remove("/etc/kubernetes/kubeadm.yaml")
    made.put(
        "/etc/kubernetes/manifests/kube-apiserver.yaml",
        f"image: registry.k8s.io/kube-apiserver:v{VERSION}\n- --client-ca-file={PKI}/ca.crt\n"
        "- --advertise-address=10.1.0.1\n",
    )
    made.remove(SCHEDULER)
    (warning,) = rebuild(made, "scheduler.conf")["warnings"]
    assert "valid for kubeadm's own year" in warning
    assert login(text(made, "scheduler.conf")) == ["system:kube-scheduler"]


def no_ca_key(node: Node) -> None:
    node.remove(f"{PKI}/ca.key")


def a_directory(node: Node) -> None:
    node.path("/etc/kubernetes/controller-manager.conf").unlink()
    node.path("/etc/kubernetes/controller-manager.conf").mkdir()


def another_key(node: Node) -> None:
    node.put(f"{PKI}/ca.key", node.path(f"{PKI}/etcd/ca.key").read_text(), 0o600)


@pytest.mark.parametrize(
    ("fault", "said"),
    [(no_ca_key, "external-ca.md"), (a_directory, "is a directory"), (another_key, "kubeconfig")],
)
def test_nothing_is_changed_when_one_of_them_cannot_be_made(
    made: Node, fault: Callable[[Node], None], said: str
) -> None:
    made.put(SCHEDULER, "cut")
    made.remove("/etc/kubernetes/admin.conf")
    fault(made)
    before = snapshot(made.path("/etc"))
    with pytest.raises(StepError, match=said):
        rebuild(made, "admin.conf", "scheduler.conf", "controller-manager.conf")
    assert snapshot(made.path("/etc")) == before
    assert not [*made.path("/run").glob("kprov-*")]


def test_what_kubeadm_makes_wrong_takes_no_place(made: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    made.put(SCHEDULER, "cut")
    real = kubeconfigs.problem
    monkeypatch.setattr(
        kubeconfigs, "problem", lambda name, content, *rest: real(name, content, *rest) or "it logs in as nobody"
    )
    with pytest.raises(StepError, match=r"it logs in as nobody\. Nothing was changed"):
        rebuild(made, "scheduler.conf")
    assert text(made, "scheduler.conf") == "cut"


def test_names_that_kubeadm_does_not_make() -> None:
    with pytest.raises(StepError, match=r"kubeadm makes no schedular\.conf"):
        Rebuild({"files": {"schedular.conf": ""}}, None, check_mode=True)
