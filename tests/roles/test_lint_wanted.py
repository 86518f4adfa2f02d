"""What the linter takes for the inventory's wish is what roles/kubelet writes, field by field."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from kprov.lint.wanted import kernel, kubelet
from kprov.reserve.capacity import Capacity
from tests.roles.render import CONTEXT, ROLES, render
from tests.roles.test_golden import CASES, GOLDEN
from tests.unit.factories import make_host

NOT_FIELDS = ("apiVersion", "kind")


@pytest.mark.parametrize("case", [case for case in CASES if case.startswith("kubelet/")])
def test_fields_of_the_kubelet(case: str) -> None:
    variables: dict[str, Any] = yaml.safe_load((GOLDEN / case / "case.yml").read_text()) or {}
    text = render("kubelet", variables)["/etc/kubernetes/kubelet.conf.d/50-kprov.conf"]["text"]
    written = {name: value for name, value in yaml.safe_load(text).items() if name not in NOT_FIELDS}
    host = make_host("cp1", "kube_control_plane", **variables)
    assert kubelet(host, Capacity(**CONTEXT["node"]["capacity"])) == written


def test_kernel_settings() -> None:
    declared = yaml.safe_load((ROLES / "os/vars/main.yml").read_text())["os_settings"]
    assert kernel({})["kernel.pid_max"] == str(declared["kernel.pid_max"]["value"])
    assert kernel({"kernel.pid_max": 99999, "vm.panic_on_oom": None}) == {
        **{name: value for name, value in kernel({}).items() if name != "vm.panic_on_oom"},
        "kernel.pid_max": "99999",
    }
