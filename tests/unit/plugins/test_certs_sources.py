"""Both sources of new certificates on files of the real kubeadm: renewed by it, or signed elsewhere by openssl."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from ansible.module_utils import kprov_certs_requests as requests
from ansible.module_utils import kprov_kubeadm_certs as kubeadm
from ansible.module_utils import kprov_paths
from ansible.module_utils.kprov_certs_renewal import Renewal
from ansible.module_utils.kprov_kubeadm_run import StepError
from cryptography import x509

from kprov.certs.exchange import Wanted, read, write
from kprov.certs.finding import Limits
from kprov.certs.identity import Identity, identity
from kprov.certs.item import Inventory
from kprov.certs.node.known import KUBEADM
from kprov.certs.rules import judge
from kprov.commands.certs_csr_import import bundle, judged
from kprov.remote.node import read as node_read
from tests.unit.certs.nodes import PKI, Node
from tests.unit.certs.test_kubeadm import BUILT, Kubeadm

pytestmark = [
    pytest.mark.skipif(not BUILT, reason="no kubeadm: kprov lab up builds it"),
    pytest.mark.skipif(os.geteuid() != 0, reason="chroot(2) needs root"),
]
CAS = ("ca", "etcd/ca", "front-proxy-ca")
LIMITS = Limits(0, 0)


@pytest.fixture
def plane(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Node]:
    """A root directory for both: what runs on a node to look, and what runs there to change."""
    made = Node(tmp_path / "node")
    monkeypatch.setattr(node_read, "ROOT", str(made.root))
    monkeypatch.setattr(kprov_paths, "ROOT", str(made.root))
    for directory in ("/run", "/var/lib", "/var/log"):
        made.path(directory).mkdir(parents=True, exist_ok=True)
    yield made
    made.close()


def renew(plane: Node, bin_dir: str = "", **parameters: object) -> dict[str, dict[str, str]]:
    given = {"only": [], "within": "", "config": "/config.yaml", "recover": False, "bin_dir": bin_dir, "signed": {}}
    done: dict[str, dict[str, str]] = Renewal({**given, **parameters}, None, check_mode=False).run()["renewed"]
    return done


def seen(plane: Node) -> Inventory:
    """What the node says, now: the other tests' time stands still."""
    return replace(plane.inventory(), now=datetime.now(UTC))


def program(plane: Node) -> str:
    """Directory of kubeadm, as a program that is on the machine of the test and on the node at once."""
    path = plane.root.parent / "bin"
    for directory in (path, plane.path(str(path))):
        directory.mkdir(parents=True)
        inside = f'for word; do shift; set -- "$@" "${{word#{plane.root}}}"; done'  # paths as the node has them
        (directory / "kubeadm").write_text(f'#!/bin/sh\n{inside}\nexec /usr/sbin/chroot {plane.root} /kubeadm "$@"\n')
        (directory / "kubeadm").chmod(0o755)
    plane.put("/etc/kubernetes/manifests/kube-apiserver.yaml", f"- --client-ca-file={PKI}/ca.crt\n")
    plane.put("/etc/crictl.yaml", "runtime-endpoint: unix:///run/x\n")
    return str(path)


def test_kubeadm_renews_what_its_cas_sign_and_names_the_rest(plane: Node) -> None:
    Kubeadm(plane, "ECDSA-P256")
    plane.remove(f"{PKI}/etcd/ca.key")
    before = kubeadm.present(kubeadm.items())
    result = Renewal(
        {"only": [], "within": "", "config": "/config.yaml", "recover": False, "bin_dir": program(plane)}, None, False
    ).run()
    after = kubeadm.present(kubeadm.items())
    changed = {name for name in before if before[name].serial != after[name].serial}
    assert changed == KUBEADM - {"apiserver-etcd-client", "etcd-server", "etcd-peer", "etcd-healthcheck-client"}
    assert {change.removeprefix("renewed ") for change in result["changes"]} == changed == result["renewed"].keys()
    (warning,) = result["warnings"]
    assert "etcd-peer" in warning and "kprov certs csr export" in warning
    assert judge(seen(plane), LIMITS) == ()


def test_kubeadm_that_fails_leaves_the_file_as_it_was(plane: Node) -> None:
    Kubeadm(plane, "ECDSA-P256")
    before = plane.path(f"{PKI}/apiserver.crt").read_bytes()
    plane.put(f"{PKI}/ca.key", "no key")
    with pytest.raises(StepError, match=r"(?s)apiserver: .*is as it was before"):
        renew(plane, program(plane), only=["apiserver"])
    assert plane.path(f"{PKI}/apiserver.crt").read_bytes() == before


@pytest.mark.parametrize("algorithm", ["RSA-2048", "ECDSA-P256"])
def test_requests_ask_for_what_kubeadm_made_and_openssl_s_answers_take_its_place(
    plane: Node, tmp_path: Path, algorithm: str
) -> None:
    made = Kubeadm(plane, algorithm)
    owner = tmp_path / "owner"
    shutil.copytree(plane.path(PKI), owner)
    for ca in CAS:
        plane.remove(f"{PKI}/{ca}.key")
    old = {item.name: item for item in plane.inventory().items if item.name in KUBEADM}
    for item in kubeadm.items().values():
        assert requests.prepare(item, kubeadm.read(item), check_mode=False)
    found = plane.inventory()
    machine = found.machine("cp1")
    assert machine and machine.csrs.keys() == KUBEADM

    out = tmp_path / "requests"
    cas = {item.name: item for item in found.items if item.kind == "ca"}
    mine = [item for item in found.items if item.name in KUBEADM]
    write(out, "prod", [Wanted(item, machine.csrs[item.name], cas[item.authority or ""]) for item in mine])
    subprocess.run(["sh", "sign.sh"], cwd=out, env={"PATH": "/usr/bin:/bin", "CA": str(owner)}, check=True)
    answers = read(out, "prod", ["cp1"], [])
    due, problems = judged(answers, seen(plane))
    assert ({item.name for item in due}, problems) == (KUBEADM, [])
    renewed = renew(plane, signed={answer.item: bundle(answer, found) for answer in answers})
    assert renewed.keys() == KUBEADM

    assert judge(seen(plane), LIMITS) == ()
    ends = {name: entry["expirationDate"] for name, entry in made.expiration().items() if name in KUBEADM}
    new = {item.name: item.certificate.not_after for item in plane.inventory().items if item.name in KUBEADM}
    assert ends == {name: end.strftime("%Y-%m-%dT%H:%M:%SZ") for name, end in new.items()}
    for item in plane.inventory().items:
        if item.name in KUBEADM:
            was, now = identity(old[item.name].certificate.x509), identity(item.certificate.x509)
            assert now.public_key != was.public_key
            assert (now.subject, now.names, now.key_usage, now.extended_key_usage) == (
                was.subject,
                was.names,
                was.key_usage,
                was.extended_key_usage,
            )


def test_kubeadm_s_own_requests_say_no_usages(plane: Node) -> None:
    """Why requests are not those of `kubeadm certs generate-csr`; its names are those of its configuration."""
    made = Kubeadm(plane, "ECDSA-P256")
    item = kubeadm.items()["etcd-server"]
    requests.prepare(item, kubeadm.read(item), check_mode=False)
    ours = _csr(plane.path("/var/lib/kprov/csr/etcd-server.csr"))
    made("certs", "generate-csr", "--config", "/config.yaml", "--cert-dir", "/o/pki", "--kubeconfig-dir", "/o")
    theirs = _csr(plane.path("/o/pki/etcd/server.csr"))
    assert (ours.subject, ours.names) == (theirs.subject, theirs.names)
    assert theirs.extended_key_usage is theirs.key_usage is None
    assert ours.extended_key_usage == {"serverAuth", "clientAuth"}


def _csr(path: Path) -> Identity:
    return identity(x509.load_pem_x509_csr(path.read_bytes()))
