from __future__ import annotations

import pytest

from kprov.remote.ssh_args import parse


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        (["-o", "ProxyJump=bastion"], [("proxyjump", "bastion")]),
        (["-oProxyJump=bastion"], [("proxyjump", "bastion")]),
        (["-o", "UserKnownHostsFile /a b"], [("userknownhostsfile", "/a b")]),
        (["-o", 'ProxyCommand="ssh -W %h:%p jump"'], [("proxycommand", "ssh -W %h:%p jump")]),
        (["-o", "Port = 2222"], [("port", "2222")]),
        (["-J", "u@b:2222"], [("proxyjump", "u@b:2222")]),
        (["-Ju@b"], [("proxyjump", "u@b")]),
        (["-i", "/key", "-l", "me", "-p", "22"], [("identityfile", "/key"), ("user", "me"), ("port", "22")]),
        (["-C", "-q", "-4", "-tt"], []),
        (["-c", "aes128-ctr", "-J", "b"], [("proxyjump", "b")]),
        (["-o"], [("", "")]),
    ],
)
def test_arguments_are_read_as_ssh_reads_them(arguments: list[str], options: list[tuple[str, str]]) -> None:
    assert list(parse(arguments).options) == options


def test_first_value_of_an_option_wins() -> None:
    assert parse(["-o", "Port=1", "-p", "2"]).value("Port") == "1"


def test_config_file() -> None:
    assert parse(["-F", "/dev/null"]).config_file == "/dev/null"
