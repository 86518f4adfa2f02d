"""The pages about certificates: what they show works."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from kprov.certs.node import known
from tests.unit.certs.promtool import promtool

PAGE = Path("docs/how-to/monitor-certificates.md").read_text()
REFERENCE = Path("docs/reference/certs.md").read_text()
ALERTS = re.findall(r"- alert: (\w+)", PAGE)


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    (text,) = blocks("yaml")
    path = tmp_path / "rules.yml"
    path.write_text(text)
    return path


def test_promtool_accepts_the_rules(rules: Path) -> None:
    assert f"{len(ALERTS)} rules found" in promtool("check", "rules", str(rules))


# Metrics of one hour to the alerts that must fire then, and no other.
HEALTHY = {
    'kprov_certs_findings{cluster="c", severity="critical"}': "0",
    'kprov_certificate_not_after_timestamp_seconds{item="apiserver", renewed_by="kubeadm"}': str(90 * 86400),
    'kprov_certificate_not_after_timestamp_seconds{item="kubelet-client", renewed_by="kubelet"}': str(30000),
    'kprov_certificate_served_equal{item="apiserver"}': "1",
    "kprov_certs_unread": "0",
    "kprov_certs_check_timestamp_seconds": "0+60",
    'kprov_certs_renewal_timestamp_seconds{result="renewed"}': "1",
}
FAULTS = [
    ("KubernetesCertificateCritical", 'kprov_certs_findings{cluster="c", severity="critical"}', "2"),
    (
        "KubernetesCertificateExpires",
        'kprov_certificate_not_after_timestamp_seconds{item="apiserver", renewed_by="kubeadm"}',
        str(29 * 86400),
    ),
    ("KubernetesCertificateNotInUse", 'kprov_certificate_served_equal{item="apiserver"}', "0"),
    ("KubernetesCertificatesUnread", "kprov_certs_unread", "1"),
    ("KubernetesCertificateCheckStopped", "kprov_certs_check_timestamp_seconds", "0"),
    ("KubernetesCertificateRenewalFailed", 'kprov_certs_renewal_timestamp_seconds{result="refused"}', "1"),
    ("KubernetesCertificateCheckMissing", "kprov_certs_check_timestamp_seconds", "_"),
]


@pytest.mark.parametrize(
    ("alert", "series", "value"), [("", "", ""), *FAULTS], ids=["healthy", *(f[0] for f in FAULTS)]
)
def test_each_rule_fires_when_it_should_and_alone(
    rules: Path, tmp_path: Path, alert: str, series: str, value: str
) -> None:
    values = {**HEALTHY, **({series: value} if series else {})}
    tests = {
        "rule_files": [str(rules)],
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": [
                    {"series": name, "values": f"{'+'.join(text.split('+'))}x400" if "+" in text else f"{text}x400"}
                    for name, text in values.items()
                ],
                "promql_expr_test": [
                    {
                        "expr": 'count by (alertname) (ALERTS{alertstate="firing"})',
                        "eval_time": "5h",
                        "exp_samples": [{"labels": f'{{alertname="{alert}"}}', "value": 1}] if alert else [],
                    }
                ],
            }
        ],
    }
    file = tmp_path / "tests.yml"
    file.write_text(json.dumps(tests))
    assert "SUCCESS" in promtool("test", "rules", str(file))


def test_every_alert_has_a_fault_here() -> None:
    assert [fault[0] for fault in FAULTS] == ALERTS


def test_scripts_are_scripts() -> None:
    for text in blocks("sh"):
        subprocess.run(["sh", "-n"], input=text, text=True, check=True)


@pytest.mark.parametrize(("code", "wanted"), [(0, 0), (2, 1), (3, 2), (4, 3), (11, 3)])
def test_exit_codes_as_nagios_counts_them(tmp_path: Path, code: int, wanted: int) -> None:
    (tmp_path / "kprov").write_text(f"#!/bin/sh\necho table\necho finding >&2\nexit {code}\n")
    (tmp_path / "kprov").chmod(0o755)
    script = next(text for text in blocks("sh") if "check_kprov_certs" in text)
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    argv = ["sh", "-c", script, "sh", "inventory.ini"]
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (wanted, "finding\n")


def test_every_metric_is_in_the_reference_and_the_other_way_round() -> None:
    named = {value for name, value in vars(known).items() if name.startswith("METRIC_")}
    assert {*re.findall(r"^\| `(kprov_\w+)` \|", REFERENCE, re.MULTILINE)} == named | {"kprov_certificate_served_equal"}
    assert {*re.findall(r"kprov_cert\w+", PAGE)} - {"kprov_certs"} <= named | {"kprov_certificate_served_equal"}
