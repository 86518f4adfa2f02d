"""`kprov kubeconfig`: the cluster's admin credentials for kubectl on this machine."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kprov import kubeconfig as files
from kprov.commands.context import Options
from kprov.errors import ConnectError, Problem
from kprov.spec.cluster import ClusterSpec, Host
from kprov.ui.result import Result

if TYPE_CHECKING:
    from rich.console import Console

    from kprov.certs.certificate import Certificate
    from kprov.remote.ssh import Connections

ADMIN_CONF = "/etc/kubernetes/admin.conf"


def kubeconfig(
    options: Options,
    *,
    file: Path | None = None,
    show: bool = False,
    use_context: bool = False,
    replace: bool = False,
) -> Result:
    """Fetch admin.conf from a control plane and merge it into a kubeconfig.

    file: default $KUBECONFIG's first, else ~/.kube/config. show: only print a kubeconfig of its own, write nothing.
    use_context: make it the current context. replace: even if another cluster has the name.
    Raises ConnectError when no control plane gives its admin.conf, InputError when the file cannot take it.
    """
    from kprov.remote.ssh import Connections
    from kprov.spec.load import load

    loaded = load(options.inventory)
    spec = loaded.spec
    with Connections(accept_new_host_keys=options.accept_new_host_keys) as connections:
        host, text = fetch(spec, connections)
    mine = files.access(text, spec.name, str(spec.inventory.resolve()), server_for(spec, host))
    data: dict[str, Any] = {
        "cluster": spec.name,
        "context": mine.name,
        "server": mine.cluster["server"],
        "control_plane": host.name,
        "expires": expires(mine),
    }
    if show:
        printed = files.merge(None, mine).text
        data |= {"path": None, "changed": False, "kubeconfig": printed}
        return Result(
            "kubeconfig", data, lambda console: console.out(printed, highlight=False, end=""), loaded.warnings
        )
    path = (file or files.default_path()).expanduser()
    with files.locked(path):
        before = files.read(path)
        merged = files.merge(before, mine, use_context=use_context, replace=replace)
        backup = files.write(path, merged.text)
    data |= {
        "path": str(path),
        "changed": before != merged.text,
        "backup": str(backup) if backup else None,
        "current_context": merged.current,
    }
    kubectl = "kubectl" if path == files.default_path().expanduser() else f"kubectl --kubeconfig {path}"
    return Result("kubeconfig", data, lambda console: _render(console, data, kubectl), loaded.warnings)


def refresh(options: Options, cluster: str, replaced: Collection[Certificate]) -> Path | Problem | None:
    """Fetch anew if the user's default kubeconfig has one of these certificates: its path; a warning if it has another.

    replaced: of admin.conf, on any control plane. None where the file knows nothing of the cluster. Raises as
    kubeconfig does.
    """
    from kprov.certs.certificate import from_pem

    path = files.default_path().expanduser()
    text = files.read(path)
    pem = files.client_certificate(text, cluster) if text else None
    if pem is None:
        return None
    if from_pem(pem)[0] in replaced:
        kubeconfig(options)
        return path
    message = f"{path} has another certificate for {cluster}-admin than was replaced: left as it is"
    return Problem("warning", "kubeconfig-left", message, hint="`kprov kubeconfig` fetches the present one")


def fetch(spec: ClusterSpec, connections: Connections) -> tuple[Host, str]:
    """(control plane, its admin.conf): the first one that has it."""
    problems: list[Problem] = []
    for host in spec.group("kube_control_plane"):
        try:
            done = connections.run(host, f"cat {ADMIN_CONF}")
        except ConnectError as error:
            problems.append(Problem("error", "host-unreachable", error.message, host=host.name, hint=error.hint))
            continue
        if done.exit_code == 0:
            return host, done.stdout
        problems.append(Problem("error", "no-admin-conf", done.stderr.strip(), host=host.name))
    raise ConnectError(
        f"no control plane gives its {ADMIN_CONF}",
        problems=problems,
        hint="a cluster that is not there yet: `kprov up`",
    )


def server_for(spec: ClusterSpec, host: Host) -> str | None:
    """URL of the API server when it must not be the one in admin.conf.

    Without a control_plane_endpoint admin.conf names the first control plane, which may be the one that is dead.
    """
    if spec.hosts[0].variables["control_plane_endpoint"]:
        return None
    address = f"[{host.ip}]" if ":" in host.ip else host.ip
    return f"https://{address}:{host.variables['api_server_port']}"


def expires(mine: files.Access) -> str | None:
    """When the client certificate ends, RFC 3339; None if there is none."""
    import base64
    from datetime import UTC

    from cryptography.x509 import load_pem_x509_certificate

    encoded = mine.user.get("client-certificate-data")
    if not encoded:
        return None
    try:
        certificate = load_pem_x509_certificate(base64.b64decode(encoded))
    except ValueError:
        return None
    return certificate.not_valid_after_utc.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _render(console: Console, data: dict[str, Any], kubectl: str) -> None:
    done = "updated" if data["backup"] else "written" if data["changed"] else "has it already"
    if data["current_context"] != data["context"]:
        kubectl += f" --context {data['context']}"
    lines: Sequence[str] = [
        f"{data['path']} {done}: context {data['context']}, server {data['server']}, valid until {data['expires']}",
        *([f"what was there before: {data['backup']}"] if data["backup"] else []),
        f"try: {kubectl} get nodes",
    ]
    for line in lines:
        console.print(line, soft_wrap=True, markup=False)
