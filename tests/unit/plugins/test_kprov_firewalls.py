"""firewalld and ufw: answers as ufw 0.36.2 and firewalld 1.3.3 gave them on a lab node."""

from __future__ import annotations

import pytest
from ansible.module_utils import kprov_firewalls
from ansible.module_utils.kprov_firewalls import Firewalld, FirewallError, Ufw

from kprov.remote.node.commands import FIREWALLS

UFW_ADDED = """Added user rules (see 'ufw status' for running firewall):
ufw allow 22/tcp
ufw allow 30000:32767/udp comment 'kprov'
ufw allow from 10.244.0.0/16 comment 'kprov'
ufw route allow from 10.244.0.0/16 comment 'kprov'
ufw route allow to 10.244.0.0/16 comment 'kprov'
"""


class Answers:
    """Runs commands: notes them, and answers the first entry whose words are all in the command."""

    def __init__(self, **answers):
        self.answers = {tuple(words.split("_")): answer for words, answer in answers.items()}
        self.calls = []

    def __call__(self, argv):
        self.calls.append(" ".join(argv))
        for words, answer in self.answers.items():
            if all(any(word in argument for argument in argv) for word in words):
                return (0, answer) if isinstance(answer, str) else answer
        return 0, ""


def test_ufw_knows_its_own_rules_again():
    ufw = Ufw(Answers(show_added=UFW_ADDED))
    assert set(ufw.wanted(["30000-32767/udp"], ["10.244.0.0/16"])) <= ufw.present()
    assert "allow 22/tcp" in ufw.present()


def test_ufw_commands():
    run = Answers()
    ufw = Ufw(run)
    ufw.add(["allow 10250/tcp", "route allow to 10.244.0.0/16"])
    ufw.remove(["allow 10250/tcp", "route allow to 10.244.0.0/16"])
    assert run.calls == [
        "ufw allow 10250/tcp comment kprov",
        "ufw route allow to 10.244.0.0/16 comment kprov",
        "ufw --force delete allow 10250/tcp",
        "ufw --force route delete allow to 10.244.0.0/16",
    ]


def test_refusal_is_quoted():
    with pytest.raises(FirewallError, match=r"ufw allow 1/x comment kprov: ERROR: Bad port"):
        Ufw(Answers(allow=(1, "ERROR: Bad port\n"))).add(["allow 1/x"])


def test_firewalld_uses_the_zone_of_the_nodes_address():
    run = Answers(
        address="2: eth1    inet 192.0.2.11/24 brd 192.0.2.255 scope global eth1",
        zone_interface=(0, "internal\n"),
    )
    rules = Firewalld(run, "192.0.2.11").wanted(["10250/tcp"], ["10.244.0.0/16"])
    assert rules == [
        "internal port=10250/tcp",
        "internal source=10.244.0.0/16",
        'internal rich-rule=rule family="ipv4" source address="10.244.0.0/16" accept',
        "internal forward",
    ]
    assert "firewall-cmd --get-zone-of-interface=eth1" in run.calls


def test_firewalld_falls_back_to_the_default_zone():
    run = Answers(address="2: eth1    inet 192.0.2.11/24", interface=(2, "no zone\n"), default="public\n")
    assert Firewalld(run, "192.0.2.11").wanted(["10250/tcp"], []) == ["public port=10250/tcp"]


def test_firewalld_rule_that_holds_only_until_the_next_reload_is_missing():
    both = Answers(default="public\n", permanent_public_ports="22/tcp", public_ports="22/tcp 10250/tcp")
    assert {rule for rule in Firewalld(both, "192.0.2.11").present() if "port" in rule} == {"public port=22/tcp"}


def test_firewalld_knows_its_own_rules_again():
    accept = 'rule family="ipv4" source address="10.244.0.0/16" accept'
    run = Answers(
        default="public\n", rich=f"{accept}\n", source="10.244.0.0/16\n", ports="10250/tcp\n", forward="yes\n"
    )
    firewalld = Firewalld(run, "192.0.2.11")
    assert set(firewalld.wanted(["10250/tcp"], ["10.244.0.0/16"])) == firewalld.present()


def test_firewalld_zone_that_does_not_forward_between_its_members_is_made_to():
    run = Answers(default="public\n", forward=(1, "no\n"))
    assert "public forward" not in Firewalld(run, "192.0.2.11").present()


def test_firewalld_changes_now_and_for_good():
    run = Answers()
    rules = ["public port=1/tcp", "public forward", "public port=2/tcp", "public rich-rule=rule a b accept"]
    Firewalld(run, "192.0.2.11").add(rules)
    assert run.calls == [
        "firewall-cmd --zone=public --add-forward",
        "firewall-cmd --permanent --zone=public --add-forward",
        "firewall-cmd --zone=public --add-port=1/tcp --add-port=2/tcp",
        "firewall-cmd --permanent --zone=public --add-port=1/tcp --add-port=2/tcp",
        "firewall-cmd --zone=public --add-rich-rule=rule a b accept",
        "firewall-cmd --permanent --zone=public --add-rich-rule=rule a b accept",
    ]


def test_kprov_s_probe_looks_for_the_same_programs(monkeypatch):
    """Where it finds none of them, the module is not called."""
    asked = []
    monkeypatch.setattr(kprov_firewalls.shutil, "which", asked.append)
    assert not any(firewall.active() for firewall in (Ufw(Answers()), Firewalld(Answers(), "192.0.2.1")))
    assert sorted(asked) == sorted(FIREWALLS)
