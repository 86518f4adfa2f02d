"""What a Node may carry: Kubernetes' rules, and what belongs to somebody else."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.spec.inventories import codes, machines, only_error, problems, with_variable

GOOD: dict[str, Any] = {
    "node_labels": {
        "topology.kubernetes.io/zone": "rack-1",
        "node.kubernetes.io/exclude-from-external-load-balancers": "",
        "node-restriction.kubernetes.io/team": "a",
        "node-role.kubernetes.io/database": "",
        "UPPER_and.lower-1": "Value_1.2-x",
        "number": 7,
        "x" * 63: "y" * 63,
    },
    "node_taints": [
        {"key": "example.com/dedicated", "value": "db", "effect": "NoSchedule"},
        {"key": "example.com/dedicated", "effect": "PreferNoSchedule"},
        {"key": "plain", "value": None, "effect": "NoSchedule"},
    ],
    "node_annotations": {"example.com/owner": "any text: with / and spaces\nand lines", "Example.COM/x": ""},
    "node_extended_resources": {"example.com/dongle": 2, "vendor.io/none": 0, "vendor.io/text": "12"},
}


@pytest.mark.parametrize("variable", GOOD)
def test_good_values(variable: str) -> None:
    assert (
        problems(machines("cp1", "node1", "node2") | {"node1": {"ansible_host": "192.0.2.9", variable: GOOD[variable]}})
        == []
    )


@pytest.mark.parametrize("key", ["a b", "-a", "a/b/c", "/a", "a/", "x" * 64, "a_b/c", "a\n", ""])
@pytest.mark.parametrize("variable", ["node_labels", "node_annotations"])
def test_key_that_is_no_qualified_name(variable: str, key: str) -> None:
    problem = only_error(with_variable(variable, {key: "v"}))
    assert problem.code in {"node-label", "node-annotation"}
    assert variable in problem.message


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        (True, '"true"'),
        (1.10, '"1.1"'),
        ("a b", "an annotation"),
        ("-a", "an annotation"),
        ("x" * 64, "an annotation"),
        (["a"], None),
        (None, None),
        ("a\n", None),
    ],
)
def test_label_value_that_kubernetes_refuses_or_yaml_has_changed(value: object, hint: str | None) -> None:
    problem = only_error(with_variable("node_labels", {"example.com/a": value}))
    assert problem.code == "node-label"
    assert "example.com/a" in problem.message
    assert hint is None or hint in str(problem.hint)


@pytest.mark.parametrize(
    ("variable", "value", "hint"),
    [
        ("node_labels", {"kubernetes.io/hostname": "x"}, "the kubelet sets it"),
        ("node_labels", {"node-role.kubernetes.io/control-plane": ""}, "kube_control_plane"),
        ("node_labels", {"node-role.kubernetes.io/master": ""}, "since 1.24"),
        ("node_labels", {"failure-domain.beta.kubernetes.io/zone": "a"}, "topology.kubernetes.io/zone"),
        (
            "node_taints",
            [{"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}],
            "control_plane_schedulable",
        ),
        ("node_taints", [{"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}], "cordon"),
        ("node_taints", [{"key": "node.kubernetes.io/not-ready", "effect": "NoExecute"}], "condition"),
        ("node_annotations", {"kubeadm.alpha.kubernetes.io/cri-socket": "x"}, "kubeadm"),
    ],
)
def test_what_somebody_else_keeps_is_refused_with_the_reason(variable: str, value: object, hint: str) -> None:
    problem = only_error(machines("cp1", "node1", "node2") | {"node1": {"ansible_host": "192.0.2.9", variable: value}})
    assert "not to be set here" in problem.message
    assert hint in str(problem.hint)


def test_domain_in_capitals_is_for_annotations_only() -> None:
    assert "DNS name" in only_error(with_variable("node_labels", {"Example.com/a": "v"})).message
    assert codes(with_variable("node_annotations", {"Example.com/a": "v"})) == []


def test_misspelt_label_of_kubernetes_is_a_warning_that_names_the_right_one() -> None:
    (problem,) = problems(with_variable("node_labels", {"topolgy.kubernetes.io/zone": "a"}))
    assert problem.severity == "warning"
    assert "topology.kubernetes.io/zone" in str(problem.hint)


@pytest.mark.parametrize(
    ("taint", "hint"),
    [
        ({"key": "a", "effect": "NoExcute"}, "NoExecute"),
        ({"key": "a", "effect": "noschedule"}, "NoSchedule"),
        ({"key": "a", "effect": "Evict"}, "one of NoSchedule"),
        ({"key": "a"}, "effect: NoSchedule"),
        ({"effect": "NoSchedule"}, "key:"),
        ({"key": "a", "efect": "NoSchedule"}, "effect"),
        ({"key": "a b", "effect": "NoSchedule"}, None),
        ({"key": "a", "value": "x y", "effect": "NoSchedule"}, None),
        ({"key": "a", "value": True, "effect": "NoSchedule"}, '"true"'),
        ("example.com/a=db:NoSchedule", '{key: example.com/a, value: "db", effect: NoSchedule}'),
        ("example.com/a:NoSchedule", "{key: example.com/a, effect: NoSchedule}"),
        ("nonsense", "{key: example.com/dedicated"),
    ],
)
def test_taint_that_is_wrong(taint: object, hint: str | None) -> None:
    problem = only_error(
        machines("cp1", "node1", "node2") | {"node1": {"ansible_host": "192.0.2.9", "node_taints": [taint]}}
    )
    assert problem.code == "node-taint"
    assert hint is None or hint in str(problem.hint)


def test_pair_of_key_and_effect_is_unique() -> None:
    taint = {"key": "a", "effect": "NoSchedule"}
    hosts = machines("cp1", "node1", "node2")
    hosts["node1"]["node_taints"] = [taint, {**taint, "value": "other"}]
    assert "twice" in only_error(hosts).message


@pytest.mark.parametrize(
    ("name", "amount", "word"),
    [
        ("dongle", 1, "domain"),
        ("kubernetes.io/x", 1, "domain"),
        ("a.kubernetes.io/x", 1, "domain"),
        ("requests.example.com/x", 1, "requests."),
        ("Example.com/x", 1, "DNS name"),
        ("example.com/" + "x" * 64, 1, "63"),
        ("example.com/x", -1, "whole number"),
        ("example.com/x", 1.5, "whole number"),
        ("example.com/x", "2k", "whole number"),
        ("example.com/x", True, "whole number"),
        ("example.com/x", 2**63, "whole number"),
    ],
)
def test_extended_resource_that_kubernetes_refuses(name: str, amount: object, word: str) -> None:
    problem = only_error(with_variable("node_extended_resources", {name: amount}))
    assert problem.code == "extended-resource"
    assert word in problem.message


def test_taints_on_every_node_are_worth_a_warning() -> None:
    taint = [{"key": "a", "effect": "NoExecute"}]
    hosts = machines("cp1", "node1", "node2")
    hosts["node1"]["node_taints"] = taint
    assert problems(hosts) == []
    hosts["node2"]["node_taints"] = taint
    assert [p.code for p in problems(hosts)] == ["nowhere-to-run"]


def test_control_planes_in_one_zone_are_worth_a_warning_when_there_are_others() -> None:
    def spread(*zones: str | None) -> list[str]:
        hosts = machines("cp1", "cp2", "cp3", "node1")
        for host, zone in zip(hosts.values(), zones, strict=True):
            if zone:
                host["node_labels"] = {"topology.kubernetes.io/zone": zone}
        return [p.code for p in problems(hosts) if p.code != "endpoint"]

    assert spread("a", "a", "a", "b") == ["one-zone"]
    assert spread("a", "a", "b", "b") == []
    assert spread("a", "a", "a", "a") == []
    assert spread("a", "a", None, "b") == []
    assert spread(None, None, None, "b") == []


def test_more_than_kprov_can_keep_account_of() -> None:
    hosts = machines("cp1", *(f"node{n}" for n in range(1, 4)))
    for name, host in hosts.items():
        host["node_annotations"] = {"example.com/large": name * 30_000}
    assert codes(hosts) == ["node-settings-size"]
    hosts = machines("cp1", "node1", node_annotations={"example.com/large": "x" * 256 * 1024})
    assert "node-annotation" in codes(hosts)
