"""Names added to kubeadm's configuration as text: what a YAML parser then reads, and what it read before."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from ansible.module_utils.kprov_certificate import from_pem, names
from ansible.module_utils.kprov_kubeadm_names import ConfigError, with_directory, with_names

from tests.unit.plugins.certificates import issue

HEAD = "apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\n"
INIT = "---\napiVersion: kubeadm.k8s.io/v1beta4\nkind: InitConfiguration\nnodeRegistration:\n  criSocket: unix:///x\n"
ALL = {"apiserver": ["new", "10.0.0.9"], "etcd-server": ["10.0.0.9"], "etcd-peer": ["10.0.0.9"]}
# As `kubeadm init phase upload-config` writes it.
UPLOADED = """apiServer: {}
apiVersion: kubeadm.k8s.io/v1beta4
caCertificateValidityPeriod: 87600h0m0s
certificatesDir: /etc/kubernetes/pki
etcd:
  local:
    dataDir: /var/lib/etcd
    extraArgs:
    - name: quota-backend-bytes
      value: "1"
kind: ClusterConfiguration
networking:
  dnsDomain: cluster.local
"""


def clusters(text: str) -> dict[str, Any]:
    (found,) = [one for one in yaml.safe_load_all(text) if one["kind"] == "ClusterConfiguration"]
    return dict(found)


def added(config: str) -> tuple[list[str], list[str], list[str]]:
    """The three lists; fails if anything else is not as it was."""
    before, after = clusters(config), clusters(with_names(config, ALL))
    api, local = after.get("apiServer", {}), (after.get("etcd") or {}).get("local", {})
    found = (api.pop("certSANs"), local.pop("serverCertSANs"), local.pop("peerCertSANs"))
    for one in (before, after):
        one["apiServer"] = {k: v for k, v in (one.get("apiServer") or {}).items() if k != "certSANs"}
        etcd = ((one.get("etcd") or {}).get("local") or {}).items()
        one["etcd"] = {"local": {k: v for k, v in etcd if not k.endswith("CertSANs")}}
    assert before == after
    return found


@pytest.mark.parametrize(
    ("config", "api"),
    [
        (UPLOADED, ["new", "10.0.0.9"]),
        (HEAD, ["new", "10.0.0.9"]),
        (HEAD + INIT, ["new", "10.0.0.9"]),
        (INIT.removeprefix("---\n") + "---\n" + UPLOADED, ["new", "10.0.0.9"]),
        (HEAD + "apiServer:\n  certSANs: []\n  extraArgs: [{name: a, value: b}]\n", ["new", "10.0.0.9"]),
        (HEAD + "apiServer:\n  certSANs: [\"old\", 'x.y']\n", ["old", "x.y", "new", "10.0.0.9"]),
        (
            HEAD + "apiServer:\n  extraArgs:\n  - name: a\n    value: b\n  other: 4m\n",
            ALL["apiserver"],
        ),
        (HEAD + "apiServer:\n  certSANs:\n  - old\n  - 'fd00::1'\n  extraArgs:\n  - name: a\n    value: b\n", None),
        (
            HEAD + "apiServer:\n    certSANs:\n      - new\n      - old\n    extraArgs:\n      - name: a\n",
            None,
        ),
        (HEAD + "etcd:\n  local:\n    peerCertSANs:\n    - 10.0.0.1\n    dataDir: /d\n", ALL["apiserver"]),
    ],
)
def test_names_are_added_and_nothing_else_changes(config: str, api: list[str] | None) -> None:
    found = added(config)
    before = (clusters(config).get("apiServer") or {}).get("certSANs") or []
    assert found[0] == (api or [*before, *(name for name in ALL["apiserver"] if name not in before)])
    assert found[1] == ["10.0.0.9"]
    assert found[2][-1] == "10.0.0.9"
    assert clusters(with_names(with_names(config, ALL), ALL)) == clusters(with_names(config, ALL))


@pytest.mark.parametrize(
    "config",
    [
        "kind: InitConfiguration\n",
        HEAD + "apiServer: {certSANs: [a]}\n",
        HEAD + "apiServer:\n  certSANs: *names\n",
    ],
)
def test_what_is_not_understood_is_refused(config: str) -> None:
    with pytest.raises(ConfigError):
        with_names(config, ALL)


def test_directory() -> None:
    assert clusters(with_directory(UPLOADED + INIT, "/run/x"))["certificatesDir"] == "/run/x"
    assert clusters(with_directory(HEAD, "/run/x"))["certificatesDir"] == "/run/x"


def test_names_of_a_certificate() -> None:
    made = issue("x", signer=issue("ca"), names=("localhost", "10.0.0.1", "fd00::1"))
    assert names(from_pem(made.pem.decode())) == ["localhost", "10.0.0.1", "fd00::1"]
    assert names(from_pem(issue("bare").pem.decode())) == []
