"""Passwords are in no message and in no repr."""

from __future__ import annotations

import pytest

from tests.unit.spec.inventories import examined, machines, problems

NAMES = (
    "ansible_password",
    "ansible_ssh_pass",
    "ansible_become_password",
    "ansible_become_pass",
    "ansible_sudo_pass",
)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", ["hunter2", ["hunter2"], {"a": "hunter2"}, "{{ 'hunter2' }}", "'hunter2"])
def test_no_password_in_messages_or_repr(name: str, value: object) -> None:
    draft, found = examined(machines("cp1", "node1", **{name: value}))
    assert "hunter2" not in str(found)
    assert "hunter2" not in repr(draft)


def test_no_value_of_an_unknown_variable_in_messages() -> None:
    assert "hunter2" not in str(problems(machines("cp1", registry_password="hunter2")))
