"""`kprov certs check`: everything that expires, on disk and on the wire."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from kprov.commands.context import Options, refuse_strangers
from kprov.errors import ConnectError, ExitCode, InputError, Problem
from kprov.ui.result import Result

if TYPE_CHECKING:
    from rich.console import Console

    from kprov.certs.finding import Finding, Limits
    from kprov.certs.item import Inventory, Item

Form = Literal["table", "wide", "prometheus"]
WARN, CRITICAL = "30d", "7d"


@dataclass(frozen=True)
class CheckOptions:
    """warn, critical: as typed, 30d. local: this machine, without inventory. form: how the result is printed."""

    warn: str = WARN
    critical: str = CRITICAL
    local: bool = False
    form: Form = "table"


def certs_check(options: Options, how: CheckOptions) -> Result:
    """Exit code 0: all is well; 2: warnings; 3: something critical; 4: nothing critical, but not everything was read.

    Raises InputError for the inventory and the options, ConnectError when no host answered.
    """
    from kprov.certs.rules import judge

    limits = _limits(how)
    cluster, inventory, spec, warnings = _here() if how.local else _there(options)
    if not inventory.machines:
        raise ConnectError("none of the hosts could be looked at", problems=_unread(inventory))
    findings = judge(inventory, limits, spec)
    return Result(
        kind="certs.check",
        data=_data(cluster, inventory, findings),
        render=_renderer(how.form, cluster, inventory, findings, limits),
        problems=[*warnings, *_unread(inventory), *(finding.problem() for finding in findings)],
        exit_code=_exit_code(inventory, findings),
    )


def _limits(how: CheckOptions) -> Limits:
    from kprov.certs.duration import seconds
    from kprov.certs.finding import Limits

    limits = Limits(seconds(how.warn, "--warn"), seconds(how.critical, "--crit"))
    if limits.critical > limits.warn:
        raise InputError(f"--crit {how.critical} is more than --warn {how.warn}", hint="a warning comes first")
    return limits


def _there(options: Options) -> tuple[str, Inventory, Any, Sequence[Problem]]:
    from kprov.certs.look import look
    from kprov.remote.ssh import Connections
    from kprov.spec.load import load

    loaded = load(options.inventory)
    refuse_strangers(loaded.spec, options.limit)
    hosts = [host for host in loaded.spec.hosts if not options.limit or host.name in options.limit]
    with Connections(accept_new_host_keys=options.accept_new_host_keys) as shell:
        return loaded.spec.name, look(loaded.spec, hosts, shell), loaded.spec, loaded.warnings


def _here() -> tuple[str, Inventory, None, Sequence[Problem]]:
    import os
    import socket

    from kprov.certs.look import look_here
    from kprov.remote.node import network

    if os.geteuid() != 0:
        raise InputError("--local reads private keys, to compare them with their certificates", hint="run it as root")
    name = socket.gethostname()
    return name, look_here(name, next(iter(network.addresses()), "127.0.0.1")), None, ()


def _exit_code(inventory: Inventory, findings: Sequence[Finding]) -> ExitCode:
    """What is critical counts most; after that what could not be read, because it may hide something critical."""
    if any(finding.severity == "critical" for finding in findings):
        return ExitCode.CRITICAL
    if inventory.unread:
        return ExitCode.UNREADABLE
    return ExitCode.FOUND if findings else ExitCode.OK


def _unread(inventory: Inventory) -> list[Problem]:
    return [Problem("warning", "unread", f"{one.what}: {one.why}", host=one.host or None) for one in inventory.unread]


def _data(cluster: str, inventory: Inventory, findings: Sequence[Finding]) -> dict[str, Any]:
    return {
        "cluster": cluster,
        "checked": inventory.now.isoformat(timespec="seconds"),
        "items": [_item(item, inventory) for item in inventory.items],
        "keys": [
            {"host": machine.host, "path": key.path, "age_seconds": int(key.age(inventory.now) or 0)}
            for machine in inventory.machines
            for key in machine.private_keys
        ],
        "leases": [vars(lease) for lease in inventory.leases],
        "findings": [vars(finding) for finding in findings],
        "unread": [vars(one) for one in inventory.unread],
    }


def _item(item: Item, inventory: Inventory) -> dict[str, Any]:
    from kprov.certs.rules.authority import signer

    certificate = item.certificate
    return {
        "host": item.host,
        "item": item.name,
        "kind": item.kind,
        "path": item.place,
        "subject": certificate.subject,
        "sans": list(certificate.sans),
        "issuer": certificate.issuer,
        "signed_by": signer(inventory, item),
        "serial": certificate.serial,
        "sha256": certificate.fingerprint,
        "not_before": certificate.not_before.isoformat(),
        "not_after": certificate.not_after.isoformat(),
        "left_seconds": int(item.left(inventory.now)),
        "served": [{"where": one.where, "sha256": one.certificate.fingerprint} for one in item.served],
        "served_equal": item.served_equal,
        "renewed_by": item.renewer.value,
    }


def _renderer(
    form: Form, cluster: str, inventory: Inventory, findings: Sequence[Finding], limits: Limits
) -> Callable[[Console], None]:
    if form == "prometheus":
        from kprov.certs.prometheus import metrics

        text = metrics(cluster, inventory, findings)
        return lambda console: console.out(text, end="", highlight=False)
    from kprov.ui.certs_table import certs_table

    return lambda console: certs_table(console, cluster, inventory, findings, limits, wide=form == "wide")
