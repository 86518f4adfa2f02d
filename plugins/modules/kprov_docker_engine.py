#!/usr/bin/python
"""kprov_docker_engine: is Docker Engine installed, and are its packages held?"""

from __future__ import annotations

DOCUMENTATION = r"""
module: kprov_docker_engine
short_description: Hold the packages of Docker Engine, so that no unattended upgrade restarts it or changes its version
description:
  - Holds the packages that own dockerd, containerd and runc, wherever they came from (docker.io, docker-ce, ...).
    What kprov held is in the phase's record. C(apt-mark hold) on Debian; C(dnf versionlock) on Enterprise Linux.
  - Installs nothing; C(missing) names the packages to install when there is no dockerd. Fails when the engine, or the
    package that the distribution offers, is too old for cri-dockerd.
options:
  phase: {description: Phase that owns the holds., type: str, required: true}
  packages: {description: "debian and redhat: names of the packages of Docker Engine.", type: dict, required: true}
author: kprov
"""

import os
import re
import shutil
import subprocess

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.kprov_docker_api import TOO_OLD, too_old
from ansible.module_utils.kprov_module import finish, locked
from ansible.module_utils.kprov_paths import real
from ansible.module_utils.kprov_state import PhaseRecord

PART = "kprov_docker_engine"
PROGRAMS = ("dockerd", "containerd", "runc")
PATH = "/usr/bin:/usr/sbin:/bin:/sbin"
DEADLINE = 60


class EngineError(Exception):
    """There are no such packages, or they cannot be held; the message is for the user."""


def run(argv: list[str]) -> tuple[int, str]:
    """Exit code and output of a command; 127 if it is not there."""
    environment = {**os.environ, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"}
    try:
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=DEADLINE,
            check=False,
            text=True,
            env=environment,
        )
    except FileNotFoundError:
        return 127, ""
    except subprocess.TimeoutExpired:
        raise EngineError(f"`{' '.join(argv)}` did not end within {DEADLINE} s") from None
    return done.returncode, done.stdout.strip()


def programs() -> list[str]:
    """Paths of the engine's programs that are installed."""
    found = (shutil.which(name, path=":".join(real(directory) for directory in PATH.split(":"))) for name in PROGRAMS)
    return [path for path in found if path]


class Dpkg:
    """Debian and its relatives."""

    family = "debian"

    def candidate(self, name: str) -> str | None:
        """Version that would be installed, None if there is none."""
        found = re.search(r"Candidate: (\d\S*)", run(["apt-cache", "policy", name])[1])
        return found.group(1) if found else None

    def owner(self, path: str) -> str | None:
        """Package that installed a file, None if none did."""
        for name in dict.fromkeys((path, path.replace("/usr/", "/", 1))):  # listed where it was before /usr was merged
            code, said = run(["dpkg-query", "--search", name])
            if code == 0:
                return said.splitlines()[-1].partition(":")[0]
        return None

    def held(self) -> set[str]:
        """Packages that are held, by whomever."""
        return set(run(["apt-mark", "showhold"])[1].split())

    def hold(self, names: list[str]) -> None:
        """Hold them."""
        code, said = run(["apt-mark", "hold", *names])
        if code != 0:
            raise EngineError(f"apt-mark hold {' '.join(names)}: {said}")


class Rpm:
    """Enterprise Linux, with the plugin versionlock."""

    family = "redhat"

    def candidate(self, name: str) -> str | None:
        """As for Dpkg."""
        code, said = run(["dnf", "-q", "repoquery", "--latest-limit=1", "--queryformat", "%{VERSION}\n", name])
        return said.splitlines()[-1] if code == 0 and said else None

    def owner(self, path: str) -> str | None:
        """As for Dpkg."""
        code, said = run(["rpm", "--query", "--file", "--queryformat", "%{NAME}\\n", path])
        return said.splitlines()[-1] if code == 0 else None

    def held(self) -> set[str]:
        """As for Dpkg; a lock reads `NAME-EPOCH:VERSION-RELEASE.*`."""
        code, said = run(["dnf", "-q", "versionlock", "list"])
        return {line.rsplit("-", 2)[0] for line in said.splitlines()} if code == 0 else set()

    def hold(self, names: list[str]) -> None:
        """Lock them."""
        code, said = run(["dnf", "-q", "versionlock", "add", *names])
        if code != 0:
            raise EngineError(f"dnf versionlock add: {said.splitlines()[-1] if said else code}")


def check_version(dockerd: str) -> None:
    """Raises EngineError if the engine is too old for cri-dockerd."""
    said = run([dockerd, "--version"])[1]  # Docker version 26.1.5+dfsg1, build 411e817
    found = re.search(r"version (\d[^\s,]*)", said)
    if found is None:
        raise EngineError(f"`{dockerd} --version` said {said!r}")
    if too_old(found.group(1)):
        raise EngineError(f"Docker Engine {found.group(1)} {TOO_OLD}")


def to_install(manager: Dpkg | Rpm, names: list[str]) -> list[str]:
    """The packages, if there are such and they will do. Raises EngineError."""
    for name in names:
        version = manager.candidate(name)
        if version is None:
            raise EngineError(
                f"there is no Docker Engine and no package {name} to install: install one by hand, or give the node a"
                " repository that has it (`apt-get update`) and name its packages in container_runtime_docker_packages"
            )
        if name.startswith("docker") and too_old(version):
            raise EngineError(f"{name} {version} {TOO_OLD}")
    return names


def apply(phase: str, names: dict[str, list[str]], check_mode: bool) -> dict:
    """Hold what is not held; the module's result. Call it under node_lock."""
    paths = programs()
    manager = Dpkg() if shutil.which("dpkg-query") else Rpm()
    dockerd = next((path for path in paths if os.path.basename(path) == "dockerd"), None)
    if dockerd is None:
        missing = to_install(manager, names.get(manager.family, []))
        PhaseRecord.open(phase, check_mode, part=PART)  # the next task installs them
        return {"changed": False, "missing": missing, "held": [], "warnings": []}
    check_version(dockerd)
    record = PhaseRecord.open(phase, check_mode, part=PART)
    packages = sorted({owner for path in paths if (owner := manager.owner(path))})
    held = manager.held()
    missing = [name for name in packages if name not in held]
    earlier = record.earlier("held_packages")
    record.add("held_packages", {name: {} for name in packages if name in missing or name in earlier})
    warnings = []
    if missing and not check_mode:
        try:
            manager.hold(missing)
        except EngineError as error:
            if isinstance(manager, Dpkg):
                raise
            warnings = [f"{', '.join(missing)} not held, an upgrade may change Docker under the pods: {error}"]
            missing = []
    return {"changed": bool(missing), "missing": [], "held": missing, "warnings": warnings}


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "phase": {"type": "str", "required": True},
            "packages": {"type": "dict", "required": True},
        },
        supports_check_mode=True,
    )
    with locked(module, EngineError):
        result = apply(module.params["phase"], module.params["packages"], module.check_mode)
    finish(module, result)


if __name__ == "__main__":
    main()
