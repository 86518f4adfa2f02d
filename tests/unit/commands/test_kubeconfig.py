"""Our entries go into a kubeconfig; everything else in it stays what and where it was."""

from __future__ import annotations

import json
import os
import re
import threading
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from kprov import kubeconfig as files
from kprov.certs.certificate import Certificate
from kprov.commands import kubeconfig as command
from kprov.commands.context import Options
from kprov.errors import ConnectError, InputError, LockedError, Problem
from kprov.remote.dialogue import Completed
from kprov.spec.cluster import Host
from kprov.spec.load import Loaded
from tests.unit.factories import make_spec
from tests.unit.plugins.certificates import Pair, issue

ADMIN = """\
apiVersion: v1
kind: Config
clusters:
- cluster: {certificate-authority-data: Q0E=, server: "https://10.1.0.1:6443"}
  name: kubernetes
contexts:
- context: {cluster: kubernetes, user: kubernetes-admin}
  name: kubernetes-admin@kubernetes
current-context: kubernetes-admin@kubernetes
users:
- name: kubernetes-admin
  user: {client-certificate-data: Q0VSVA==, client-key-data: U0VDUkVU}
"""
OTHERS = """\
# mine, do not touch
apiVersion: v1
kind: Config
clusters:
- cluster:
    server: https://work:6443   # the one at work
  name: work
contexts:
- context:
    cluster: work
    user: me
  name: work
current-context: work
users:
- name: me
  user:
    token: "0123"
"""


def mine(name: str = "prod", source: str = "/i.ini", authority: str = "Q0E=") -> files.Access:
    return files.access(ADMIN.replace("Q0E=", authority), name, source)


def parsed(text: str) -> Any:
    return YAML(typ="safe").load(text)


def entries(text: str, kind: str) -> dict[str, Any]:
    return {entry["name"]: entry for entry in parsed(text)[kind] or ()}


def test_new_file_has_one_context_and_it_is_current() -> None:
    merged = files.merge(None, mine())
    assert merged.current == "prod"
    data = parsed(merged.text)
    assert data["current-context"] == "prod"
    assert data["contexts"][0]["context"] == {"cluster": "prod", "user": "prod-admin"}
    assert data["clusters"][0]["cluster"]["server"] == "https://10.1.0.1:6443"


def test_other_entries_comments_and_the_current_context_stay() -> None:
    merged = files.merge(OTHERS, mine())
    assert merged.current == "work"
    for line in ("# mine, do not touch", "# the one at work", 'token: "0123"'):
        assert line in merged.text
    assert entries(merged.text, "clusters")["work"] == entries(OTHERS, "clusters")["work"]


def test_current_context_is_switched_on_request() -> None:
    assert files.merge(OTHERS, mine(), use_context=True).current == "prod"


def test_second_merge_changes_nothing() -> None:
    once = files.merge(OTHERS, mine()).text
    assert files.merge(once, mine()).text == once


def test_own_entries_are_replaced_where_they_stand_and_the_namespace_of_the_context_stays() -> None:
    once = files.merge(OTHERS, mine()).text.replace("user: prod-admin\n", "user: prod-admin\n    namespace: shop\n")
    again = files.merge(once, files.access(ADMIN.replace("U0VDUkVU", "TkVX"), "prod", "/i.ini", "https://lb:6443")).text
    assert entries(again, "users")["prod-admin"]["user"]["client-key-data"] == "TkVX"
    assert entries(again, "clusters")["prod"]["cluster"]["server"] == "https://lb:6443"
    assert entries(again, "contexts")["prod"]["context"]["namespace"] == "shop"
    assert list(entries(again, "clusters")) == ["work", "prod"]


def test_cluster_made_again_from_the_same_inventory_is_replaced() -> None:
    once = files.merge(None, mine()).text
    assert "TkVX" in files.merge(once, mine(authority="TkVX")).text


def test_another_cluster_of_the_same_name_is_not_overwritten_unless_allowed() -> None:
    once = files.merge(None, mine(source="/elsewhere.ini", authority="T1RIRVI=")).text
    with pytest.raises(InputError, match="another cluster"):
        files.merge(once, mine())
    assert "T1RIRVI=" not in files.merge(once, mine(), replace=True).text


@pytest.mark.parametrize("broken", ["a: [", "- a\n- b\n", "clusters: 5\n", "clusters: [5]\n", "\tx: 1\n", "text"])
def test_file_that_is_no_kubeconfig_is_refused_without_quoting_it(broken: str) -> None:
    secret = f"{broken}\n# U0VDUkVU"
    with pytest.raises(InputError) as caught:
        files.merge(secret, mine())
    assert "U0VDUkVU" not in str(caught.value)


def test_empty_lists_as_kubectl_writes_them_are_fine() -> None:
    text = "apiVersion: v1\nkind: Config\nclusters: null\ncontexts: null\nusers: null\ncurrent-context: ''\n"
    assert list(entries(files.merge(text, mine()).text, "users")) == ["prod-admin"]


# Without ._ and the like, which ruamel takes for a number.
NAMES = st.text("abcdefghijklmnopqrstuvwxyz0123456789-.@:/_ #'\"é", min_size=1, max_size=12).filter(
    lambda name: not re.fullmatch(r"[-+]?\._+", name)
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text("ab:#- '\"\n{}[]é", max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=6,
)


@st.composite
def kubeconfigs(draw: st.DrawFn) -> dict[str, Any]:
    """Any kubeconfig whose entries have other names than ours."""
    data: dict[str, Any] = {"apiVersion": "v1", "kind": "Config"}
    for kind, key in (("clusters", "cluster"), ("contexts", "context"), ("users", "user")):
        names = draw(st.lists(NAMES.filter(lambda n: not n.startswith("prod")), unique=True, max_size=4))
        data[kind] = [{"name": name, key: draw(st.dictionaries(NAMES, VALUES, max_size=3))} for name in names]
    data["current-context"] = draw(NAMES)
    return data | draw(st.dictionaries(st.sampled_from(["preferences", "extensions"]), VALUES, max_size=2))


@settings(deadline=None)  # the machine may be busy
@given(kubeconfigs(), st.booleans(), st.booleans())
def test_whatever_is_in_the_file_is_in_it_afterwards(before: dict[str, Any], use_context: bool, as_json: bool) -> None:
    # PyYAML and JSON are other writers and readers than ours, as kubectl is.
    text = json.dumps(before) if as_json else yaml.safe_dump(before, allow_unicode=True)
    before = yaml.safe_load(text)
    merged = files.merge(text, mine(), use_context=use_context)
    after = yaml.safe_load(merged.text)
    for kind, name in (("clusters", "prod"), ("contexts", "prod"), ("users", "prod-admin")):
        assert [e for e in after[kind] if e["name"] != name] == before[kind]
        assert [e["name"] for e in after[kind]].count(name) == 1
    assert after["current-context"] == ("prod" if use_context else before["current-context"])
    rest = {key for key in before if key not in {"clusters", "contexts", "users", "current-context"}}
    assert {key: after[key] for key in rest} == {key: before[key] for key in rest}
    assert files.merge(merged.text, mine(), use_context=use_context).text == merged.text


def test_files_are_private_from_the_first_moment_and_a_backup_stays(tmp_path: Path) -> None:
    path = tmp_path / "new" / "config"
    assert files.write(path, "one") is None
    path.chmod(0o644)
    backup = files.write(path, "two")
    assert backup is not None
    assert (path.read_text(), backup.read_text()) == ("two", "one")
    assert [oct(p.stat().st_mode & 0o777) for p in (path, backup)] == ["0o600", "0o600"]
    assert sorted(p.name for p in path.parent.iterdir()) == ["config", "config.before-kprov"]


def test_file_that_has_it_already_is_made_private_and_keeps_its_backup(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text("same")
    path.chmod(0o644)
    assert files.write(path, "same") is None
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_symbolic_link_stays_one(tmp_path: Path) -> None:
    real, link = tmp_path / "real", tmp_path / "link"
    real.write_text("one")
    link.symlink_to(real)
    files.write(link, "two")
    assert link.is_symlink()
    assert real.read_text() == "two"


def test_lock_of_kubectl_is_respected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "LOCK_SECONDS", 0.2)
    path, lock = tmp_path / "config", tmp_path / "config.lock"
    lock.touch()
    with pytest.raises(LockedError, match="being changed"), files.locked(path):
        pass
    assert lock.exists(), "a lock that is not ours stays"
    threading.Timer(0.05, lock.unlink).start()
    with files.locked(path):
        assert lock.exists()
    assert not lock.exists()


def test_default_is_where_kubectl_writes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KUBECONFIG", f"{os.pathsep}{tmp_path}/a{os.pathsep}{tmp_path}/b")
    assert files.default_path() == tmp_path / "a"
    monkeypatch.delenv("KUBECONFIG")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert files.default_path() == tmp_path / ".kube" / "config"


class FakeConnections:
    """Connections to control planes: name -> admin.conf, or what goes wrong."""

    def __init__(self, **_: Any) -> None:
        pass

    def __enter__(self) -> FakeConnections:
        return self

    def __exit__(self, *_: Any) -> None:
        return

    def run(self, host: Host, command: str) -> Completed:
        if host.name == "cp1":
            raise ConnectError("cp1 gave no answer within 10 s")
        return Completed(ADMIN, "", 0) if host.name == "cp2" else Completed("", "cat: no such file", 1)


@pytest.fixture
def two_control_planes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kprov.remote.ssh.Connections", FakeConnections)
    monkeypatch.setattr("kprov.spec.load.load", lambda _: Loaded(make_spec(2)))


@pytest.mark.usefixtures("two_control_planes")
def test_next_control_plane_gives_it_and_is_the_server(tmp_path: Path) -> None:
    result = command.kubeconfig(Options(), file=tmp_path / "config")
    assert result.data["control_plane"] == "cp2"
    assert result.data["server"] == "https://10.1.0.2:6443"
    assert result.data["changed"]
    assert "U0VDUkVU" not in str(result.data)


@pytest.mark.usefixtures("two_control_planes")
def test_print_writes_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))
    result = command.kubeconfig(Options(), show=True)
    assert "U0VDUkVU" in result.data["kubeconfig"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("two_control_planes")
def test_endpoint_of_the_cluster_is_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("kprov.spec.load.load", lambda _: Loaded(make_spec(2, control_plane_endpoint="lb.example")))
    result = command.kubeconfig(Options(), file=tmp_path / "config")
    assert result.data["server"] == "https://10.1.0.1:6443"


def test_no_control_plane_says_what_each_one_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kprov.remote.ssh.Connections", FakeConnections)
    spec = make_spec(3)
    without = type(spec)(spec.inventory, tuple(h for h in spec.hosts if h.name != "cp2"))
    monkeypatch.setattr("kprov.spec.load.load", lambda _: Loaded(without))
    with pytest.raises(ConnectError) as caught:
        command.kubeconfig(Options(), show=True)
    assert [(p.host, p.message) for p in caught.value.problems] == [
        ("cp1", "cp1 gave no answer within 10 s"),
        ("cp3", "cat: no such file"),
    ]


def administrator(pair: Pair) -> str:
    """A kubeconfig with the entry of the cluster test."""
    access = files.access(pair.kubeconfig() + "clusters: [{cluster: {server: s}, name: x}]\n", "test", "/i.ini")
    return files.merge(OTHERS, access).text


def test_only_a_copy_of_a_replaced_certificate_is_refreshed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "config"
    monkeypatch.setenv("KUBECONFIG", str(path))
    fetched: list[Options] = []
    monkeypatch.setattr(command, "kubeconfig", fetched.append)
    old, other = issue("kubernetes-admin"), issue("kubernetes-admin")
    replaced = {Certificate(old.certificate)}

    assert command.refresh(Options(), "test", replaced) is None  # no file
    path.write_text(OTHERS)
    assert command.refresh(Options(), "test", replaced) is None  # other clusters only
    path.write_text(administrator(other))
    remark = command.refresh(Options(), "test", replaced)
    assert isinstance(remark, Problem) and remark.code == "kubeconfig-left"
    assert fetched == []
    path.write_text(administrator(old))
    assert command.refresh(Options(), "test", replaced) == path
    assert len(fetched) == 1
