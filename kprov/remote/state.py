"""What the probe found on a host, as typed values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from kprov.reserve.capacity import Capacity


@dataclass(frozen=True)
class OperatingSystem:
    """From /etc/os-release."""

    id: str
    version_id: str
    pretty_name: str
    id_like: tuple[str, ...] = ()

    @property
    def family(self) -> str:
        """debian, redhat (as in os_packages), or the distribution's own id."""
        names = {self.id, *self.id_like}
        if names & {"debian", "ubuntu"}:
            return "debian"
        return "redhat" if names & {"rhel", "fedora", "centos"} else self.id


@dataclass(frozen=True)
class Listener:
    """A TCP socket in LISTEN; process is the command name, empty if it could not be read."""

    port: int
    address: str
    process: str
    pid: int | None


@dataclass(frozen=True)
class Filesystem:
    """Bytes and inodes of the file system that holds a path; device tells whether two paths share one.

    inodes: 0 where the file system has no fixed number of them (btrfs). kind: as in /proc/filesystems, "xfs, ftype=0",
    or empty when it is not known.
    """

    free: int
    size: int
    device: str = ""
    inodes_free: int = 0
    inodes: int = 0
    kind: str = ""


@dataclass(frozen=True)
class Drift:
    """Something kprov owns that is not as kprov left it.

    what: path, unit, sysctl, image or object. problem: missing, differs, inactive, replaced, changed, "is 0, not 1" ...
    """

    what: str
    problem: str


@dataclass(frozen=True)
class PhaseState:
    """The record of a phase on a node (or, for cluster phases, in the API), compared with the live system."""

    fingerprint: dict[str, Any] | None
    finished: str | None
    dirty: bool
    drift: tuple[Drift, ...] = ()


@dataclass(frozen=True)
class ClusterState:
    """Traces of a cluster on the node, kprov's or not."""

    ca_sha256: str | None = None
    server: str | None = None
    joined: bool = False  # /etc/kubernetes/kubelet.conf exists
    admin_conf: bool = False
    static_pods: tuple[str, ...] = ()
    kubelet_version: str | None = None
    kubelet_unit: bool = False
    serving_certificate: bool = False  # the kubelet has one that the cluster's CA has signed for it


@dataclass(frozen=True)
class ApiNode:
    """A Node object."""

    ready: bool
    kubelet_version: str
    control_plane: bool


@dataclass(frozen=True)
class ApiState:
    """What the API server on a control plane answered; None on other hosts. phases: records of cluster phases."""

    reachable: bool
    error: str | None = None
    nodes: dict[str, ApiNode] = field(default_factory=dict)
    phases: dict[str, PhaseState] = field(default_factory=dict)


@dataclass(frozen=True)
class LockState:
    """Who holds the cluster's lock, as written in lock.json on the node."""

    operation: str
    holder: str  # user@controller
    since: str  # RFC 3339
    expires: str  # RFC 3339
    run_id: str
    controller_id: str


@dataclass(frozen=True)
class Override:
    """A kernel setting that a file read after kprov's own gives another value at the next boot."""

    key: str
    file: str
    value: str
    wanted: str


@dataclass(frozen=True)
class Usage:
    """How much of a limit of the kernel is used; top: the process that uses the most, if that is known."""

    used: int
    limit: int
    top: str = ""


@dataclass(frozen=True)
class RuntimeRootMove:
    """A move of the container runtime's root directory that was begun on the node (plugins' kprov_runtime_root).

    step: what was done last; "finished" means that only the old directory is left to be removed. size: bytes.
    """

    old: str
    new: str
    step: str
    started: str  # RFC 3339
    finished: str | None = None
    size: int | None = None


@dataclass(frozen=True)
class HostState:
    """Everything one probe learnt about one host. Sizes in bytes, times in seconds since the epoch."""

    hostname: str
    machine_id: str
    boot_id: str
    time: float
    clock_skew: float  # host's clock minus the controller's, 0 if the round trip explains the difference
    os: OperatingSystem
    arch: str  # amd64 | arm64 | what uname says
    kernel: str
    init: str  # name of process 1
    virtualization: str
    cgroup_version: int
    cpus: int
    memory: int
    swap: tuple[str, ...]
    filesystems: dict[str, Filesystem]
    kernel_features: dict[str, bool]
    listeners: tuple[Listener, ...]
    addresses: tuple[str, ...]
    nameservers: tuple[str, ...]
    resolves_itself: bool
    missing_commands: tuple[str, ...]
    cluster: ClusterState
    phases: dict[str, PhaseState]
    records_cluster: str | None  # cluster_name in kprov's records, None when there are none
    lock: LockState | None = None
    api: ApiState | None = None
    errors: tuple[str, ...] = ()  # "topic: what went wrong" of parts of the probe that failed
    capacity: Capacity | None = None  # None: this part of the probe failed
    logind: bool | None = None  # whether systemd-logind runs; None: not known
    time_service: str | None = None  # process that keeps the clock; None: not known, "": none runs
    usage: dict[str, Usage] = field(default_factory=dict)  # inotify_instances, open_files, processes
    sysctl_not_set: dict[str, str] = field(default_factory=dict)  # setting to why the node could not take it
    sysctl_overridden: tuple[Override, ...] = ()
    runtime_root: RuntimeRootMove | None = None
    runtime: dict[str, str | None] = field(
        default_factory=dict
    )  # its socket to why nobody answers there, None: it does
    artifacts: bool | None = None  # whether kprov has ever installed binaries or images there; None: not known
    firewalls: tuple[str, ...] | None = None  # firewall-cmd, ufw, where installed; None: not known
    security_modules: dict[str, str] | None = None  # AppArmor, SELinux to their state; None: not known


@dataclass(frozen=True)
class Unreachable:
    """A host that gave no state. kind: unreachable | auth | host-key | sudo | python | probe."""

    kind: str
    message: str
    hint: str | None = None


ProbeResult = HostState | Unreachable
