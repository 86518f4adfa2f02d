"""Whole inventories on disk, through Ansible."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from kprov.errors import ExitCode, InputError, Problem
from kprov.spec.load import load, load_spec
from kprov.spec.sample import write_sample
from tests.unit.spec.inventories import FIXTURES


def refused(inventory: Path) -> tuple[Problem, ...]:
    with pytest.raises(InputError) as caught:
        load(inventory)
    assert caught.value.exit_code == ExitCode.INPUT
    return caught.value.problems


def place(problem: Problem) -> tuple[str, int | None]:
    return Path(problem.file or "").name, problem.line


def test_an_ini_inventory_becomes_a_typed_spec() -> None:
    spec = load_spec(FIXTURES / "simple" / "inventory.ini")
    assert [h.name for h in spec.hosts] == ["cp1", "node1", "node2"]
    assert [h.name for h in spec.group("worker")] == ["node1", "node2"]
    assert spec.name == "kubernetes"
    node = spec.host("node2")
    assert (node.connection.host, node.connection.user, node.ip) == ("192.0.2.22", "admin", "192.0.2.22")
    assert node.variables["kubernetes_version"] == "1.36"
    assert node.variables["kubelet_max_pods"] == 110


def test_problems_of_a_yaml_inventory_have_lines_and_suggestions() -> None:
    problems = {p.code: p for p in refused(FIXTURES / "yaml" / "inventory.yml")}
    assert set(problems) == {"wrong-value", "unknown-variable", "ansible"}
    assert place(problems["ansible"]) == ("inventory.yml", 16)
    assert place(problems["wrong-value"]) == ("inventory.yml", 9)
    assert problems["wrong-value"].message == "kubelet_max_pods must be a whole number, not 'many'"
    assert place(problems["unknown-variable"]) == ("inventory.yml", 17)
    assert problems["unknown-variable"].hint == "did you mean pod_cidr?"


def test_a_directory_is_read_as_ansible_reads_it() -> None:
    loaded = load(FIXTURES / "directory" / "inventory")
    assert loaded.spec.name == "split"
    assert loaded.spec.host("node1").variables["kubelet_max_pods"] == 50
    unread = {Path(p.file or "").name: p for p in loaded.warnings if p.code == "unread-file"}
    assert set(unread) == {"all.yml", "kube_nodes.yml"}
    assert unread["kube_nodes.yml"].hint == "did you mean kube_node?"


def test_a_kubespray_inventory_gets_a_list_of_what_is_called_how_here() -> None:
    problems = refused(FIXTURES / "kubespray" / "inventory.ini")
    renamed = {p.message for p in problems if p.code == "renamed-variable"}
    assert "kube_pods_subnet is called pod_cidr here" in renamed
    assert "kube_service_addresses is called service_cidr here" in renamed
    assert "kube_version is called kubernetes_version here" in renamed
    assert "kube_network_plugin is called network_plugin here" in renamed
    assert all(p.file and p.line for p in problems if p.code in ("renamed-variable", "not-needed", "wrong-value"))
    assert {p.severity for p in problems if p.code == "not-needed"} == {"warning"}
    wrong = {p.message for p in problems if p.code == "wrong-value"}
    assert wrong == {"dns_domain contains Jinja", "kube_proxy_mode 'ipvs' is not one of iptables, nftables"}
    # Only a feature that is switched on and missing here stays unknown.
    (unknown,) = [p for p in problems if p.code == "unknown-variable"]
    assert unknown.message == "unknown variable enable_nodelocaldns"
    assert "does not have this feature" in str(unknown.hint)


@pytest.mark.parametrize(
    ("file", "line", "message"),
    [
        ("broken/open_header.ini", 1, "not closed"),
        ("broken/space.ini", 3, "needs quotes"),
        ("broken/quote.ini", 2, "quotation mark"),
        ("broken/child.ini", 4, "group kube_nodes is not declared"),
        ("broken/section.ini", 3, ":children or :vars"),
        ("broken/indent.yml", 4, "not valid YAML"),
        ("broken_vars/inventory.ini", 2, "not valid YAML"),
        ("broken_list/inventory.ini", 1, "must be a mapping"),
    ],
)
def test_what_ansible_cannot_parse_is_one_problem_with_its_line(file: str, line: int, message: str) -> None:
    (problem,) = refused(FIXTURES / file)
    assert message in problem.message
    assert problem.line == line
    assert "secret" not in str(problem)


def test_an_encrypted_file_without_password_is_said_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ANSIBLE_VAULT_PASSWORD_FILE", raising=False)
    (tmp_path / "group_vars").mkdir()
    (tmp_path / "group_vars" / "all.yml").write_text("$ANSIBLE_VAULT;1.1;AES256\n6231\n")
    (tmp_path / "inventory.ini").write_text("[kube_control_plane]\ncp1 ansible_host=192.0.2.1\n")
    (problem,) = refused(tmp_path / "inventory.ini")
    assert problem.code == "vault-locked"
    assert "ANSIBLE_VAULT_PASSWORD_FILE" in str(problem.hint)


def test_vaulted_values_are_opened_with_the_password_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANSIBLE_VAULT_PASSWORD_FILE", str(FIXTURES / "vault" / "vault_password"))
    spec = load_spec(FIXTURES / "vault" / "inventory.ini")
    assert spec.host("node1").connection.become_password == "hunter2"
    assert spec.name == "sealed"
    assert "hunter2" not in repr(spec)


def test_vaulted_values_without_the_password_are_problems_with_their_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ANSIBLE_VAULT_PASSWORD_FILE", raising=False)
    problems = refused(FIXTURES / "vault" / "inventory.ini")
    assert [p.line for p in problems] == [1, 9]


def test_an_inventory_from_another_directory_can_be_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(FIXTURES / "simple")
    monkeypatch.delenv("KPROV_INVENTORY", raising=False)
    assert load().spec.inventory == Path("inventory.ini")


def test_the_sample_loads_once_addresses_are_filled_in(tmp_path: Path) -> None:
    inventory, variables = write_sample(tmp_path / "new")
    assert {p.code for p in refused(inventory)} == {"node-address"}
    text = inventory.read_text()
    for number, name in enumerate(("CP1", "NODE1", "NODE2"), 1):
        text = text.replace(f"ADDRESS_OF_{name}", f"192.0.2.{number}")
    inventory.write_text(text)
    bare = load_spec(tmp_path / "new")
    # Every line that is commented out is a valid setting.
    lines = variables.read_text().splitlines()
    variables.write_text("\n".join(line[1:] if re.match(r"#(\w|  )", line) else line for line in lines))
    assert load(inventory).spec.hosts == bare.hosts
    with pytest.raises(InputError, match="exists already"):
        write_sample(tmp_path / "new")


def test_a_variable_can_count_as_not_set(tmp_path: Path) -> None:
    inventory = tmp_path / "inventory.ini"
    host = "cp1 ansible_host=192.0.2.1 artifacts_bundle=/not/there"
    inventory.write_text(f"[kube_control_plane]\n{host}\n[kube_node]\ncp1\n")
    assert "bundle" in {p.code for p in refused(inventory)}
    spec = load(inventory, unset={"artifacts_bundle"}).spec
    assert {host.variables["artifacts_bundle"] for host in spec.hosts} == {""}
