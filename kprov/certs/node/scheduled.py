"""What the timer runs on a node: approve, look, judge, leave a report and metrics, tell the hook.

certs-check               exit code 0: all is well or warnings, 3: something critical, 4: something could not be read
certs-check --self-test   start the unit through systemd, wait for it, see that it left a report
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from datetime import datetime, timezone
from typing import Any

from kprov.certs.node import known, verdict
from kprov.certs.node.exposition import gauge
from kprov.certs.node.kubelet_approver import approve_until
from kprov.certs.node.main import collect
from kprov.certs.node.timer import CONFIG, REPORT, SERVICE
from kprov.certs.node.verdict import DAY
from kprov.remote.node import read

HOOK_TIMEOUT = 30.0  # seconds
SELF_TEST_TIMEOUT = 90.0
CRITICAL, UNREAD = 3, 4
JOURNAL = {"critical": "<3>", "warning": "<4>"}  # sd-daemon(3)


def main() -> int:
    """Exit code of the program."""
    return self_test() if "--self-test" in sys.argv[1:] else check()


def check() -> int:
    """Look and tell everybody."""
    config = read.json_object(CONFIG)
    if config is None:
        sys.stderr.write(f"<3>{CONFIG} is missing or damaged; `kprov certs schedule` writes it\n")
        return UNREAD
    left = _approve(config)
    answer = collect({"address": config["address"], "endpoints": [], "tries": 0})
    try:
        certificates = verdict.seen(answer)
    except ValueError as error:
        certificates = []
        answer["errors"].append(f"certificates: {error}")
    findings = verdict.verdict(
        answer, certificates, time.time(), config["warn_days"] * DAY, config["critical_days"] * DAY
    )
    findings += left
    not_read = verdict.unread(answer)
    report = {
        "schema": 1,
        "finished": datetime.now(timezone.utc).isoformat(timespec="seconds"),  # noqa: UP017
        "cluster": config["cluster"],
        "host": config["host"],
        "worst": verdict.worst(findings),
        "findings": [{"severity": severity, "message": message} for severity, message in findings],
        "unread": not_read,
    }
    for severity, message in findings:
        sys.stdout.write(f"{JOURNAL[severity]}{message}\n")
    for message in not_read:
        sys.stdout.write(f"<4>not read: {message}\n")
    _write(REPORT, json.dumps(report, indent=1) + "\n", 0o600)
    _metrics(config, report, certificates, answer["renewal"])
    if report["worst"] != "ok" or not_read:
        _tell(config["hook"], report)
    sys.stdout.write(f"{len(certificates)} certificates, {report['worst']}\n")
    return CRITICAL if report["worst"] == "critical" else UNREAD if not_read else 0


def _approve(config: dict[str, Any]) -> list[list[str]]:
    """On a control plane: kubelets ask for their next serving certificate weeks before the old one ends.

    [severity, message] for each request that stays pending. An API server that is away is asked again tomorrow.
    """
    if not config.get("kubelets"):
        return []
    answer = approve_until(config["api_port"], config["kubelets"], [], 0)
    for one in answer["approved"]:
        sys.stdout.write(f"approved {one['request']}, the serving certificate of {one['node']}'s kubelet\n")
    if answer["error"]:
        sys.stdout.write(f"<4>kubelets' requests were not looked at: {answer['error']}\n")
    return [
        ["warning", f"request {one['request']} for a kubelet's serving certificate stays pending: {one['why']}"]
        for one in answer["left"]
    ]


def self_test() -> int:
    """Whether the unit, as systemd runs it, does its work: 0, or 1 with the reason on standard output."""
    before = _finished()
    try:
        subprocess.run(["systemctl", "start", SERVICE], capture_output=True, timeout=SELF_TEST_TIMEOUT, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        sys.stdout.write(f"systemctl start {SERVICE}: {error}\n")
        return 1
    if _finished() == before:
        shown = subprocess.run(
            ["systemctl", "status", "--no-pager", SERVICE], capture_output=True, text=True, check=False
        )
        sys.stdout.write(f"{SERVICE} ran, but left no report in {REPORT}:\n{shown.stdout}")
        return 1
    return 0


def _finished() -> tuple[str | None, int]:
    """Two runs may end in the same second: then the file is another one."""
    report = read.json_object(REPORT)
    return (report or {}).get("finished"), os.stat(read.real(REPORT)).st_ino if report else 0  # noqa: PTH116


def _metrics(
    config: dict[str, Any], report: dict[str, Any], certificates: list[verdict.Seen], renewal: dict[str, Any] | None
) -> None:
    """For the node exporter's textfile collector; its directory is not made here."""
    path = config["textfile"]
    if not path or not read.exists(os.path.dirname(path)):  # noqa: PTH120
        return
    whole = {"cluster": config["cluster"], "host": config["host"]}
    ends = [({**whole, "item": one.name, "place": one.place}, one.ends) for one in certificates]
    counts = [
        ({**whole, "severity": severity}, sum(one["severity"] == severity for one in report["findings"]))
        for severity in ("critical", "warning")
    ]
    text = gauge(known.METRIC_NOT_AFTER, "When the certificate ends.", ends)
    text += gauge(known.METRIC_FINDINGS, "What is wrong, by severity.", counts)
    text += gauge(known.METRIC_UNREAD, "What could not be read.", [(whole, len(report["unread"]))])
    text += gauge(known.METRIC_CHECKED, "When this was found.", [(whole, time.time())])
    ran = (renewal or {}).get("report") or {}
    if ran.get("finished"):
        when = datetime.strptime(ran["finished"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)  # noqa: UP017
        labels = {**whole, "result": ran["result"]}
        text += gauge(known.METRIC_RENEWAL, "When the last renewal in a window ended.", [(labels, when.timestamp())])
    _write(path, text, 0o644)


def _tell(hook: list[str], report: dict[str, Any]) -> None:
    """The operator's own command, with the report as JSON on its standard input. It may fail; the check has not."""
    if not hook:
        return
    environment = {**os.environ, "KPROV_WORST": report["worst"]}
    text = json.dumps(report) + "\n"
    try:
        subprocess.run(hook, input=text, text=True, timeout=HOOK_TIMEOUT, env=environment, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        sys.stdout.write(f"<4>hook {hook[0]}: {error}\n")


def _write(path: str, text: str, mode: int) -> None:
    """In one step: whoever reads it never sees half of it."""
    path = read.real(path)
    directory = os.path.dirname(path)  # noqa: PTH120
    os.makedirs(directory, mode=0o700, exist_ok=True)  # noqa: PTH103
    descriptor, temporary = tempfile.mkstemp(dir=directory, prefix=".kprov-")
    try:
        os.fchmod(descriptor, mode)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(temporary, path)  # noqa: PTH105
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)  # noqa: PTH108
        raise
