"""Which inventory a command works on."""

from __future__ import annotations

from pathlib import Path

import pytest

from kprov.errors import InputError
from kprov.spec.find import find_inventory


@pytest.fixture(autouse=True)
def _no_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KPROV_INVENTORY", raising=False)


def touch(path: Path, text: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_the_argument_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = touch(tmp_path / "given.ini")
    monkeypatch.setenv("KPROV_INVENTORY", str(touch(tmp_path / "variable.ini")))
    touch(tmp_path / "inventory.ini")
    assert find_inventory(given, start=tmp_path) == given


def test_each_place_in_turn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path / "ansible.cfg", "[defaults]\ninventory = conf/hosts.ini ; ours\n")
    conf = touch(tmp_path / "conf" / "hosts.ini")
    assert find_inventory(start=tmp_path) == conf
    hosts = touch(tmp_path / "inventory" / "hosts.ini")
    assert find_inventory(start=tmp_path) == hosts
    plain = touch(tmp_path / "inventory.ini")
    assert find_inventory(start=tmp_path) == plain
    named = touch(tmp_path / "named.ini")
    monkeypatch.setenv("KPROV_INVENTORY", str(named))
    assert find_inventory(start=tmp_path) == named


def test_a_directory_means_its_inventory_or_is_one(tmp_path: Path) -> None:
    assert find_inventory(tmp_path) == tmp_path
    inside = touch(tmp_path / "inventory.ini")
    assert find_inventory(tmp_path) == inside


def test_says_what_to_do_when_there_is_none(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no inventory found") as caught:
        find_inventory(start=tmp_path)
    assert "kprov init" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("[defaults]\ninventory = gone.ini\n", "does not exist"),
        ("[defaults]\ninventory = a.ini,b.ini\n", "more than one inventory"),
        ("inventory = a.ini\n", "cannot be read"),
        ("[defaults]\nforks = 5\n", "no inventory found"),
    ],
)
def test_a_useless_ansible_cfg_is_named(tmp_path: Path, config: str, message: str) -> None:
    touch(tmp_path / "ansible.cfg", config)
    with pytest.raises(InputError, match=message):
        find_inventory(start=tmp_path)


def test_an_inventory_that_is_named_must_exist(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        find_inventory(tmp_path / "gone.ini")
