"""Addresses, names and listening ports."""

from __future__ import annotations

import os
import re
import socket
import threading
from collections.abc import Iterator
from typing import Any

from kprov.remote.node import read

LISTEN = "0A"  # TCP_LISTEN in /proc/net/tcp
RESOLVE_TIMEOUT = 2.0  # seconds
# Looked at first when the owner of a port is searched: it usually is one of these.
USUAL = {"kube-apiserver", "kube-controller", "kube-scheduler", "kube-proxy", "kubelet", "etcd", "containerd"}


def addresses() -> list[str]:
    """Addresses of this machine but loopback and link-local ones."""
    found = set()
    previous = ""
    for line in read.text_or("/proc/net/fib_trie").splitlines():
        if line.strip() == "/32 host LOCAL":
            found.add(previous.rpartition(" ")[2])
        previous = line
    for line in read.text_or("/proc/net/if_inet6").splitlines():
        found.add(socket.inet_ntop(socket.AF_INET6, bytes.fromhex(line.split()[0])))
    return sorted(a for a in found if not a.startswith(("127.", "fe80:")) and a != "::1")


def nameservers(wanted: str) -> list[str]:
    """Name servers of the resolv.conf that pods inherit: the wanted file, systemd-resolved's real one or /etc's.

    Raises OSError if the wanted file is missing.
    """
    path = wanted
    if not path:
        resolved = "/run/systemd/resolve/resolv.conf"
        path = resolved if read.exists(resolved) else "/etc/resolv.conf"
    return re.findall(r"^\s*nameserver\s+(\S+)", read.text(path), re.MULTILINE)


def resolves_itself() -> bool:
    """Whether the host's name has an address here; asks no DNS server if /etc/hosts or nss-myhostname says so."""
    name = read.text("/proc/sys/kernel/hostname").strip()
    for line in read.text_or("/etc/hosts").splitlines():
        if name in line.partition("#")[0].split()[1:]:
            return True
    if re.search(r"^\s*hosts:.*\bmyhostname\b", read.text_or("/etc/nsswitch.conf"), re.MULTILINE):
        return True
    answer: list[bool] = []
    thread = threading.Thread(target=lambda: answer.append(_has_address(name)), daemon=True)
    thread.start()
    thread.join(RESOLVE_TIMEOUT)
    return bool(answer and answer[0])


def _has_address(name: str) -> bool:
    try:
        return bool(socket.getaddrinfo(name, None))
    except OSError:
        return False


def listeners(ports: list[int]) -> list[dict[str, Any]]:
    """TCP sockets that listen on one of the ports, with the process that has them open."""
    found = {}  # inode of the socket: where it listens
    for address, port, inode in listening():
        if port in ports:
            found[f"socket:[{inode}]"] = (port, address)
    owners = _owners(set(found))
    result = []
    for inode, (port, address) in found.items():
        pid = owners.get(inode)
        process = _process_name(pid) if pid else ""
        result.append({"port": port, "address": address, "process": process, "pid": pid})
    return sorted(result, key=lambda item: (item["port"], item["address"]))


def listening() -> Iterator[tuple[str, int, str]]:
    """Address, port and inode of every TCP socket that listens."""
    for path in ("/proc/net/tcp", "/proc/net/tcp6"):
        yield from _listening(path)


def _listening(path: str) -> Iterator[tuple[str, int, str]]:
    """Those in /proc/net/tcp or tcp6. The kernel lists them first."""
    try:
        file = open(read.real(path), encoding="ascii")  # noqa: SIM115, PTH123
    except OSError:
        return
    with file:
        next(file, None)
        for line in file:
            fields = line.split()
            if fields[3] != LISTEN:
                return
            address, _, port = fields[1].rpartition(":")
            yield _readable(address), int(port, 16), fields[9]


def _readable(address: str) -> str:
    """0100007F -> 127.0.0.1: 32-bit words in the machine's byte order, little-endian on amd64 and arm64."""
    words = [bytes.fromhex(address[i : i + 8])[::-1] for i in range(0, len(address), 8)]
    family = socket.AF_INET if len(words) == 1 else socket.AF_INET6
    return socket.inet_ntop(family, b"".join(words))


def _owners(inodes: set[str]) -> dict[str, int]:
    """Inode of a socket to a process that has it open; stops looking when all are found."""
    missing = set(inodes)
    owners: dict[str, int] = {}
    if not missing:
        return owners
    pids = [name for name in read.names("/proc") if name.isdigit()]
    for pid in sorted(pids, key=lambda pid: read.text_or(f"/proc/{pid}/comm").strip() not in USUAL):
        directory = read.real(f"/proc/{pid}/fd")
        for descriptor in read.names(f"/proc/{pid}/fd"):
            try:
                target = os.readlink(f"{directory}/{descriptor}")  # noqa: PTH115
            except OSError:
                continue
            if target in missing:
                missing.discard(target)
                owners[target] = int(pid)
        if not missing:
            break
    return owners


def _process_name(pid: int) -> str:
    """Name of the program; comm is cut at 15 characters, so a cut name is completed from the command line."""
    name = read.text_or(f"/proc/{pid}/comm").strip()
    if len(name) < 15:
        return name
    program = read.text_or(f"/proc/{pid}/cmdline").partition("\0")[0].rpartition("/")[2]
    return program if program.startswith(name) else name
