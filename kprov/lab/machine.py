"""What this machine's kernel gives to container nodes, read from /proc.

Everything that a node cannot do like a real machine follows from here: the flags a node is created with (`nodes`) and
the variables in the lab's inventory (`inventory`).
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, ip_address
from pathlib import Path
from typing import Literal

from kprov.errors import LabError

# linux/capability.h; the position is the bit.
CAPABILITY_BITS = """
    CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE
    NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN
    SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE
    MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE
"""

DEVICES = ("/dev/kmsg", "/dev/fuse")  # kubelet's OOM watcher reads the first; fuse-overlayfs and volumes use the second

# Where kubeadm's SystemVerification looks for the kernel's configuration and a node has a chance to see it.
KERNEL_CONFIGS = ("proc/config.gz", "lib/modules/{release}/config", "lib/modules/{release}/build/.config")


@dataclass(frozen=True)
class Machine:
    """Facts about this machine's kernel and network.

    capabilities: the bounding set, without "CAP_"; missing_capabilities: what the kernel has beyond that;
    ip_vs: kube-proxy's ipvs mode is possible; kernel_config: kubeadm can read it; modules: /lib/modules exists;
    resolvers: nameservers that are not a loopback; routes: IPv4 networks that are routed here, without the default.
    """

    cgroup: Literal["v1", "v2"]
    capabilities: tuple[str, ...]
    missing_capabilities: tuple[str, ...]
    swap: bool
    ip_vs: bool
    kernel_config: bool
    modules: bool
    devices: tuple[str, ...]
    resolvers: tuple[str, ...]
    routes: tuple[IPv4Network, ...]

    @property
    def privileged_works(self) -> bool:
        """`docker run --privileged` asks for every capability of the kernel and fails if one is out of reach."""
        return not self.missing_capabilities

    @property
    def sys_resource(self) -> bool:
        """Whether limits and OOM scores of processes can be raised."""
        return "SYS_RESOURCE" in self.capabilities


def detect(root: Path = Path("/")) -> Machine:
    """Read the facts. root: where proc/, etc/ and dev/ are (tests). Raises LabError on anything but Linux."""
    if not (root / "proc/self/status").is_file():
        raise LabError("the lab needs Linux: nodes share the machine's kernel", hint="run kprov lab in a Linux machine")
    capabilities, missing = _capabilities(root)
    release = _text(root / "proc/sys/kernel/osrelease").strip()
    return Machine(
        cgroup=_cgroup(root),
        capabilities=capabilities,
        missing_capabilities=missing,
        swap=len(_text(root / "proc/swaps").splitlines()) > 1,
        ip_vs=(root / "proc/net/ip_vs").exists() or any((root / "lib/modules" / release).glob("**/ip_vs.ko*")),
        kernel_config=any((root / path.format(release=release)).exists() for path in KERNEL_CONFIGS),
        modules=(root / "lib/modules").is_dir(),
        devices=tuple(device for device in DEVICES if (root / device.lstrip("/")).exists()),
        resolvers=_resolvers(root),
        routes=_routes(root),
    )


def _capabilities(root: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(in the bounding set, known to the kernel and not in it)"""
    capabilities = CAPABILITY_BITS.split()
    last = int(_text(root / "proc/sys/kernel/cap_last_cap") or len(capabilities) - 1)
    status = dict(line.split(":", 1) for line in _text(root / "proc/self/status").splitlines() if ":" in line)
    bounding = int(status["CapBnd"], 16)
    known = capabilities[: last + 1]
    has = tuple(name for bit, name in enumerate(known) if bounding >> bit & 1)
    return has, tuple(name for name in known if name not in has)


def _cgroup(root: Path) -> Literal["v1", "v2"]:
    for line in _text(root / "proc/mounts").splitlines():
        _, where, kind, *_ = line.split()
        if where == "/sys/fs/cgroup" and kind == "cgroup2":
            return "v2"
    return "v1"


def _resolvers(root: Path) -> tuple[str, ...]:
    """systemd-resolved lists the real ones beside its own stub."""
    for path in ("etc/resolv.conf", "run/systemd/resolve/resolv.conf"):
        words = [line.split() for line in _text(root / path).splitlines()]
        servers = [word[1] for word in words if len(word) > 1 and word[0] == "nameserver"]
        usable = tuple(server for server in servers if not ip_address(server.split("%")[0]).is_loopback)
        if usable:
            return usable
    return ()


def _routes(root: Path) -> tuple[IPv4Network, ...]:
    """/proc/net/route: destination and mask are little-endian hexadecimal words."""
    networks = []
    for line in _text(root / "proc/net/route").splitlines()[1:]:
        fields = line.split()
        address, mask = (IPv4Address(int.from_bytes(bytes.fromhex(fields[column]), "little")) for column in (1, 7))
        if int(mask):
            networks.append(IPv4Network(f"{address}/{mask}"))
    return tuple(networks)


def _text(path: Path) -> str:
    """The file, or nothing when the kernel does not have it."""
    try:
        return path.read_text()
    except (FileNotFoundError, NotADirectoryError):
        return ""
