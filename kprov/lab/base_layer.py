"""The layer below kube-proxy, kube-router and flannel: iptables, nft, ipset, conntrack, ip, a shell, nothing else.

Programs come out of Debian packages with the shared libraries that they really load, 15 MB instead of the 150 MB of a
Debian root: every node imports this layer, so its size is time in every installation.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
from pathlib import Path

from kprov.errors import LabError
from kprov.lab.cache import Cache
from kprov.lab.packages import Package, fetch, resolve, unpack
from kprov.ui.progress import Progress

PACKAGES = ("busybox-static", "conntrack", "dash", "ipset", "iptables", "iproute2", "netbase", "nftables")

# modprobe is busybox's: Debian's kmod brings 5 MB of libcrypto, and a node loads its modules before a pod asks.
# The shell is dash: busybox's would run its own `ip` and `modprobe` whatever the PATH says.
PROGRAMS = ("busybox", "conntrack", "dash", "ip", "ipset", "nft", "xtables-legacy-multi", "xtables-nft-multi")

# nft is Debian's own default. Upstream's kube-proxy image chooses by the rules that it finds at start; the nodes of a
# lab share one kernel, and a choice that depends on what else ran there would be no test.
LINKS = {
    "usr/bin/sh": "dash",
    **{
        f"usr/sbin/{family}{command}": "xtables-nft-multi"
        for family in ("iptables", "ip6tables")
        for command in ("", "-save", "-restore", "-nft", "-nft-save", "-nft-restore")
    },
    **{
        f"usr/sbin/{family}-legacy{command}": "xtables-legacy-multi"
        for family in ("iptables", "ip6tables")
        for command in ("", "-save", "-restore")
    },
}

# Tables of names, and where iptables finds its matches and targets.
DATA = ("etc/ethertypes", "etc/iproute2", "etc/protocols", "etc/services", "usr/share/iproute2")
FILES = {
    "etc/group": "root:x:0:\n",
    "etc/nsswitch.conf": "hosts: files dns\n",
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\n",
}
DIRECTORIES = ("root", "run", "tmp", "var/lib", "var/run")
MERGED = {"bin": "usr/bin", "sbin": "usr/sbin", "lib": "usr/lib", "lib64": "usr/lib64"}

CHECKS = {
    "conntrack": "--version",
    "ip": "-V",
    "ip6tables-restore": "--version",
    "ipset": "version",
    "iptables": "--version",
    "iptables-legacy": "--version",
    "iptables-save": "--version",
    "nft": "--version",
    "sh": "-c true",
}


def base_layer(cache: Cache, progress: Progress) -> Path:
    """The directory whose content is the layer; made again when a package or this file changed. Raises LabError."""
    packages = resolve(PACKAGES, cache, dependencies=True)
    return cache.made("base", _key(packages), lambda target: _make(packages, cache, target, progress))


def certificates(cache: Cache) -> Path:
    """A PEM file with the certificate authorities of Debian's ca-certificates. Raises LabError."""
    packages = resolve(["ca-certificates"], cache)

    def make(target: Path) -> None:
        unpacked = target / "unpacked"
        unpacked.mkdir()
        unpack(fetch(packages, cache), unpacked)
        parts = sorted((unpacked / "usr/share/ca-certificates").rglob("*.crt"))
        (target / "ca-certificates.crt").write_text("".join(part.read_text() for part in parts))
        shutil.rmtree(unpacked)

    return cache.made("certificates", _key(packages), make) / "ca-certificates.crt"


def _key(packages: list[Package]) -> str:
    inputs = [Path(__file__).read_text(), *(package.sha256 for package in packages)]
    return hashlib.sha256(json.dumps(inputs).encode()).hexdigest()[:16]


def _make(packages: list[Package], cache: Cache, target: Path, progress: Progress) -> None:
    with progress.timed("lab: making the base layer with iptables, nft, ipset, conntrack and ip"):
        root = cache.scratch("base")
        unpack(fetch(packages, cache), root)
        for name, place in MERGED.items():
            (target / place).mkdir(parents=True, exist_ok=True)
            (target / name).symlink_to(place)
        for name in PROGRAMS:
            _copy_program(name, root, target)
        for plugins in root.glob("usr/lib/*/xtables"):
            shutil.copytree(plugins, target / plugins.relative_to(root))
        for name in DATA:
            _copy_data(root / name, target / name)
        _copy_libraries(root, target)
        versions = "".join(f"{package.filename}\n" for package in packages)
        for name, content in {**FILES, "usr/share/doc/kprov-lab/packages": versions}.items():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            (target / name).write_text(content)
        for name in DIRECTORIES:
            (target / name).mkdir(parents=True, exist_ok=True)
        _link(target)
        _check(target)
        shutil.rmtree(root)


def _copy_program(name: str, root: Path, target: Path) -> None:
    for place in ("usr/sbin", "usr/bin", "sbin", "bin"):
        found = root / place / name
        if found.is_file() and not found.is_symlink():
            directory = target / MERGED.get(place, place)
            shutil.copy2(found, directory / name)
            return
    raise LabError(f"the Debian packages {', '.join(PACKAGES)} have no program {name}")


def _copy_data(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target)
    elif source.is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, target)


def _copy_libraries(root: Path, target: Path) -> None:
    """Adds every shared library that a program, a plugin or a library in `target` names, and the loader."""
    directories = [d for pattern in ("lib/*-linux-gnu*", "usr/lib/*-linux-gnu*") for d in sorted(root.glob(pattern))]
    place = target / "usr/lib" / directories[0].name
    place.mkdir(parents=True, exist_ok=True)
    pending = [path for path in target.rglob("*") if path.is_file() and not path.is_symlink()]
    while pending:
        interpreter, names = needed(pending.pop())
        for name in names:
            if (place / name).exists():
                continue
            found = next((d / name for d in directories if (d / name).exists()), None)
            if found is None:
                raise LabError(f"no Debian package of the base layer has the library {name}")
            shutil.copy2(found.resolve(), place / name)  # one file under the name that is asked for, no link to it
            pending.append(place / name)
        if interpreter is not None:
            _link_loader(interpreter, place, target)


def _link_loader(interpreter: str, place: Path, target: Path) -> None:
    """/lib64/ld-linux-x86-64.so.2 is where programs look for the loader; it is among the libraries already."""
    loader = target / "usr" / interpreter.lstrip("/")
    if not loader.exists():
        loader.parent.mkdir(parents=True, exist_ok=True)
        loader.symlink_to(Path("..") / place.relative_to(target / "usr") / loader.name)


def needed(path: Path) -> tuple[str | None, list[str]]:
    """Loader and libraries that an ELF file names; none for other files and for static programs."""
    with path.open("rb") as stream:
        if stream.read(4) != b"\x7fELF":
            return None, []
    if shutil.which("readelf") is None:
        raise LabError("the lab needs readelf to find shared libraries", hint="install it: `apt-get install binutils`")
    said = subprocess.run(
        ["readelf", "--wide", "--dynamic", "--program-headers", str(path)],
        env={"LC_ALL": "C", "PATH": "/usr/local/bin:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    ).stdout
    interpreter = re.search(r"program interpreter: (\S+)\]", said)
    return interpreter and interpreter[1], re.findall(r"\(NEEDED\)\s+Shared library: \[(\S+)\]", said)


def _link(target: Path) -> None:
    for name, program in LINKS.items():
        (target / name).symlink_to(program)
    listed = subprocess.run(
        [str(target / "usr/bin/busybox"), "--list"], capture_output=True, text=True, check=True, timeout=60
    )
    for name in listed.stdout.split():
        places = [target / "usr/sbin" / name, target / "usr/bin" / name]
        if not any(path.is_symlink() or path.exists() for path in places):
            (target / "usr/bin" / name).symlink_to("busybox")


def _check(target: Path) -> None:
    """Starts each program with the layer's own loader and libraries: a missing library shows here, not on a node."""
    loader = next((target / "usr").glob("lib*/ld-linux*"))
    libraries = next((target / "usr/lib").glob("*-linux-gnu*"))
    for name, argument in CHECKS.items():
        program = next(path for path in (target / "usr/sbin" / name, target / "usr/bin" / name) if path.exists())
        done = subprocess.run(
            [str(loader), "--library-path", str(libraries), str(program), *argument.split()],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        if done.returncode != 0:
            raise LabError(f"{name} of the base layer does not run: {(done.stderr or done.stdout).strip()}")
