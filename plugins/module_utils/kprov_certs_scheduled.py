"""What kprov-certs-renew.timer runs on a control plane.

certs-renew               exit code 0: renewed, or nothing to do; 3: refused or failed. Its report says which.
certs-renew --self-test   start the unit through systemd as a rehearsal that changes nothing; exit code 0 if it got
                          through to its report
"""

from __future__ import annotations

import os
import subprocess
import sys
import time

from ansible.module_utils import kprov_fs
from ansible.module_utils.kprov_certificate import rfc3339
from ansible.module_utils.kprov_certs_unattended import Refused, Unattended
from ansible.module_utils.kprov_kubeadm_certs import CertificateProblem
from ansible.module_utils.kprov_kubeadm_run import StepError
from ansible.module_utils.kprov_paths import STATE, real
from ansible.module_utils.kprov_state import make_state_directory

CONFIG = "/etc/kprov/certs-renew.json"
REPORT = STATE + "/certs-renew.json"
REHEARSAL = "/run/kprov-certs-renew.dry-run"  # whoever finds it removes it and changes nothing
SERVICE = "kprov-certs-renew.service"
SELF_TEST_SECONDS = 120.0
GOOD = ("nothing", "renewed", "rehearsed")
BAD = 3  # not 1, which is Python's own when the program itself is broken


def run() -> int:
    """One run, with its report."""
    config = kprov_fs.read_json(real(CONFIG))
    if config is None:
        sys.stderr.write(f"<3>{CONFIG} is missing or damaged; `kprov certs schedule` writes it\n")
        return 1
    rehearsal = kprov_fs.remove(real(REHEARSAL))
    report: dict = {
        "schema": 1,
        "rehearsal": rehearsal,
        "window": config["window"],
        "started": rfc3339(time.time()),
        "finished": None,
        "result": "running",
        "message": "",
        "renewed": {},
    }
    _write(report)  # what is cut short leaves this
    try:
        work = Unattended(config, report)
        work.rehearse() if rehearsal else work.run()
    except Refused as error:
        report.update(result="refused", message=str(error))
    except (StepError, CertificateProblem, ValueError) as error:
        report.update(result="failed", message=str(error))
    except (OSError, subprocess.SubprocessError) as error:
        report.update(result="failed", message=f"{type(error).__name__}: {error}")
    report["finished"] = rfc3339(time.time())
    _write(report)
    good = report["result"] in GOOD
    sys.stdout.write(f"{'' if good else '<3>'}{report['result']}: {report['message']}\n")
    return 0 if good else BAD


def self_test() -> int:
    """Whether the unit, as systemd runs it, gets through to its report: 0, or 1 with the reason on standard output.

    A cluster that is not well now is no fault of the unit: the report and the check say so.
    """
    started = time.time()
    kprov_fs.atomic_write(real(REHEARSAL), b"", 0o600)
    try:
        subprocess.run(["systemctl", "start", SERVICE], capture_output=True, timeout=SELF_TEST_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        sys.stdout.write(f"systemctl start {SERVICE}: {error}\n")
        return 1
    finally:
        kprov_fs.remove(real(REHEARSAL))
    report = kprov_fs.read_json(real(REPORT)) or {}
    if os.path.exists(real(REPORT)) and os.stat(real(REPORT)).st_mtime >= started - 1 and report.get("finished"):
        if report["result"] == "failed":
            sys.stdout.write(f"a rehearsal of the renewal failed: {report['message']}\n")
        return int(report["result"] == "failed")
    shown = subprocess.run(["systemctl", "status", "--no-pager", SERVICE], capture_output=True, text=True, check=False)
    sys.stdout.write(f"{SERVICE} ran, but left no report in {REPORT}:\n{shown.stdout}")
    return 1


def _write(report: dict) -> None:
    make_state_directory(STATE)
    kprov_fs.write_json(real(REPORT), report)


def main() -> int:
    """Exit code of the program."""
    return self_test() if "--self-test" in sys.argv[1:] else run()
