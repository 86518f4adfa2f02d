"""kprov_firewall, with firewalls that remember their rules; test_kprov_firewalls.py has what the real ones print."""

from __future__ import annotations

import json

import pytest


class Firewall:
    """A firewall with rules."""

    def __init__(self, name, *rules, running=True):
        self.name, self.rules, self.running = name, set(rules), running

    def active(self):
        return self.running

    def wanted(self, ports, networks):
        return [*ports, *networks]

    def present(self):
        return set(self.rules)

    def add(self, rules):
        self.rules.update(rules)

    def remove(self, rules):
        self.rules.difference_update(rules)


@pytest.fixture
def apply(plugin, node):
    module = plugin("modules", "kprov_firewall")
    return lambda *arguments, **options: module.apply("os", *arguments, **options)


def test_opens_what_is_missing_and_closes_only_what_it_opened(apply):
    ufw = Firewall("ufw", "22/tcp", "10256/tcp")
    assert apply(["10250/tcp", "10256/tcp"], ["10.244.0.0/16"], [ufw])["changes"] == [
        "ufw: 10250/tcp",
        "ufw: 10.244.0.0/16",
    ]
    assert not apply(["10250/tcp", "10256/tcp"], ["10.244.0.0/16"], [ufw])["changed"]
    assert apply(["10256/tcp"], [], [ufw])["changes"] == ["ufw: no longer 10.244.0.0/16", "ufw: no longer 10250/tcp"]
    assert apply([], [], [ufw])["changes"] == []  # 10256/tcp was there before
    assert ufw.rules == {"22/tcp", "10256/tcp"}


def test_firewall_that_does_not_run_is_left_alone_and_its_rules_stay_known(apply, node):
    ufw = Firewall("ufw")
    apply(["10250/tcp"], [], [ufw])
    ufw.running = False
    assert apply(["10250/tcp"], [], [ufw]) == {"changed": False, "changes": [], "firewalls": []}
    ufw.running = True
    assert apply([], [], [ufw])["changes"] == ["ufw: no longer 10250/tcp"]
    dirty = json.loads((node / "var/lib/kprov/phases/os.dirty").read_text())
    assert dirty["parts"]["kprov_firewall"]["firewall"] == {}


def test_check_mode_changes_neither_rules_nor_records(apply, tree):
    ufw = Firewall("ufw")
    before = tree()
    assert apply(["10250/tcp"], [], [ufw], check_mode=True)["changes"] == ["ufw: 10250/tcp"]
    assert (ufw.rules, tree()) == (set(), before)
