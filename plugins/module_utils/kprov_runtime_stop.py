"""A node's container runtime, its containers and the kubelet: asked, stopped, nothing of it left in the old root."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
from concurrent.futures import ThreadPoolExecutor

from ansible.module_utils import kprov_fs, kprov_systemd
from ansible.module_utils.kprov_containers import BIN_DIRS
from ansible.module_utils.kprov_docker_api import Docker
from ansible.module_utils.kprov_paths import real

KUBELET = "kubelet.service"
# In this order: what would start another one comes first.
UNITS = {
    "containerd": ("containerd.service",),
    "docker": ("cri-docker.service", "docker.socket", "docker.service"),
}
SOCKETS = {
    "containerd": "unix:///run/containerd/containerd.sock",
    "docker": "unix:///run/cri-dockerd.sock",
}
DEFAULT_ROOTS = {"containerd": "/var/lib/containerd", "docker": "/var/lib/docker"}
ESCAPED = re.compile(r"\\([0-7]{3})")  # how the kernel writes blanks in mountinfo
GRACE = 30  # seconds that a container gets to end, as Kubernetes' default terminationGracePeriodSeconds
UNIT_DEADLINE = 120
AT_ONCE = 8
# What a runtime mounts for its containers; anything else below its root is somebody's disk.
OWN_MOUNTS = ("overlay", "tmpfs", "nsfs", "proc", "mqueue", "shm")


class StopError(Exception):
    """Something does not stop or answer; the message is for the user."""


class Runtime:
    """The container runtime of this node. name: containerd or docker."""

    def __init__(self, name: str, bin_dir: str) -> None:
        self.name = name
        self.units = UNITS[name]
        self._crictl = [_program("crictl", bin_dir), "--runtime-endpoint", SOCKETS[name]]
        self._ctr = [_program("ctr", bin_dir), "--namespace", "k8s.io"]

    @property
    def active(self) -> bool:
        """Whether its unit runs."""
        return _is_active(self.units[-1])

    def configured_root(self) -> str:
        """The root that its configuration, as kprov writes it, names."""
        if self.name == "docker":
            document = kprov_fs.read_json(real("/etc/docker/daemon.json")) or {}
            return os.path.normpath(str(document.get("data-root") or DEFAULT_ROOTS["docker"]))
        with contextlib.suppress(OSError), open(real("/etc/containerd/config.toml"), encoding="utf-8") as file:
            found = re.search(r"""^root\s*=\s*['"]([^'"]+)['"]""", file.read(), re.MULTILINE)
            if found:
                return os.path.normpath(found.group(1))
        return DEFAULT_ROOTS["containerd"]

    def live_root(self) -> str:
        """The root that the running runtime says it has. Raises StopError, DockerError."""
        if self.name == "docker":
            return os.path.normpath(str(Docker().info()["DockerRootDir"]))
        return os.path.normpath(str(self.listed("info")["config"]["containerdRootDir"]))

    def runs_on(self, root: str) -> bool:
        """Whether it runs, with this root."""
        return self.active and self.live_root() == root

    def images(self) -> dict[str, str]:
        """Reference (of one without, its id) to image id."""
        found = {}
        for image in self.listed("images")["images"]:
            for name in image.get("repoTags") or [image["id"]]:
                found[name] = image["id"]
        return found

    def stop_containers(self) -> list[str]:
        """Stop every container; ids of those of Docker's own that are to run again afterwards."""
        running = [c["id"] for c in self.listed("ps", "--state", "Running")["containers"]]
        pods = [p["id"] for p in self.listed("pods", "--state", "Ready")["items"]]
        with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
            list(pool.map(lambda one: self.crictl("stop", "--timeout", str(GRACE), one), running))
            list(pool.map(lambda one: self.crictl("stopp", one), pods))
        return self._stop_own() if self.name == "docker" else []

    def start_own(self, ids: list[str]) -> None:
        """Start containers of Docker's own that ran before. Raises DockerError."""
        for one in ids:
            Docker(timeout=60).start(one)

    def stop(self) -> None:
        """Stop its units; no process of a container may be left then. Raises UnitError, StopError."""
        for unit in self.units:
            kprov_systemd.systemctl("stop", "--", unit, timeout=UNIT_DEADLINE)
        left = shims()
        if left:
            raise StopError(
                f"processes of containers run on without {self.units[-1]}: {', '.join(map(str, left))}; look at them"
                " with `ps -fp PID`, stop them, then run the command again"
            )

    def crictl(self, *arguments: str) -> str:
        """What crictl said. Raises StopError with it, if crictl failed."""
        done = kprov_systemd.run([*self._crictl, "--timeout", f"{GRACE + 60}s", *arguments], GRACE + 120)
        if done.returncode != 0:
            raise StopError(f"crictl {' '.join(arguments)}: {done.stdout.strip()}")
        return done.stdout

    def listed(self, *arguments: str) -> dict:
        """What crictl said, as JSON. Raises StopError."""
        text = self.crictl(*arguments, "-o", "json")
        return json.JSONDecoder().raw_decode(text[text.index("{") :])[0]  # warnings may stand around it

    def ctr(self, *arguments: str) -> str:
        """What containerd's own client said of what Kubernetes has in it. Raises StopError."""
        done = kprov_systemd.run([*self._ctr, *arguments], GRACE + 120)
        if done.returncode != 0:
            raise StopError(f"ctr {' '.join(arguments)}: {done.stdout.strip()}")
        return done.stdout

    def _stop_own(self) -> list[str]:
        docker = Docker(timeout=GRACE + 30)
        running = [container["Id"] for container in docker.running()]
        for one in running:
            docker.stop(one, GRACE)
        return running


def _program(name: str, bin_dir: str) -> str:
    """Its path: in bin_dir, where kprov puts it, else where a package does."""
    return shutil.which(name, path=os.pathsep.join((bin_dir, *BIN_DIRS))) or os.path.join(bin_dir, name)


def _is_active(unit: str) -> bool:
    return kprov_systemd.run(["systemctl", "is-active", "--quiet", "--", unit], 30).returncode == 0


def shims() -> list[int]:
    """Processes that hold a container each; they outlive containerd."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError), open(f"/proc/{name}/comm", encoding="utf-8") as file:
                if file.read().startswith("containerd-shim"):
                    found.append(int(name))
    return found


def stopped_mark(runtime: Runtime) -> dict | None:
    """What stays the same as long as kubelet and runtime have not run again; None if one of them runs.

    {"boot_id", "units": {name: InvocationID of its last run}}.
    """
    names = [KUBELET, runtime.units[-1]]
    if any(_is_active(name) for name in names):
        return None
    units = {}
    for name in names:
        units[name] = kprov_systemd.systemctl("show", "--property=InvocationID", "--value", "--", name).strip()
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        return {"boot_id": file.read().strip(), "units": units}


def mounts_below(root: str) -> list[tuple[str, str]]:
    """(mount point, type) of file systems mounted below a directory, innermost first."""
    found = []
    with open(real("/proc/self/mountinfo"), encoding="utf-8") as file:
        for line in file:
            left, _, right = line.partition(" - ")
            point = ESCAPED.sub(lambda octal: chr(int(octal.group(1), 8)), left.split()[4])
            if point.startswith(root.rstrip("/") + "/"):
                found.append((point, right.split()[0]))
    return sorted(found, reverse=True)


def unmount_below(root: str) -> list[str]:
    """Unmount what containers left below a directory. Raises StopError for a file system that is not a container's."""
    done = []
    for point, kind in mounts_below(root):
        if kind not in OWN_MOUNTS:
            raise StopError(f"{point} ({kind}) is mounted below {root} and is no container's: unmount it first")
        gone = kprov_systemd.run(["umount", "--", point], 60)
        if gone.returncode != 0:
            raise StopError(f"umount {point}: {gone.stdout.strip()}")
        done.append(point)
    return done
