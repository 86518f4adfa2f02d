"""The place of a variable is the one whose value Ansible uses."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from kprov.spec.locate import Locations, scan_inventory
from kprov.spec.resolve import Resolved, Resolving

GROUPS = ("all", "top", "left", "right", "kube_node")
HOSTS = ("n1", "n2", "n3")


def looked_at(inventory: Path) -> tuple[Resolved, Locations]:
    with Resolving(inventory) as resolving:
        scan = scan_inventory(inventory)
        resolved = resolving.result()
    return resolved, Locations(scan, resolved)


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def scattered(directory: Path, seed: int, *, as_yaml: bool) -> Path:
    """An inventory with 40 variables, each set at a few random places, with a value that no other place has."""
    chance = random.Random(seed)
    values = iter(range(1_000_000))
    names = [f"x_{number}" for number in range(40)]

    def some() -> dict[str, str]:
        return {name: f"v{next(values)}" for name in names if chance.random() < 0.3}

    for kind, owners in (("group_vars", GROUPS), ("host_vars", HOSTS)):
        for owner in owners:
            content = "".join(f"{name}: {value}\n" for name, value in some().items())
            where = (
                f"{owner}/{chance.choice(['main.yml', 'main', 'sub/a.yaml'])}"
                if chance.random() < 0.5
                else f"{owner}.yml"
            )
            write(directory / kind / where, content)
    group_vars = {group: some() for group in GROUPS}
    group_vars["left"]["ansible_group_priority"] = str(chance.choice([1, 5]))
    host_vars = {host: some() for host in HOSTS}
    path = directory / ("inventory.yml" if as_yaml else "inventory.ini")
    write(path, _yaml(group_vars, host_vars) if as_yaml else _ini(group_vars, host_vars))
    return path


def _ini(group_vars: dict[str, dict[str, str]], host_vars: dict[str, dict[str, str]]) -> str:
    lines = ["[kube_node]", *(" ".join([h, *(f"{k}={v}" for k, v in host_vars[h].items())]) for h in HOSTS)]
    lines += ["[left]", "n1", "n2", "[right]", "n2", "n3", "[top:children]", "left", "right"]
    for group, variables in group_vars.items():
        lines += [f"[{group}:vars]", *(f"{k} = {v}" for k, v in variables.items())]
    return "\n".join(lines) + "\n"


def _yaml(group_vars: dict[str, dict[str, str]], host_vars: dict[str, dict[str, str]]) -> str:
    def variables(group: str, indent: str) -> list[str]:
        return [f"{indent}vars:", *(f"{indent}  {k}: {v}" for k, v in group_vars[group].items()), f"{indent}  x_end: 1"]

    lines = ["all:", *variables("all", "  "), "  children:", "    kube_node:", *variables("kube_node", "      ")]
    lines += ["      hosts:"]
    for host in HOSTS:
        lines += [f"        {host}:", *(f"          {k}: {v}" for k, v in host_vars[host].items())]
    lines += ["    top:", *variables("top", "      "), "      children:"]
    for group, hosts in (("left", "n1 n2"), ("right", "n2 n3")):
        lines += [f"        {group}:", *variables(group, "          "), "          hosts:"]
        lines += [f"            {host}:" for host in hosts.split()]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("as_yaml", [False, True], ids=["ini", "yaml"])
@pytest.mark.parametrize("seed", range(4))
def test_the_line_holds_the_value_that_ansible_uses(tmp_path: Path, seed: int, *, as_yaml: bool) -> None:
    resolved, locations = looked_at(scattered(tmp_path, seed, as_yaml=as_yaml))
    checked = 0
    for host, variables in resolved.hosts.items():
        for name, value in variables.items():
            if not name[2:].isdigit():
                continue
            place = locations.variable(host, name)
            assert place is not None, (host, name)
            line = Path(place.file).read_text().splitlines()[place.line - 1].split()
            assert any(word.endswith((f"={value}", value)) for word in line), (host, name, value, place, line)
            checked += 1
    assert checked > 60


def test_hidden_and_unknown_vars_files_are_noticed(tmp_path: Path) -> None:
    write(tmp_path / "group_vars" / "all" / "main.yml", "a: 1\n")
    write(tmp_path / "group_vars" / "all.yml", "a: 2\n")
    write(tmp_path / "group_vars" / "all.yaml", "a: 3\n")
    write(tmp_path / "inventory.ini", "n1\n")
    scan = scan_inventory(tmp_path / "inventory.ini")
    read = str(tmp_path / "group_vars" / "all")
    assert scan.shadowed == [(f"{read}.yml", read), (f"{read}.yaml", read)]


def test_vaulted_values_and_files_do_not_stop_the_scan(tmp_path: Path) -> None:
    write(tmp_path / "inventory.ini", "n1\n")
    write(
        tmp_path / "group_vars" / "all" / "a.yml", "a: !vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  6231\nb: !unsafe '{{'\n"
    )
    write(tmp_path / "group_vars" / "all" / "b.yml", "$ANSIBLE_VAULT;1.1;AES256\n6231\n")
    scan = scan_inventory(tmp_path / "inventory.ini")
    (variables,) = scan.variables.values()
    assert {name: place.line for name, place in variables.items()} == {"a": 1, "b": 4}
    assert scan.opaque == [str(tmp_path / "group_vars" / "all" / "b.yml")]


def test_scripts_and_plugins_are_left_to_ansible(tmp_path: Path) -> None:
    write(tmp_path / "a.py", "#!/usr/bin/python3\nprint('{}')\n")
    write(tmp_path / "b.yml", "plugin: constructed\n")
    scan = scan_inventory(tmp_path)
    assert [Path(name).name for name in scan.opaque] == ["a.py", "b.yml"]
    assert not scan.hosts
