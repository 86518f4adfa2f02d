"""Metrics: every label comes back as it was, and Prometheus' own tool takes them."""

from __future__ import annotations

import re
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from kprov.certs.node.exposition import gauge
from kprov.certs.prometheus import metrics
from kprov.certs.rules import judge
from tests.unit.certs import pki
from tests.unit.certs.nodes import NOW, PKI, Node, TlsServer
from tests.unit.certs.promtool import promtool
from tests.unit.certs.test_layouts import LIMITS

LABEL = re.compile(r'([a-z_]+)="((?:[^"\\\n]|\\["\\n])*)"')
ESCAPED = re.compile(r'\\(["\\n])')
# What a line feed does to lines, no other character may do.
VALUES = st.text(st.characters(blacklist_categories=("Cs",)))


def parsed(text: str) -> dict[str, list[tuple[dict[str, str], float]]]:
    """By the format's own rules: in labels \\, " and line feeds are escaped, and nothing else is."""
    found: dict[str, list[tuple[dict[str, str], float]]] = {}
    for line in text.removesuffix("\n").split("\n"):
        if line.startswith("#"):
            continue
        name, _, rest = line.partition("{")
        labels, _, value = rest.rpartition("} ")
        pairs = LABEL.findall(labels)
        assert ",".join(f'{key}="{text}"' for key, text in pairs) == labels
        unescaped = {key: ESCAPED.sub(lambda m: m[1].replace("n", "\n"), text) for key, text in pairs}
        found.setdefault(name, []).append((unescaped, float(value)))
    return found


@settings(deadline=None)
@given(st.lists(st.tuples(VALUES, VALUES, st.floats(allow_nan=False)), max_size=3))
def test_labels_come_back_as_they_were(samples: list[tuple[str, str, float]]) -> None:
    labelled = [({"place": first, "host": second}, value) for first, second, value in samples]
    text = gauge("kprov_x", "About.", labelled)
    assert parsed(text).get("kprov_x", []) == labelled if samples else text == ""


def test_every_item_and_question_is_a_gauge(plane: Node, servers: dict[str, TlsServer]) -> None:
    plane.pair(f"{PKI}/etcd/server.crt", pki.issue(pki.kubeadm().etcd_ca, "new", days=3))
    plane.put("/root/.kube/config", "kind: Config\nusers:\n- name: a\n  user:\n    client-certificate: /gone\n")
    inventory = plane.inventory()
    findings = judge(inventory, LIMITS)
    text = metrics('a "cluster"\\', inventory, findings)
    found = parsed(text)
    ends = found["kprov_certificate_not_after_timestamp_seconds"]
    assert len(ends) == len(inventory.items)
    assert {labels["cluster"] for labels, _ in ends} == {'a "cluster"\\'}
    by_item = {labels["item"]: (labels, value) for labels, value in ends}
    labels, value = by_item["etcd-server"]
    assert value == (NOW + 3 * pki.DAY).timestamp()
    assert (labels["host"], labels["place"], labels["renewed_by"]) == ("cp1", f"{PKI}/etcd/server.crt", "kubeadm")
    equal = {labels["item"]: value for labels, value in found["kprov_certificate_served_equal"]}
    assert equal["etcd-server"] == 0
    assert equal["apiserver"] == 1
    assert "admin.conf" not in equal
    counts = {labels["severity"]: value for labels, value in found["kprov_certs_findings"]}
    assert counts == {"critical": sum(one.severity == "critical" for one in findings), "warning": 0}
    assert [value for _, value in found["kprov_certs_unread"]] == [1]
    assert [value for _, value in found["kprov_certs_check_timestamp_seconds"]] == [NOW.timestamp()]


def test_promtool_accepts_them(plane: Node, servers: dict[str, TlsServer]) -> None:
    plane.kubeconfig('/home/o"dd\\/.kube/config', pki.kubeconfig(pki.issue(pki.kubeadm().ca, "x"), pki.kubeadm().ca))
    inventory = plane.inventory()
    again = replace(inventory, items=inventory.items * 2)  # the same certificate twice is one sample
    text = metrics("prod", again, judge(inventory, LIMITS))
    assert '/home/o\\"dd\\\\/.kube/config' in text
    assert promtool("check", "metrics", given=text) == ""
