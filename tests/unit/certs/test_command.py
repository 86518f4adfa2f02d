"""`kprov certs check` as it is typed: exit codes, limits, formats; on the node itself and over SSH."""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner, Result

from kprov.cli.app import app
from kprov.remote.node import read
from tests.sshd import SSHD, Server, private_sshd
from tests.unit.certs import pki
from tests.unit.certs.nodes import PKI, Node, TlsServer

REFERENCE = Path("docs/reference/certs.md").read_text()
# The program on the node, told that a directory is its root.
PYTHON = """#!/bin/sh
sed 's#^\\(.*\\)ROOT = ""#\\1ROOT = "{root}"#' | exec {python} "$@"
"""


@pytest.fixture(autouse=True)
def root_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["certs", "check", *arguments])


def local(*arguments: str) -> Result:
    return run("--local", *arguments)


def data(result: Result) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(result.stdout)
    assert found["exit_code"] == result.exit_code
    return found


def test_0_all_is_well(servers: dict[str, TlsServer]) -> None:
    result = local()
    assert result.exit_code == 0, result.stderr
    assert result.stderr == ""
    assert "all is well" in result.stdout
    assert re.search(r"^\S+ +apiserver +36\dd +\d{4}-\d\d-\d\d \d\d:\d\d +yes +kubeadm *$", result.stdout, re.MULTILINE)


def test_2_warnings_by_the_operator_s_limits(plane: Node, servers: dict[str, TlsServer]) -> None:
    plane.pair(f"{PKI}/etcd/healthcheck-client.crt", pki.issue(pki.kubeadm().etcd_ca, "x", days=20))
    assert local().exit_code == 2
    assert local("--warn", "19d").exit_code == 0
    assert local("--crit", "2w7d").exit_code == 3
    assert "etcd-healthcheck-client: it expires in 19d" in local().stderr


def test_3_something_critical(plane: Node, servers: dict[str, TlsServer]) -> None:
    plane.pair(f"{PKI}/front-proxy-client.crt", pki.issue(pki.kubeadm().front_proxy_ca, "x", days=-1))
    result = local("-o", "json")
    assert result.exit_code == 3
    (problem,) = data(result)["problems"]
    assert (problem["severity"], problem["code"]) == ("error", "expired")
    servers.pop("kubelet").close()  # what is critical counts more than what could not be read
    assert local().exit_code == 3


def test_4_something_could_not_be_read(plane: Node, servers: dict[str, TlsServer]) -> None:
    servers.pop("kubelet").close()
    result = local()
    assert result.exit_code == 4
    assert "1 not read" in result.stdout
    plane.path("/etc/kubernetes/admin.conf").chmod(0o644)  # what could not be read counts more than a warning
    assert local().exit_code == 4


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--warn", "soon"), "--warn 'soon' is not a span of time"),
        (("--warn", "7d", "--crit", "8d"), "--crit 8d is more than --warn 7d"),
    ],
)
def test_10_limits_that_make_no_sense(node: Node, arguments: tuple[str, ...], words: str) -> None:
    result = local(*arguments)
    assert result.exit_code == 10
    assert words in result.stderr


def test_10_not_as_root(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    result = local()
    assert result.exit_code == 10
    assert "run it as root" in result.stderr


def test_the_key_of_tokens_never_ends_and_says_how_old_it_is(plane: Node, servers: dict[str, TlsServer]) -> None:
    written = time.time() - 400 * 86_400
    os.utime(plane.path(f"{PKI}/sa.key"), (written, written))
    (row,) = [line for line in local().stdout.splitlines() if " sa.key " in line]
    assert "no end, 400d old" in row
    assert row.split()[-1] == "nobody"
    (key,) = data(local("-o", "json"))["data"]["keys"]
    assert (key["path"], key["age_seconds"] // 86_400) == (f"{PKI}/sa.key", 400)


def test_who_signed_it_is_found_by_the_signature(plane: Node, servers: dict[str, TlsServer]) -> None:
    signed = {item["item"]: item["signed_by"] for item in data(local("-o", "json"))["data"]["items"]}
    assert signed["kubelet-client"] == signed["apiserver"] == signed["admin.conf"] == signed["ca"] == "ca"
    assert (signed["etcd-server"], signed["front-proxy-client"]) == ("etcd-ca", "front-proxy-ca")
    assert signed["kubelet-server"] is None  # it signs its own


def test_wide_has_every_column(servers: dict[str, TlsServer]) -> None:
    head = local("-o", "wide").stdout.splitlines()[0]
    assert [word for word in ("WHERE", "SUBJECT", "SANS", "ISSUER", "SERIAL") if word not in head] == []


def test_yaml_is_the_same_document(servers: dict[str, TlsServer]) -> None:
    found, again = yaml.safe_load(local("-o", "yaml").stdout), json.loads(local("-o", "json").stdout)
    for document in (found, again):
        del document["data"]["checked"], document["data"]["leases"]
        for item in document["data"]["items"]:
            del item["left_seconds"]
        for key in document["data"]["keys"]:
            del key["age_seconds"]
    assert found == again


def test_fields_are_those_of_the_reference(plane: Node, servers: dict[str, TlsServer]) -> None:
    plane.path("/etc/kubernetes/admin.conf").chmod(0o644)
    servers.pop("kubelet").close()
    found = data(local("-o", "json"))["data"]
    table = dict(re.findall(r"^\| `([a-z]+)(?:\[\])?`[^|]*\| (.*) \|$", REFERENCE, re.MULTILINE))
    for part in ("items", "leases", "findings", "unread"):
        for field in found[part][0]:
            assert f"`{field}`" in table[part] or f"`{field}[]" in table[part], f"{part}.{field} is not in the page"


def test_errors_leave_standard_output_to_metrics(node: Node) -> None:
    result = local("-o", "prometheus", "--warn", "x")
    assert (result.exit_code, result.stdout) == (10, "")


@pytest.fixture
def sshd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    if SSHD is None:
        pytest.skip("no sshd on this machine")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    with private_sshd(tmp_path / "sshd") as server:
        yield server


def inventory(directory: Path, server: Server, root: Path, **more: int) -> str:
    """A control plane of that root directory, behind a real sshd; more: workers, and the ports that they are at."""
    python = directory / "python3"
    python.write_text(PYTHON.format(root=root, python=sys.executable))
    python.chmod(0o755)
    arguments = " ".join(server.ssh_args("127.0.0.1"))
    lines = ["[kube_control_plane]", f"cp1 ip=10.1.0.1 ansible_port={server.port}", "[kube_node]"]
    lines += [f"{name} ip=10.1.0.{n} ansible_port={port}" for n, (name, port) in enumerate(more.items(), 2)]
    lines += [
        "[all:vars]",
        "ansible_host=127.0.0.1",
        f"ansible_user={server.user}",
        f"ansible_ssh_private_key_file={server.key}",
        f"ansible_ssh_common_args={arguments}",
        f"ansible_python_interpreter={python}",
        "ansible_become=false",
        "cluster_name=test",
        "kubernetes_version=1.36",
    ]
    (directory / "inventory.ini").write_text("\n".join(lines) + "\n")
    return str(directory / "inventory.ini")


def test_over_ssh_the_same_as_on_the_node(
    plane: Node, servers: dict[str, TlsServer], sshd: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def seen(result: Result) -> dict[tuple[str, str], dict[str, Any]]:
        items = data(result)["data"]["items"]
        fixed = [{key: value for key, value in item.items() if key not in ("host", "left_seconds")} for item in items]
        return {(item["item"], item["path"]): item for item in fixed if item["item"] != "endpoint"}

    here = local("-o", "json")
    monkeypatch.setattr(read, "ROOT", "/nowhere")  # from now on only the program behind SSH knows the directory
    there = run(inventory(tmp_path, sshd, plane.root), "-o", "json")
    assert there.exit_code == 0, there.stderr
    assert seen(there) == seen(here)
    assert len(seen(here)) == 20


def test_host_that_does_not_answer_hides_no_other(
    plane: Node, servers: dict[str, TlsServer], sshd: Server, tmp_path: Path
) -> None:
    result = run(inventory(tmp_path, sshd, plane.root, w1=1), "-o", "json")
    assert result.exit_code == 4
    (unread,) = data(result)["data"]["unread"]
    assert (unread["host"], unread["what"]) == ("w1", "host")
    assert len(data(result)["data"]["items"]) == 20
    assert {item["host"] for item in data(result)["data"]["items"]} == {"cp1", ""}


def test_11_when_no_host_answers(plane: Node, sshd: Server, tmp_path: Path) -> None:
    file = inventory(tmp_path, sshd, plane.root, w1=1)
    result = run(file, "--limit", "w1")
    assert result.exit_code == 11
    assert "w1" in result.stderr
    assert run(file, "--limit", "w7").exit_code == 10
