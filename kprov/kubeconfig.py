"""A cluster's admin credentials in a kubeconfig file, beside whatever else the file holds. Never prints a key.

The cluster and its context are called like the cluster, the user <cluster>-admin.
"""

from __future__ import annotations

import base64
import contextlib
import os
import tempfile
import time
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from kprov.errors import InputError, LockedError, Problem

EXTENSION = "kprov.io"  # marks our cluster entry and says which inventory it came from
LOCK_SECONDS = 5.0  # kubectl holds its lock on the file for milliseconds
KEPT = ("namespace",)  # what a person may have added to our context

Entry = MutableMapping[str, Any]


@dataclass(frozen=True)
class Access:
    """What goes into a kubeconfig. cluster, user: the bodies of the entries; source: the inventory's absolute path."""

    name: str
    cluster: Mapping[str, Any]
    user: Mapping[str, Any]
    source: str

    @property
    def user_name(self) -> str:
        return f"{self.name}-admin"


@dataclass(frozen=True)
class Merged:
    """A kubeconfig as text. current: its current-context."""

    text: str
    current: str | None


def access(admin_conf: str, name: str, source: str, server: str | None = None) -> Access:
    """The credentials in kubeadm's admin.conf. server: URL instead of the one it has. InputError: it is none."""
    data = _parse(admin_conf, "admin.conf")
    try:
        cluster = dict(data["clusters"][0]["cluster"])
        user = dict(data["users"][0]["user"])
    except (KeyError, IndexError, TypeError):
        raise InputError("admin.conf on the control plane has no cluster or no user") from None
    return Access(name, {**cluster, "server": server or cluster.get("server")}, user, source)


def merge(existing: str | None, mine: Access, *, use_context: bool = False, replace: bool = False) -> Merged:
    """The file's text with our three entries in it; everything else stays as it is, comments included.

    existing: the file's text, None if there is no file. use_context: make ours current (in a new file it always is).
    replace: also an entry of the same name that belongs to another cluster. InputError: the text is no kubeconfig, or
    holds such an entry.
    """
    new = existing is None or not existing.strip()
    data = _parse(existing or "", "the kubeconfig") if not new else _empty()
    if not replace:
        _refuse_foreign(data, mine)
    ours = {"name": EXTENSION, "extension": {"inventory": mine.source}}
    context = {"cluster": mine.name, "user": mine.user_name}
    old = _find(data, "contexts", mine.name)
    kept = {key: old["context"][key] for key in KEPT if old and key in (old.get("context") or {})}
    _put(data, "clusters", mine.name, "cluster", {**mine.cluster, "extensions": [ours]})
    _put(data, "users", mine.user_name, "user", mine.user)
    _put(data, "contexts", mine.name, "context", {**context, **kept})
    if new or use_context:
        data["current-context"] = mine.name
    return Merged(_dump(data), data.get("current-context") or None)


def client_certificate(text: str, name: str) -> str | None:
    """PEM of the certificate that a kubeconfig has for a cluster's administrator; None if it has none."""
    found = _find(_parse(text, "the kubeconfig"), "users", f"{name}-admin")
    encoded = ((found or {}).get("user") or {}).get("client-certificate-data")
    return base64.b64decode(encoded).decode(errors="replace") if encoded else None


def default_path() -> Path:
    """The first file of $KUBECONFIG, else ~/.kube/config: where kubectl itself writes."""
    names = [name for name in os.environ.get("KUBECONFIG", "").split(os.pathsep) if name]
    return Path(names[0]).expanduser() if names else Path.home() / ".kube" / "config"


def read(path: Path) -> str | None:
    """Text of a kubeconfig; None if there is no such file."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: {error.__class__.__name__}") from error


def write(path: Path, text: str) -> Path | None:
    """Put text in the place of the file in one step, mode 0600. Returns the backup of what was there, if anything was.

    A symbolic link stays one. A file with this content is left alone, apart from its mode.
    """
    real = Path(os.path.realpath(path))
    before = read(real)
    if before == text:
        real.chmod(0o600)
        return None
    real.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    backup = None
    if before is not None:
        backup = real.with_name(f"{real.name}.before-kprov")
        _replace(backup, before)
    _replace(real, text)
    return backup


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keep kubectl, and other kprovs, from changing the file meanwhile: kubectl's own lock, a file beside it."""
    lock = Path(f"{os.path.realpath(path)}.lock")
    lock.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    end = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            os.close(os.open(lock, os.O_CREAT | os.O_EXCL, 0o600))
            break
        except FileExistsError:
            if time.monotonic() > end:
                hint = "when no kubectl is running, remove that file"
                raise LockedError(f"{path} is being changed: {lock} exists", hint=hint) from None
            time.sleep(0.05)  # poll interval
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)


def _replace(path: Path, text: str) -> None:
    """mkstemp makes the file with mode 0600: there is no moment in which others can read it."""
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            Path(name).unlink()
        raise


def _refuse_foreign(data: Entry, mine: Access) -> None:
    """An entry of our name is replaced when it has our CA, or came from the same inventory (the cluster is new)."""
    for kind, name in (("clusters", mine.name), ("users", mine.user_name), ("contexts", mine.name)):
        found = _find(data, kind, name)
        if found and not _is_ours(data, mine):
            raise InputError(
                f"the kubeconfig has {kind[:-1]} {name!r} of another cluster",
                hint="give this cluster another cluster_name, write to a file of its own, or allow to replace it",
                problems=[
                    Problem("error", "kubeconfig-name-taken", f"{kind[:-1]} {name!r} belongs to another cluster")
                ],
            )


def _is_ours(data: Entry, mine: Access) -> bool:
    body = (_find(data, "clusters", mine.name) or {}).get("cluster") or {}
    authority = body.get("certificate-authority-data")
    if authority and authority == mine.cluster.get("certificate-authority-data"):
        return True
    sources = [e.get("extension", {}).get("inventory") for e in body.get("extensions") or () if e["name"] == EXTENSION]
    return mine.source in sources


def _find(data: Entry, kind: str, name: str) -> Entry | None:
    return next((entry for entry in data.get(kind) or () if entry.get("name") == name), None)


def _put(data: Entry, kind: str, name: str, key: str, body: Mapping[str, Any]) -> None:
    """Replace the entry of that name where it stands, or add it at the end."""
    if not data.get(kind):
        data[kind] = []
    entries = data[kind]
    for index, entry in enumerate(entries):
        if entry.get("name") == name:
            entries[index][key] = dict(body)
            return
    entries.append({"name": name, key: dict(body)})


def _empty() -> Entry:
    return {"apiVersion": "v1", "kind": "Config", "clusters": [], "contexts": [], "users": [], "preferences": {}}


def _yaml() -> YAML:
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 1 << 20  # keys are long lines
    return yaml


def _parse(text: str, what: str) -> Entry:
    """The text as a mapping. The parser's own message is not shown: it quotes the file."""
    try:
        data = _yaml().load(text)
    except YAMLError as error:
        mark = error.problem_mark if isinstance(error, MarkedYAMLError) else None
        line = f" (line {mark.line + 1})" if mark else ""
        raise InputError(f"{what} is not valid YAML{line}; nothing was changed") from None
    except (ValueError, IndexError):  # ruamel takes ._ and -_ for numbers, and then cannot read them
        raise InputError(f"{what} has a value that looks like a number and is none: put it into quotes") from None
    if data is None:
        return _empty()
    lists = ("clusters", "contexts", "users")
    well_formed = isinstance(data, MutableMapping) and all(
        isinstance(data.get(kind) or [], list) and all(isinstance(e, Mapping) for e in data.get(kind) or ())
        for kind in lists
    )
    if not well_formed:
        raise InputError(f"{what} is not a kubeconfig; nothing was changed")
    return data  # type: ignore[no-any-return]


def _dump(data: Entry) -> str:
    stream = StringIO()
    _yaml().dump(data, stream)
    return stream.getvalue()
