"""Files out of Debian packages, without installing any and without root: apt downloads, dpkg-deb unpacks."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from kprov.artifacts.digest import sha256_of
from kprov.errors import LabError
from kprov.lab.cache import Cache

DOWNLOAD_SECONDS = 600.0
LISTS = Path("/var/lib/apt/lists")
TOOLS = ("apt-get", "apt-cache", "dpkg-deb")
NO_TOOLS_HINT = "build the bundle on Debian or Ubuntu and hand it over with --bundle"

# 'https://…/iptables_1.8.9-2_amd64.deb' iptables_1.8.9-2_amd64.deb 360192 SHA256:2928…
PRINTED = re.compile(r"^'(?P<url>[^']+)' (?P<filename>\S+) \d+ SHA256:(?P<sha256>[0-9a-f]{64})$")
ONLY_NEEDED = tuple(
    f"--no-{kind}" for kind in ("recommends", "suggests", "conflicts", "breaks", "replaces", "enhances")
)


@dataclass(frozen=True)
class Package:
    """A package as apt would download it now."""

    name: str
    filename: str
    sha256: str


def resolve(names: Sequence[str], cache: Cache, *, dependencies: bool = False) -> list[Package]:
    """Version and digest of packages, and of all that they depend on if asked for, sorted by name.

    apt answers from the package lists of this machine, without network, in about a second; the answer is remembered
    until the lists change. Raises LabError.
    """
    if not names:
        return []
    question = [sorted(names), dependencies, _lists_state()]
    answer = cache.path("resolved", hashlib.sha256(json.dumps(question).encode()).hexdigest()[:16])

    def ask(target: Path) -> None:
        found = _resolve(_closure(names) if dependencies else names)
        (target / "packages.json").write_text(json.dumps([asdict(package) for package in found], indent=1))

    cache.made("resolved", answer.name, ask)
    return [Package(**fields) for fields in json.loads((answer / "packages.json").read_text())]


def _lists_state() -> list[tuple[str, int, int]]:
    """Changes with every `apt-get update` that brought something new."""
    found = []
    for path in sorted(LISTS.glob("*_Packages*")):
        status = path.stat()
        found.append((path.name, status.st_size, status.st_mtime_ns))
    return found


def _closure(names: Sequence[str]) -> list[str]:
    said = _run("apt-cache", "depends", "--recurse", *ONLY_NEEDED, *names)
    # Lines that start in the first column are packages; `<name>` is virtual, `name:i386` another architecture.
    return sorted({line for line in said.splitlines() if re.fullmatch(r"[a-z0-9][a-z0-9.+-]*", line)})


def _resolve(names: Sequence[str]) -> list[Package]:
    said = _run("apt-get", "download", "--print-uris", *names)
    found = parse_uris(said)
    if missing := set(names) - {package.name for package in found}:
        raise LabError(
            f"apt does not say where {', '.join(sorted(missing))} would come from", hint="run `apt-get update`"
        )
    return sorted(found, key=lambda package: package.name)


def parse_uris(said: str) -> list[Package]:
    """Packages in the output of `apt-get download --print-uris`."""
    return [
        Package(match["filename"].partition("_")[0], match["filename"], match["sha256"])
        for match in map(PRINTED.match, said.splitlines())
        if match
    ]


def fetch(packages: Iterable[Package], cache: Cache) -> list[Path]:
    """The .deb files of packages, downloaded once. Raises LabError when one cannot be had or has the wrong digest."""
    wanted = list(packages)
    if missing := [package for package in wanted if not cache.path("packages", package.sha256).is_dir()]:
        download = cache.scratch("download")
        _run("apt-get", "download", *(package.name for package in missing), directory=download)
        for package in missing:
            _keep(package, download / package.filename, cache)
    return [cache.path("packages", package.sha256) / package.filename for package in wanted]


def unpack(debs: Iterable[Path], target: Path) -> None:
    """Unpacks packages over each other into a directory; no maintainer script runs."""
    for deb in debs:
        _run("dpkg-deb", "--extract", str(deb), str(target))


def _keep(package: Package, downloaded: Path, cache: Cache) -> None:
    if not downloaded.is_file() or sha256_of(downloaded) != package.sha256:
        raise LabError(
            f"{package.filename}: what was downloaded is not what apt announced", hint="run `apt-get update`"
        )

    def move(target: Path) -> None:
        downloaded.replace(target / package.filename)

    cache.made("packages", package.sha256, move)


def _run(*command: str, directory: Path | None = None) -> str:
    """Standard output of a command. Raises LabError with its error output."""
    if missing := [tool for tool in TOOLS if shutil.which(tool) is None]:
        raise LabError(
            f"the lab takes iptables and C libraries from Debian packages and finds no {', '.join(missing)}",
            hint=NO_TOOLS_HINT,
        )
    options = ["-o", "APT::Sandbox::User=root"] if command[0] == "apt-get" else []  # root may write here, _apt not
    done = subprocess.run(
        [command[0], *options, *command[1:]],
        cwd=directory,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=DOWNLOAD_SECONDS,
    )
    if done.returncode != 0:
        raise LabError(
            f"`{command[0]} {command[1]}` failed: {done.stderr.strip()[-1000:]}",
            hint="run `apt-get update`, and check that the Debian mirror can be reached"
            if command[0].startswith("apt")
            else None,
        )
    return done.stdout
