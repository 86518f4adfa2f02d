"""kprov_drain: what it asks of kubectl, whose cordon it removes. A cluster: tests/e2e/faults/test_runtime_root.py."""

from __future__ import annotations

import json
from types import ModuleType
from typing import Any

import pytest

PARAMETERS = {
    "node": "w1",
    "operation": "runtime-root",
    "timeout": 30,
    "delete_emptydir_data": False,
    "force": False,
}
LOCAL = "cannot delete Pods with local storage (use --delete-emptydir-data to override): default/cache"
BUDGET = (
    "node/w1 already cordoned\n"
    'error when evicting pods/"a" -n "b" (will retry after 5s): Cannot evict pod as it would violate the pod\'s'
    " disruption budget.\n"
    'error when evicting pods/"a" -n "b" (will retry after 5s): Cannot evict pod as it would violate the pod\'s'
    " disruption budget.\n"
    "There are pending nodes to be drained:\n w1\nerror: drain did not complete within 30s"
)


class Kubectl:
    """A Node and what `drain` answers. fails: "--dry-run=client" or "--timeout=30s" to what kubectl says."""

    def __init__(self, module: ModuleType, **fails: str) -> None:
        self.node: dict[str, Any] = {"metadata": {"annotations": {}}, "spec": {}}
        self.asked: list[tuple[str, ...]] = []
        self._error, self._fails = module.KubectlError, fails

    def run(self, *arguments: str, stdin: str = "", timeout: float = 60) -> str:
        self.asked.append(arguments)
        for flag, said in self._fails.items():
            if flag in arguments[-1]:
                raise self._error(said)
        if arguments[0] == "patch":
            patch = json.loads(arguments[-1])
            for part in ("metadata", "spec"):
                inner = patch[part].get("annotations", patch[part])
                target = self.node[part]["annotations"] if part == "metadata" else self.node[part]
                target.update(inner)
                for key in [key for key, value in target.items() if value is None]:
                    del target[key]
        return "pod/a evicted\n" if arguments[0] == "drain" and "timeout" in arguments[-1] else ""

    def json(self, *arguments: str, **_: Any) -> dict[str, Any]:
        return self.node

    def wait_ready(self, deadline: float) -> None:
        return


@pytest.fixture
def module(plugin: Any) -> ModuleType:
    loaded: ModuleType = plugin("modules", "kprov_drain")
    return loaded


def test_it_takes_away_its_own_cordon(module: ModuleType) -> None:
    kubectl = Kubectl(module)
    done = module.drain(kubectl, PARAMETERS)
    assert done["changes"] == ["cordon w1", "evict pod/a"]
    assert kubectl.node == {
        "metadata": {"annotations": {"kprov/cordoned-for": "runtime-root"}},
        "spec": {"unschedulable": True},
    }
    assert module.uncordon(kubectl, PARAMETERS)["changes"] == ["uncordon w1"]
    assert kubectl.node == {"metadata": {"annotations": {}}, "spec": {}}


@pytest.mark.parametrize("annotations", [{}, {"kprov/cordoned-for": "another"}])
def test_the_cordon_of_somebody_else_stays(module: ModuleType, annotations: dict[str, str]) -> None:
    kubectl = Kubectl(module)
    kubectl.node = {"metadata": {"annotations": dict(annotations)}, "spec": {"unschedulable": True}}
    module.drain(kubectl, PARAMETERS)
    done = module.uncordon(kubectl, PARAMETERS)
    assert (done["changed"], done["msg"]) == (False, "w1 stays cordoned: it was so before")
    assert kubectl.node == {"metadata": {"annotations": annotations}, "spec": {"unschedulable": True}}


def test_pods_that_would_lose_data_are_refused_before_the_cordon(module: ModuleType) -> None:
    kubectl = Kubectl(module, **{"--dry-run": LOCAL})
    with pytest.raises(module.KubectlError, match="was not cordoned: cannot delete Pods with local storage"):
        module.drain(kubectl, PARAMETERS)
    assert kubectl.node["spec"] == {}


def test_a_budget_is_named_once_and_the_node_stays_cordoned(module: ModuleType) -> None:
    kubectl = Kubectl(module, **{"--timeout": BUDGET})
    with pytest.raises(module.KubectlError) as refused:
        module.drain(kubectl, PARAMETERS)
    assert str(refused.value).count("violate the pod's disruption budget") == 1
    assert "drain did not complete within 30s" in str(refused.value)
    assert kubectl.node["spec"] == {"unschedulable": True}


def test_flags_are_kubectls_own(module: ModuleType) -> None:
    kubectl = Kubectl(module)
    module.drain(kubectl, {**PARAMETERS, "delete_emptydir_data": True, "force": True})
    drains = [arguments for arguments in kubectl.asked if arguments[0] == "drain"]
    flags = ("drain", "w1", "--ignore-daemonsets", "--delete-emptydir-data", "--force")
    assert drains == [(*flags, "--dry-run=client"), (*flags, "--timeout=30s")]
