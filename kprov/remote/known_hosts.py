"""known_hosts files, read as OpenSSH reads them (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT), and what to do about a key.

paramiko's own reader knows neither patterns nor @revoked and keeps one key per type, so kprov decides by itself.
"""

from __future__ import annotations

import base64
import binascii
import fcntl
import hashlib
import hmac
import os
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path
from typing import Literal

Verdict = Literal["known", "unknown", "changed", "revoked"]


@dataclass(frozen=True)
class Entry:
    """A line: marker ("", "@revoked", "@cert-authority"), host patterns, type and blob of the key, where it stands."""

    marker: str
    hosts: tuple[str, ...]
    key_type: str
    blob: bytes
    file: str
    line: int

    def matches(self, name: str) -> bool:
        """Whether the line is about that host ("host" or "[host]:port")."""
        found = False
        for pattern in self.hosts:
            if pattern.startswith("|1|"):
                found = found or _is_hash_of(pattern, name)
            elif pattern.startswith("!"):
                if _glob(pattern[1:], name):
                    return False
            else:
                found = found or _glob(pattern, name)
        return found


def read(files: Iterable[str]) -> list[Entry]:
    """Every line of the files that can be read; comments and lines in an unknown form are left out."""
    entries: list[Entry] = []
    for file in files:
        try:
            status = Path(file).stat()
            entries += _read(file, (status.st_ino, status.st_size, status.st_mtime_ns))
        except OSError:
            continue
    return entries


def verdict(entries: Iterable[Entry], key_type: str, blob: bytes) -> tuple[Verdict, Entry | None]:
    """What the entries of one host say about its key, and the entry that says so."""
    decisive: tuple[Verdict, Entry | None] = ("unknown", None)
    for entry in entries:
        same = (entry.key_type, entry.blob) == (key_type, blob)
        if entry.marker == "@revoked" and same:
            return "revoked", entry
        if entry.marker == "" and same:
            decisive = ("known", entry)
        elif entry.marker == "" and decisive[0] == "unknown":
            decisive = ("changed", entry)
    return decisive


def fingerprint(blob: bytes) -> str:
    """As `ssh-keygen -lf` prints it: SHA256:base64 without padding."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


def append(file: str, name: str, key_type: str, blob: bytes) -> None:
    """Add a host's key to a file, which is made with mode 0600. Raises OSError."""
    path = Path(file)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
    with os.fdopen(descriptor, "r+b") as known:
        fcntl.flock(known, fcntl.LOCK_EX)
        size = os.fstat(descriptor).st_size
        unfinished = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
        line = f"{name} {key_type} {base64.b64encode(blob).decode()}\n"
        known.write((b"\n" if unfinished else b"") + line.encode())


@lru_cache(maxsize=16)
def _read(file: str, signature: tuple[int, ...]) -> tuple[Entry, ...]:
    """Parsed once for all hosts, and again when the file was changed."""
    lines = Path(file).read_text(encoding="utf-8", errors="replace").splitlines()
    return tuple(entry for number, line in enumerate(lines, 1) if (entry := _entry(line, file, number)))


def _entry(line: str, file: str, number: int) -> Entry | None:
    words = line.split()
    marker = words.pop(0) if words and words[0].startswith("@") else ""
    if len(words) < 3 or words[0].startswith("#"):
        return None
    try:
        blob = base64.b64decode(words[2], validate=True)
    except binascii.Error:
        return None
    return Entry(marker, tuple(words[0].split(",")), words[1], blob, file, number)


def _glob(pattern: str, name: str) -> bool:
    """* and ? only: brackets are part of "[host]:port"."""
    if "*" not in pattern and "?" not in pattern:
        return name.lower() == pattern.lower()
    return fnmatchcase(name.lower(), pattern.lower().replace("[", "[[]"))


def _is_hash_of(pattern: str, name: str) -> bool:
    """|1|salt|hash: HMAC-SHA1 of the name with the salt as key."""
    try:
        salt, digest = (base64.b64decode(part) for part in pattern.split("|")[2:4])
    except (ValueError, binascii.Error):
        return False
    return hmac.compare_digest(hmac.new(salt, name.lower().encode(), "sha1").digest(), digest)
