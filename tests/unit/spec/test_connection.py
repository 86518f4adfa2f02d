"""How a host is reached."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kprov.spec.cluster import Connection
from tests.unit.spec.inventories import examined, only_error


def connection(**variables: Any) -> Connection:
    draft, _ = examined({"cp1": variables})
    return draft.hosts[0].connection


def test_without_variables_the_host_is_its_name() -> None:
    assert connection() == Connection(host="cp1")


def test_every_variable_is_used() -> None:
    found = connection(
        ansible_host="192.0.2.1",
        ansible_port="2222",
        ansible_user="admin",
        ansible_ssh_private_key_file="~/key",
        ansible_ssh_common_args="-o ProxyCommand='ssh -W %h:%p gate'",
        ansible_ssh_extra_args="-4",
        ansible_become="no",
        ansible_become_password="b",
        ansible_password="p",
        ansible_python_interpreter="/usr/bin/python3.11",
    )
    assert found == Connection(
        host="192.0.2.1",
        port=2222,
        user="admin",
        private_key_file=str(Path("~/key").expanduser()),
        ssh_args=("-o", "ProxyCommand=ssh -W %h:%p gate", "-4"),
        become=False,
        become_password="b",
        password="p",
        python="/usr/bin/python3.11",
    )


def test_old_names_still_work() -> None:
    found = connection(ansible_ssh_host="192.0.2.1", ansible_ssh_port=22, ansible_ssh_user="a", ansible_ssh_pass="p")
    assert (found.host, found.user, found.password) == ("192.0.2.1", "a", "p")


@pytest.mark.parametrize("value", ["auto", "auto_silent"])
def test_an_interpreter_to_be_discovered_is_the_default_one(value: str) -> None:
    assert connection(ansible_python_interpreter=value).python == "/usr/bin/python3"


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("ansible_port", "ssh", "must be a whole number"),
        ("ansible_port", 0, "not a port number"),
        ("ansible_user", "{{ lookup('env', 'USER') }}", "contains Jinja"),
        ("ansible_become", "perhaps", "true or false"),
        ("ansible_ssh_common_args", "-o 'a", "not closed"),
        ("ansible_connection", "local", "SSH"),
        ("ansible_become_method", "su", "sudo"),
    ],
)
def test_what_cannot_be_used_is_refused(name: str, value: Any, message: str) -> None:
    problem = only_error({"cp1": {"ansible_host": "192.0.2.1", name: value}})
    assert problem.code == "connection"
    assert message in problem.message
