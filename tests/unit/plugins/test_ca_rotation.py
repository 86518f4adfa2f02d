"""The files of a CA that is being rotated, and who is let in: against real TLS servers. kubeadm's part: tests/e2e."""

from __future__ import annotations

import contextlib
import socket
import ssl
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from ansible.module_utils import kprov_ca_aggregation as aggregation
from ansible.module_utils import kprov_ca_files as files
from ansible.module_utils import kprov_ca_probe as probe
from ansible.module_utils import kprov_kubeadm_certs as kubeadm
from ansible.module_utils.kprov_ca_rotation import Rotation
from ansible.module_utils.kprov_certs_served import Endpoint
from ansible.module_utils.kprov_kubeadm_run import StepError

from tests.unit.plugins.certificates import NOW, Pair, issue

LONG = {"now": NOW.replace(year=2020), "days": 36500}
OLD, NEW = issue("etcd-ca", **LONG), issue("etcd-ca", **LONG)  # type: ignore[arg-type]
PKI = "/etc/kubernetes/pki"
API = "spec:\n  containers:\n  - command:\n    - kube-apiserver\n    - --client-ca-file=/etc/kubernetes/pki/ca.crt\n"


def given(pair: Pair) -> files.Pair:
    return files.Pair(pair.pem.decode(), pair.key.decode())


@pytest.fixture
def plane(node: Path) -> Path:
    """A control plane at rest; its pki."""
    pki = node / PKI.lstrip("/")
    (node / "etc/kubernetes/manifests").mkdir(parents=True)
    (node / "etc/kubernetes/manifests/kube-apiserver.yaml").write_text(API)
    OLD.write(pki, "etcd/ca")
    for name in ("apiserver-etcd-client", "etcd/server", "etcd/peer", "etcd/healthcheck-client"):
        issue(name, signer=OLD).write(pki, name)
    (pki / "etcd/ca.key").chmod(0o600)
    return pki


def rotation(*, check_mode: bool = False, authority: str = "etcd-ca") -> Rotation:
    parameters = {"authority": authority, "config": "", "bin_dir": "", "may_restart": False}
    return Rotation(parameters, None, check_mode)


def of_etcd() -> files.Files:
    return files.Files(files.AUTHORITIES["etcd-ca"], PKI)


def test_the_new_ca_is_kept_once_and_its_key_is_private(plane: Path) -> None:
    first, again = rotation(), rotation()
    first.keep(given(NEW))
    written = (plane / "etcd/ca-next.crt").stat().st_mtime_ns
    again.keep(given(NEW))
    assert (len(first.changes), again.changes) == (1, [])
    assert (plane / "etcd/ca-next.crt").stat().st_mtime_ns == written
    assert stat.S_IMODE((plane / "etcd/ca-next.key").stat().st_mode) == 0o600
    offered = rotation().offer()
    assert offered and offered.sha256 == given(NEW).sha256
    assert (plane / "etcd/ca.crt").read_bytes() == OLD.pem


def test_a_dry_run_writes_nothing(plane: Path, tree: Callable[[], Any]) -> None:
    before, dry = tree(), rotation(check_mode=True)
    dry.keep(given(NEW))
    assert dry.changes == ["/etc/kubernetes/pki/etcd/ca-next.crt"]
    assert rotation(check_mode=True).make() is None
    assert tree() == before


@pytest.mark.parametrize("cut", ["without its key", "with another key"])
def test_a_new_ca_that_is_not_whole_is_not_offered(plane: Path, cut: str) -> None:
    rotation().keep(given(NEW))
    key = plane / "etcd/ca-next.key"
    key.unlink() if cut == "without its key" else key.write_bytes(OLD.key)
    assert rotation().offer() is None
    with pytest.raises(StepError, match="run the command again"):
        rotation().trust()
    rotation().keep(given(NEW))
    assert rotation().offer()


def test_nothing_is_put_beside_a_ca_that_has_gone(plane: Path) -> None:
    """The last control plane that is cleaned up must not get everything back."""
    of_etcd().trust([NEW.pem.decode()])
    done = rotation()
    done.keep(given(NEW))
    assert done.changes == []


def test_the_bundle_begins_with_whom_kubeadm_signs_as(plane: Path) -> None:
    bundle = of_etcd()
    bundle.trust([*bundle.bundle(), NEW.pem.decode()])
    assert bundle.current().sha256 == given(OLD).sha256
    assert bundle.trusted() == {given(OLD).sha256, given(NEW).sha256}
    kubeadm.load_pair(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), OLD.pem, bundle.current().key.encode())


def test_leaves_are_told_apart_though_their_cas_have_the_same_name(plane: Path) -> None:
    bundle = of_etcd()
    assert {item.name for item in bundle.leaves()} == {
        "apiserver-etcd-client",
        "etcd-server",
        "etcd-peer",
        "etcd-healthcheck-client",
    }
    issue("etcd/peer", signer=NEW).write(plane, "etcd/peer")
    new = [item.name for item in bundle.leaves() if bundle.signed_by(item, NEW.pem.decode())]
    assert new == ["etcd-peer"]


def test_the_old_ca_is_not_left_behind_and_removing_it_again_is_nothing(plane: Path) -> None:
    both = of_etcd()
    both.put_beside("-next", given(NEW))
    both.put_beside("-old", given(OLD))
    first, again = rotation(), rotation()
    first.clean()
    again.clean()
    assert (len(first.changes), again.changes) == (4, [])
    assert {path.name for path in (plane / "etcd").glob("ca*")} == {"ca.crt", "ca.key"}


def test_a_private_key_is_in_no_message() -> None:
    assert "PRIVATE" not in f"{given(NEW)} {given(NEW)!r}"


def test_no_restart_without_leave(plane: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """etcd that nobody allowed to restart is left alone, and the reason is said."""
    node = plane.parents[2]
    for path in ("usr/local/bin/crictl", "run/containerd/containerd.sock"):
        (node / path).parent.mkdir(parents=True, exist_ok=True)
        (node / path).write_text("#!/bin/sh\necho '{\"containers\": []}'\n")
        (node / path).chmod(0o755)
    monkeypatch.setattr(
        "ansible.module_utils.kprov_containers.find_program", lambda *_: str(node / "usr/local/bin/crictl")
    )
    rotation().keep(given(NEW))
    with pytest.raises(StepError, match=r"etcd knows a CA only from its next start on.*--accept-outage"):
        rotation().trust()


@contextmanager
def server(trusts: list[Pair], directory: Path) -> Iterator[Endpoint]:
    """Wants a certificate of one of these CAs from its clients, as etcd does."""
    leaf = issue("etcd", signer=OLD, **LONG)  # type: ignore[arg-type]
    leaf.write(directory, "server")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(directory / "server.crt", directory / "server.key")
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cadata="".join(ca.pem.decode() for ca in trusts))
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                plain, _ = listener.accept()
            except OSError:
                return
            with contextlib.suppress(OSError), context.wrap_socket(plain, server_side=True) as secure:
                secure.recv(100)
                secure.sendall(b"HTTP/1.0 200 OK\r\n\r\n")

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield Endpoint("etcd", "etcd-server", "127.0.0.1", listener.getsockname()[1])
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


@pytest.mark.parametrize(
    ("trusts", "shows", "said"),
    [
        ([OLD], OLD, probe.ACCEPTED),
        ([OLD], NEW, probe.REFUSED),
        ([OLD, NEW], NEW, probe.ACCEPTED),
        ([OLD, NEW], OLD, probe.ACCEPTED),
        ([NEW], OLD, probe.REFUSED),
    ],
    ids=["old by old", "new by old", "new by both", "old by both", "old by new"],
)
def test_the_probe_finds_whom_a_server_lets_in(trusts: list[Pair], shows: Pair, said: str, tmp_path: Path) -> None:
    leaf = given(issue("client", signer=shows, **LONG))  # type: ignore[arg-type]
    with server(trusts, tmp_path) as place:
        assert probe.connected(place, leaf) == said
    assert probe.connected(place, leaf).startswith("gives no answer")


def test_waiting_says_who_did_not_answer_as_wanted() -> None:
    answers = {"etcd at 10.0.0.1:2379": probe.ACCEPTED, "etcd at 10.0.0.1:2380": probe.REFUSED}
    with pytest.raises(StepError, match=r"accepts a certificate of the new CA .*2380 refuses"):
        probe.wait_for(lambda: answers, probe.ACCEPTED, "new", 0)
    with pytest.raises(StepError, match="nobody listens"):
        probe.wait_for(dict, probe.ACCEPTED, "new", 0)
    assert probe.wait_for(lambda: dict.fromkeys(answers, probe.REFUSED), probe.REFUSED, "old", 0) == sorted(answers)


class Known:
    """An API server's answers, and what it was asked to change."""

    def __init__(self, bundle: str) -> None:
        self.data = {aggregation.FIELD: bundle, "client-ca-file": "another"}
        self.patches: list[dict[str, Any]] = []

    def get(self, path: str) -> dict[str, Any]:
        assert path == aggregation.PUBLISHED
        return {"data": dict(self.data), "metadata": {"resourceVersion": "7"}}

    def ask(self, method: str, path: str, body: dict[str, Any], content: str) -> tuple[int, dict[str, Any]]:
        assert (method, path, content) == ("PATCH", aggregation.PUBLISHED, aggregation.MERGE)
        self.patches.append(body)
        self.data.update(body["data"])
        return 200, {}


def test_the_old_ca_leaves_the_configmap_once_and_nothing_else_does() -> None:
    api = Known((OLD.pem + NEW.pem).decode())
    assert aggregation.publish(api, NEW.pem.decode())
    assert not aggregation.publish(api, NEW.pem.decode())
    (patch,) = api.patches
    assert patch == {"metadata": {"resourceVersion": "7"}, "data": {aggregation.FIELD: NEW.pem.decode()}}


def test_the_module_refuses_a_ca_that_kprov_does_not_rotate(plugin: Callable[[str, str], ModuleType]) -> None:
    assert sorted(files.AUTHORITIES) == ["etcd-ca", "front-proxy-ca"]
    documented = plugin("modules", "kprov_certs_rotate_ca").DOCUMENTATION
    assert "choices: [etcd-ca, front-proxy-ca]" in documented
