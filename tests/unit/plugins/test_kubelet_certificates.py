"""A kubelet that is locked out: which certificate is due, what it is given, what is put back."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from ansible.module_utils.kprov_kubeadm_run import StepError

from tests.unit.plugins.certificates import Pair, issue

KUBELET_CONF = """apiVersion: v1
clusters:
- cluster:
    server: https://10.0.0.1:6443
  name: kubernetes
users:
- name: default-auth
  user:
    client-certificate: /var/lib/kubelet/pki/kubelet-client-current.pem
    client-key: /var/lib/kubelet/pki/kubelet-client-current.pem
"""
CREDENTIALS = {"token": "abcdef.0123456789abcdef", "ca": "CA"}


@pytest.fixture
def module(plugin: Callable[[str, str], ModuleType], node: Path, tmp_path: Path) -> ModuleType:
    for directory in ("etc/kubernetes", "var/lib/kubelet/pki"):
        (tmp_path / directory).mkdir(parents=True)
    (tmp_path / "etc/kubernetes/kubelet.conf").write_text(KUBELET_CONF)
    return plugin("modules", "kprov_kubelet_certificates")


def pair(days: float) -> Pair:
    return issue("system:node:w1", days=days, now=datetime.fromtimestamp(time.time() - 86_400, UTC))


def client(root: Path, days: float) -> Pair:
    """The certificate that the kubelet rotates: a link to a file with a date in its name."""
    made = pair(days)
    directory = root / "var/lib/kubelet/pki"
    (directory / "kubelet-client-old.pem").write_bytes(made.pem + made.key)
    (directory / "kubelet-client-current.pem").unlink(missing_ok=True)
    (directory / "kubelet-client-current.pem").symlink_to("kubelet-client-old.pem")
    return made


def kubelet(module: ModuleType, check_mode: bool = True, **changes: Any) -> Any:
    defaults = {
        "credentials": CREDENTIALS,
        "serving": True,
        "within": "30d",
        "sign": False,
        "config": "",
        "bin_dir": "",
    }
    return module.Kubelet({**defaults, **changes}, check_mode)


def changes(module: ModuleType, **parameters: Any) -> list[str]:
    found = kubelet(module, **parameters)
    found.run()
    said: list[str] = found.changes
    return said


def test_a_valid_client_certificate_is_left_alone(module: ModuleType, tmp_path: Path) -> None:
    client(tmp_path, days=1.01)
    assert changes(module) == changes(module, sign=True) == []


def test_an_ended_one_is_due(module: ModuleType, tmp_path: Path) -> None:
    client(tmp_path, days=0.5)
    assert changes(module) == ["kubelet-client"]
    assert changes(module, sign=True) == ["kubelet-client, signed here"]


def test_a_machine_that_never_joined_has_nothing(module: ModuleType) -> None:
    assert changes(module) == []


@pytest.mark.parametrize(("days", "within", "due"), [(20, "30d", True), (40, "30d", False), (400, "", True)])
def test_its_own_serving_certificate(module: ModuleType, tmp_path: Path, days: float, within: str, due: bool) -> None:
    client(tmp_path, days=300)
    (tmp_path / "var/lib/kubelet/pki/kubelet.crt").write_bytes(pair(days + 1).pem)
    assert changes(module, within=within) == (["kubelet-server"] if due else [])
    assert changes(module, within=within, serving=False) == []
    (tmp_path / "var/lib/kubelet/pki/kubelet-server-current.pem").write_bytes(pair(days).pem)
    assert changes(module, within=within) == []  # signed by the cluster: nobody reads kubelet.crt


def test_a_certificate_inside_kubelet_conf(module: ModuleType, tmp_path: Path) -> None:
    """After kprov has signed one, or on a cluster from before 1.17: due by itself, else kubelet.conf names the pem."""
    embedded = KUBELET_CONF.replace("certificate: ", "certificate-data: ").replace("key: ", "key-data: ")
    for days, expected in ((0.5, "kubelet-client"), (5, "kubelet.conf names the certificate")):
        data = base64.b64encode(pair(days).pem).decode()
        text = embedded.replace("/var/lib/kubelet/pki/kubelet-client-current.pem", data)
        (tmp_path / "etc/kubernetes/kubelet.conf").write_text(text)
        (said,) = changes(module)
        assert said.startswith(expected)


def test_bootstrap_puts_back_what_was_in_the_way(
    module: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client(tmp_path, days=0.5)
    bootstrap = tmp_path / "etc/kubernetes/bootstrap-kubelet.conf"
    seen: list[dict[str, Any]] = []

    def restart() -> None:
        assert bootstrap.stat().st_mode & 0o777 == 0o600
        seen.append(json.loads(bootstrap.read_text()))
        client(tmp_path, days=5)

    monkeypatch.setattr(module, "restart", restart)
    kubelet(module, check_mode=False).run()
    assert not bootstrap.exists()
    assert seen[0]["users"][0]["user"] == {"token": CREDENTIALS["token"]}
    assert seen[0]["clusters"][0]["cluster"]["server"] == "https://10.0.0.1:6443"
    client(tmp_path, days=0.5)
    bootstrap.write_text("somebody's")
    kubelet(module, check_mode=False).run()
    assert bootstrap.read_text() == "somebody's"


def test_a_kubelet_that_gets_nothing_is_told_about_and_leaves_no_token(
    module: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client(tmp_path, days=0.5)
    monkeypatch.setattr(module, "restart", lambda: None)
    monkeypatch.setattr(module, "DEADLINE", 0)
    with pytest.raises(StepError, match="still is the one that ended"):
        kubelet(module, check_mode=False).run()
    assert not (tmp_path / "etc/kubernetes/bootstrap-kubelet.conf").exists()


def test_set_aside_twice_and_links(module: ModuleType, tmp_path: Path) -> None:
    for days in (0.5, 0.6):
        client(tmp_path, days)
        module.set_aside((module.CLIENT,))
        assert not (tmp_path / module.CLIENT.lstrip("/")).is_symlink()
    assert (tmp_path / "var/lib/kprov/replaced/kubelet-client-current.pem").is_symlink()


def test_whose_certificate_it_is(module: ModuleType) -> None:
    assert module.common_name(pair(1).pem.decode()) == "system:node:w1"
    with pytest.raises(StepError):
        module.common_name(issue("kubernetes-admin").pem.decode())
