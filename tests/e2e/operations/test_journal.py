"""The journal has a limit that holds, and `kprov logs` reads it and follows it."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from tests.e2e.cluster import LabCluster, change, kprov, wait_until
from tests.e2e.conftest import MakeLab

MI = 1024 * 1024
LIMIT_MI = 48
# Three times the limit also when it is compressed (base64 of random bytes: by a quarter), in fewer lines than the
# journal lets one service write at a time: 4000 of 45 KB.
TALK = (
    "import base64, os, sys\n"
    "for n in range(4000):\n"
    "    sys.stdout.write(f'{n} ' + base64.b64encode(os.urandom(34000)).decode() + chr(10))\n"
)


@pytest.fixture(scope="module")
def lab(make_lab: MakeLab) -> LabCluster:
    made = make_lab("journal", workers=0)
    change(made, os_journal_max_use=f"{LIMIT_MI}M")
    made.up("--no-verify")
    return made


def logs(lab: LabCluster, *arguments: str) -> list[dict[str, str]]:
    done = kprov("logs", lab.node("cp1"), *arguments, "-i", str(lab.inventory))
    assert done.exit_code == 0, done.stderr
    lines: list[dict[str, str]] = done.data["lines"]
    return lines


def test_three_times_its_limit_leaves_a_journal_within_it_and_services_that_still_log(lab: LabCluster) -> None:
    lab.ssh("cp1", f'systemd-run --quiet --wait --unit=kprov-talk python3 -c "{TALK}"')
    for _ in range(2):
        lab.ssh("cp1", "journalctl --rotate")
    size = "find /var/log/journal -name '*.journal' -printf '%b %p\\n'"
    files = [line.split() for line in lab.ssh("cp1", size).splitlines()]
    assert sum(int(blocks) * 512 for blocks, _ in files) <= LIMIT_MI * MI
    first = int(lab.ssh("cp1", "journalctl -q -u kprov-talk -o cat | head -c 5").split()[0])
    assert first > 1000  # all of it was written, and the oldest is gone
    assert "3999 " in lab.ssh("cp1", "journalctl -q -u kprov-talk -o cat -n 3 | cut -c1-5")
    now = lab.ssh("cp1", "date +'%Y-%m-%d %H:%M:%S'").strip()
    lab.ssh("cp1", "systemctl restart kubelet")
    wait_until("the kubelet has logged", lambda: len(logs(lab, "kubelet", "--since", now)) > 10)


def test_following_shows_a_line_as_it_comes(lab: LabCluster) -> None:
    argv = [sys.executable, "-m", "kprov", "logs", lab.node("cp1"), "kprov-said", "-f", "-i", str(lab.inventory)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL) as following:
        try:
            assert following.stdout
            for word in ("first", "second"):
                lab.ssh("cp1", f"systemd-run --quiet --wait --unit=kprov-said echo {word}")
                deadline = time.monotonic() + 20
                while word not in (line := following.stdout.readline()):
                    assert time.monotonic() < deadline, line
        finally:
            following.terminate()
