"""kubeconfig files: whom they log in as, whom they trust. Keys and tokens are looked at, never handed on."""

from __future__ import annotations

import base64
import json
import os
import re
from typing import Any

from kprov.certs.node import files, known, pem
from kprov.remote.node import read

KUBERNETES = "/etc/kubernetes"
BACKUPS = "/var/lib/kprov/backups"
HOMES = "/home"
KIND = re.compile(r"\bkind[\"']?:\s*[\"']?Config\b")
# What kubeadm and kubectl write: keys, items of lists, comments, marks between documents.
YAML_LINE = re.compile(r"\s*(#.*|---.*|-( .*)?|(- )?[\"']?[\w./-]+[\"']?:( .*)?)?")
LOGINS = re.compile(r"^[\s\"']*(token|tokenFile|exec|auth-provider|username|client-certificate(-data)?)[\"']?:", re.M)


def paths(named: list[str], wanted: list[str] | None = None) -> list[str]:
    """kubeadm's, those that flags name, and root's and the users' own. wanted: also those that are not there."""
    wanted = wanted or []
    system = [f"{KUBERNETES}/{name}" for name in read.names(KUBERNETES) if name.endswith(".conf")]
    homes = ["/root", *(f"{HOMES}/{name}" for name in read.names(HOMES))]
    found = dict.fromkeys([*named, *system, *wanted, *(f"{home}/.kube/config" for home in homes)])
    return [path for path in found if path in wanted or read.exists(path)]


def replaced() -> list[str]:
    """Serial numbers, hexadecimal, of the administrators' certificates that kprov has renewed, from its backups."""
    made = [read.json_object(f"{BACKUPS}/{name}/backup.json") or {} for name in read.names(BACKUPS)]
    kept = [one.get("certificates", {}).get(name) for one in made for name in known.ADMINS]
    return sorted({one["serial"] for one in kept if one})


def look(paths: list[str], kubeadms: list[str] | None = None) -> list[dict[str, Any]]:
    """One for each user in each file: path, mode, owner, changed, name, server, pem, follows, authority, key, error.

    Files that are no kubeconfigs are left out, unless they should be: kubeadms. A user with a token has no pem.
    follows: the file that the certificate is in, if it is not in the kubeconfig. authority: PEM. key: None, or as in
    files.look.
    """
    return [found for path in paths for found in _file(path, path in (kubeadms or ()))]


def _file(path: str, kubeadms: bool) -> list[dict[str, Any]]:
    try:
        text = read.text(path)
        about = files.entry(path)
    except FileNotFoundError:
        return [{"path": path, "error": "it is missing"}]
    except OSError as error:
        return [{"path": path, "error": error.strerror or str(error)}]
    broken = _broken(text) if kubeadms else None
    if broken:
        return [{**about, "error": broken}]
    if not KIND.search(text):
        return []
    clusters, users = _entries(text, "clusters"), _entries(text, "users")
    servers = {_value(body, "server") for body in clusters.values()} - {""}
    authority = "\n".join(_pem(body, "certificate-authority", path) for body in clusters.values())
    about["server"] = next(iter(servers), None) if len(servers) == 1 else None
    about["authority"] = pem.certificates(authority)
    return [{**about, "name": name, **_login(body, path)} for name, body in users.items()]


def _broken(text: str) -> str | None:
    """Why nobody can log in with a file that should be a kubeconfig; None: by its shape, somebody can."""
    if not text.strip():
        return "it is empty"
    if not KIND.search(text):
        return "it is no kubeconfig, or the beginning of one"
    if not text.lstrip().startswith("{"):
        lines = enumerate(text.splitlines(), 1)
        garbled = next((number for number, line in lines if not YAML_LINE.fullmatch(line)), None)
        if garbled:
            return f"line {garbled} is no YAML"
    if not any(LOGINS.search(body) for body in _entries(text, "users").values()):
        return "it has no user with a certificate"
    return None


def _login(body: str, path: str) -> dict[str, Any]:
    """What a user's entry says about its certificate."""
    certificate = pem.certificates(_pem(body, "client-certificate", path))
    follows = _file_of(body, "client-certificate", path)
    key = None
    if certificate:
        place = _file_of(body, "client-key", path) or path
        about = files.entry(place) if read.exists(place) else {"path": place, "mode": "0000", "owner": None}
        key = {**about, "problem": pem.key_problem(certificate, _pem(body, "client-key", path))}
    asked = follows or _value(body, "client-certificate-data")
    what = f"there is no certificate in {follows or 'client-certificate-data'}"
    return {"pem": certificate, "follows": follows, "key": key, "error": what if asked and not certificate else None}


def _entries(text: str, section: str) -> dict[str, str]:
    """Name to text of the entries of a list. kubectl and kubeadm write YAML in one shape; JSON is YAML, too."""
    try:
        document = json.loads(text)
        return {str(entry["name"]): json.dumps(entry, indent=0) for entry in document.get(section) or ()}
    except (ValueError, KeyError, TypeError, AttributeError):
        pass
    body = re.search(rf"^{section}:[ \t]*\n((?:[ \t-].*\n?|\n)*)", text, re.MULTILINE)
    if body is None:
        return {}
    first = re.search(r"^ *- ", body.group(1), re.MULTILINE)  # lists inside an entry are indented further
    entries = re.split(f"^{first.group()}", body.group(1), flags=re.MULTILINE)[1:] if first else []
    return {_value(entry, "name"): entry for entry in entries}


def _value(body: str, name: str) -> str:
    found = re.search(rf"^[\s\"']*{name}[\"']?:[ \t]*[\"']?([^\s\"',]+)", body, re.MULTILINE)
    return found.group(1) if found else ""


def _pem(body: str, name: str, path: str) -> str:
    """NAME-data in base64, or NAME with a path, relative to the kubeconfig's directory; empty if there is neither."""
    data = _value(body, f"{name}-data")
    if data:
        try:
            return base64.b64decode(data).decode(errors="replace")
        except ValueError:
            return ""
    file = _file_of(body, name, path)
    return read.text_or(file) if file else ""


def _file_of(body: str, name: str, path: str) -> str | None:
    """Where NAME leads to; NAME-data wins, as in kubectl."""
    file = "" if _value(body, f"{name}-data") else _value(body, name)
    return os.path.join(os.path.dirname(path), file) if file else None  # noqa: PTH118, PTH120
