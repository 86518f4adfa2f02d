from __future__ import annotations

import base64
import os
import subprocess
from pathlib import Path

import pytest

from kprov.remote import known_hosts

KEY = b"key one"
OTHER = b"key two"
ED = "ssh-ed25519"


def line(hosts: str, blob: bytes = KEY, key_type: str = ED, marker: str = "") -> str:
    return f"{marker} {hosts} {key_type} {base64.b64encode(blob).decode()} a comment\n".lstrip()


def judge(tmp_path: Path, text: str, name: str, blob: bytes = KEY) -> str:
    file = tmp_path / "known_hosts"
    file.write_text(text)
    entries = [e for e in known_hosts.read([str(file)]) if e.matches(name)]
    return known_hosts.verdict(entries, ED, blob)[0]


@pytest.mark.parametrize(
    ("text", "name", "verdict"),
    [
        ("", "h", "unknown"),
        (line("h"), "h", "known"),
        (line("H"), "h", "known"),
        (line("a,h,b"), "h", "known"),
        (line("h"), "[h]:2222", "unknown"),
        (line("[h]:2222"), "[h]:2222", "known"),
        (line("*.example.com"), "n1.example.com", "known"),
        (line("*.example.com,!n1.example.com"), "n1.example.com", "unknown"),
        (line("n?"), "n1", "known"),
        (line("h", OTHER), "h", "changed"),
        (line("h", OTHER) + line("h"), "h", "known"),
        (line("h", OTHER, "ssh-rsa"), "h", "changed"),
        (line("h") + line("*", marker="@revoked"), "h", "revoked"),
        (line("*", OTHER, marker="@revoked") + line("h"), "h", "known"),
        (line("*", marker="@cert-authority"), "h", "unknown"),
        ("# " + line("h"), "h", "unknown"),
        ("h ssh-ed25519\nnonsense\nh ssh-ed25519 ***\n", "h", "unknown"),
    ],
)
def test_verdict(tmp_path: Path, text: str, name: str, verdict: str) -> None:
    assert judge(tmp_path, text, name) == verdict


@pytest.mark.parametrize("name", ["host.example.com", "[10.0.0.1]:2222"])
def test_names_hashed_by_ssh_keygen_are_found(tmp_path: Path, name: str) -> None:
    key = tmp_path / "k"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    key_type, text = key.with_suffix(".pub").read_text().split()[:2]
    file = tmp_path / "known"
    known_hosts.append(str(file), name, key_type, base64.b64decode(text))
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", str(file)], check=True, stderr=subprocess.DEVNULL)
    assert name not in file.read_text()
    (entry,) = known_hosts.read([str(file)])
    assert entry.matches(name)
    assert not entry.matches("other")
    shown = subprocess.run(["ssh-keygen", "-lf", str(key)], check=True, capture_output=True, text=True).stdout
    assert known_hosts.fingerprint(entry.blob) in shown


def test_append_makes_a_private_file_and_mends_a_missing_newline(tmp_path: Path) -> None:
    file = tmp_path / "new" / "known_hosts"
    known_hosts.append(str(file), "a", ED, KEY)
    assert oct(file.stat().st_mode)[-3:] == "600"
    assert oct(file.parent.stat().st_mode)[-3:] == "700"
    os.truncate(file, file.stat().st_size - 1)
    known_hosts.append(str(file), "b", ED, KEY)
    assert [e.hosts for e in known_hosts.read([str(file)])] == [("a",), ("b",)]
