"""The roles' declarations hold together, and everything generated from them is up to date."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from kprov.content import content_root
from kprov.phases.catalog import PHASES
from kprov.phases.phase import Scope
from kprov.spec.coerce import coerce
from kprov.spec.declarations import CLUSTER_WIDE_ROLES, Declaration, declarations, is_unchecked, read
from kprov.spec.generate import generated
from kprov.spec.kubespray import GROUPS, RENAMED, not_needed
from kprov.spec.values import has_template

ALL = list(declarations().values())


def by_name(declaration: Declaration) -> str:
    return declaration.name


@pytest.mark.parametrize("declaration", ALL, ids=by_name)
def test_default_has_the_declared_type_and_is_a_choice(declaration: Declaration) -> None:
    assert coerce(declaration, declaration.default) == declaration.default


@pytest.mark.parametrize("declaration", ALL, ids=by_name)
def test_variable_is_described(declaration: Declaration) -> None:
    assert declaration.description.endswith((".", "}."))


def test_only_the_default_of_ip_refers_to_other_variables() -> None:
    assert [d.name for d in ALL if has_template(d.default)] == ["ip"]


def test_defaults_are_not_shared() -> None:
    declaration = declarations()["os_kernel_modules"]
    declaration.fresh_default().append("nginx")
    assert "nginx" not in declaration.fresh_default()


def test_what_phases_read_is_declared_by_the_cluster_role() -> None:
    shared = {d.name for d in declarations().of_role("cluster")}
    for phase in PHASES:
        assert set(phase.reads) <= shared, phase.name


def test_cluster_wide_roles_are_the_shared_one_and_those_of_cluster_phases() -> None:
    assert {"cluster", *(p.name for p in PHASES if p.scope is Scope.CLUSTER and not p.every_node)} == CLUSTER_WIDE_ROLES


def test_ansibles_and_the_users_own_variables_are_not_checked() -> None:
    assert is_unchecked("ansible_host")
    assert is_unchecked("x_rack")
    assert not is_unchecked("rack")


def test_a_variable_is_declared_once(tmp_path: Path) -> None:
    for role in ("a", "b"):
        file = tmp_path / role / "meta" / "argument_specs.yml"
        file.parent.mkdir(parents=True)
        file.write_text(yaml.safe_dump({"argument_specs": {"main": {"options": {"same": {"type": "str"}}}}}))
    with pytest.raises(ValueError, match="same is declared by the roles a and b"):
        read(tmp_path)


@pytest.mark.parametrize(("path", "text"), generated(content_root()).items(), ids=str)
def test_generated_file_is_up_to_date(path: Path, text: str) -> None:
    assert path.read_text() == text, "run make generate"


@pytest.mark.parametrize("role", declarations().roles())
def test_generated_defaults_are_the_declared_ones(role: str) -> None:
    loaded = yaml.safe_load(generated(content_root())[content_root() / "roles" / role / "defaults" / "main.yml"])
    assert loaded == {d.name: d.default for d in declarations().of_role(role)}


def test_kubespray_names_lead_to_declared_variables_and_are_none_themselves() -> None:
    assert set(RENAMED.values()) <= set(declarations())
    assert not set(RENAMED) & set(declarations())
    assert not [name for name in declarations() if not_needed(name, False)]
    assert set(GROUPS.values()) == {"kube_control_plane", "kube_node", "k8s_cluster"}
