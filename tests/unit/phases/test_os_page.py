"""docs/phases/os.md names every kernel setting of the role, with its value, rule and weight."""

from __future__ import annotations

import re

import pytest
import yaml

from kprov.content import content_root

SETTINGS = yaml.safe_load((content_root() / "roles/os/vars/main.yml").read_text())["os_settings"]
WORDS = {"exact": "exactly", "at_least": "at least", "includes": "including"}


def rows() -> dict[str, list[str]]:
    """Setting to the cells of its row; gc_thresh1 to 3 share one."""
    page = (content_root() / "docs/phases/os.md").read_text()
    found = {}
    for line in re.findall(r"^\| `[a-z0-9_]+\..*\|$", page, re.MULTILINE):
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) != 5:  # a row of another table
            continue
        key = cells[0].split("`")[1]
        found[key] = cells
        for number, value in zip("23", cells[1].split(", ")[1:], strict=False):
            found[key[:-1] + number] = [cells[0], value, *cells[2:]]
        if "`, `" in cells[0]:
            cells[1] = cells[1].split(", ")[0]
    return found


@pytest.mark.parametrize("key", SETTINGS)
def test_setting_has_its_row(key: str) -> None:
    setting, row = SETTINGS[key], rows()[key]
    if isinstance(setting["value"], int):
        assert row[1] == str(setting["value"])
    assert row[2] == WORDS[setting["rule"]]
    if isinstance(setting["essential"], bool):
        assert row[3] == ("yes" if setting["essential"] else "no")


def test_page_has_no_setting_that_the_role_has_not() -> None:
    assert set(rows()) == set(SETTINGS)


def test_every_setting_says_why() -> None:
    assert [key for key, setting in SETTINGS.items() if not setting["why"].endswith(".")] == []
