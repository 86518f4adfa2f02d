"""What `ansible-inventory --list` says becomes hosts and groups in the inventory's order."""

from __future__ import annotations

import json

from kprov.spec.resolve import Said, environment, parse
from kprov.spec.scan import Place


def test_hosts_are_in_the_order_of_the_groups_not_of_the_alphabet() -> None:
    listing = {
        "_meta": {"hostvars": {"a": {}, "z": {"x_a": 1}}},
        "all": {"children": ["ungrouped", "one", "two"]},
        "one": {"hosts": ["z"]},
        "two": {"hosts": ["a", "z"]},
    }
    assert list(parse(json.dumps(listing)).hosts) == ["z", "a"]


def test_a_group_holds_its_own_hosts_first_and_then_those_of_its_children_once() -> None:
    listing = {
        "_meta": {"hostvars": {}},
        "all": {"children": ["top"]},
        "top": {"children": ["left", "right"], "hosts": ["t"]},
        "left": {"hosts": ["l", "t"], "children": ["deep"]},
        "right": {"hosts": ["r"]},
        "deep": {"hosts": ["d"]},
    }
    found = parse(json.dumps(listing))
    assert found.groups["top"] == ("t", "l", "r", "d")
    assert found.parents["deep"] == {"left"}


def test_keeps_warnings_and_drops_deprecations() -> None:
    listing = json.dumps({"_meta": {"hostvars": {}}, "all": {}})
    said = "[WARNING]: one\n two\n[DEPRECATION WARNING]: old\n[WARNING]: three\n"
    assert parse(listing, said).warnings == (Said("one two"), Said("three"))


def test_does_not_repeat_lines_of_files() -> None:
    said = "[WARNING]: Found duplicate mapping key 'a'.\nOrigin: /i/all.yml:3:1\n\n3 password: hunter2\n\nUsing last.\n"
    (warning,) = parse(json.dumps({"_meta": {"hostvars": {}}, "all": {}}), said).warnings
    assert warning == Said("Found duplicate mapping key 'a'.", Place("/i/all.yml", 3))


def test_nothing_of_the_users_shell_gets_to_ansible(monkeypatch) -> None:
    monkeypatch.setenv("ANSIBLE_INVENTORY_ENABLED", "nothing")
    monkeypatch.setenv("ANSIBLE_CONFIG", "/home/user/ansible.cfg")
    monkeypatch.setenv("ANSIBLE_VAULT_PASSWORD_FILE", "/home/user/password")
    passed = environment()
    assert "ANSIBLE_INVENTORY_ENABLED" not in passed
    assert passed["ANSIBLE_CONFIG"].endswith("kprov/spec/ansible.cfg")
    assert passed["ANSIBLE_VAULT_PASSWORD_FILE"] == "/home/user/password"
