"""Asks every host at once for what it has, and makes one inventory of the answers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

from kprov.certs.answer import Found, found
from kprov.certs.certificate import Certificate, from_pem
from kprov.certs.item import Inventory, Item, Lease, Renewer, Request, Served, Unread
from kprov.phases.inputs import api_endpoint
from kprov.remote.ask import Answer, ask
from kprov.remote.shell import Shell
from kprov.remote.state import Unreachable
from kprov.spec.cluster import ClusterSpec, Host

PACKAGE = "kprov.certs.node"
HOSTS_AT_ONCE = 50


def look(spec: ClusterSpec, hosts: Sequence[Host], shell: Shell) -> Inventory:
    """One SSH exec per host. Hosts that do not answer are `unread`, never an exception."""
    endpoint = api_endpoint(spec)
    planes = spec.group("kube_control_plane")

    def ask_one(host: Host) -> Answer | Unread:
        # Each control plane asks the endpoint, as often as there are API servers that might answer.
        asks = host in planes and endpoint != f"{host.ip}:{host.variables['api_server_port']}"
        question = {"address": host.ip, "endpoints": [endpoint] if asks else [], "tries": len(planes)}
        return _ask(host, shell, question)

    with ThreadPoolExecutor(max_workers=HOSTS_AT_ONCE, thread_name_prefix="certs") as pool:
        answers = dict(zip((host.name for host in hosts), pool.map(ask_one, hosts), strict=True))
    return inventory(answers, datetime.now(UTC), [host.name for host in planes])


def look_here(name: str, address: str) -> Inventory:
    """The same on this machine, without SSH and inventory. name: what to call it."""
    from kprov.certs.node.main import collect

    question = {"address": address, "endpoints": [], "tries": 0}
    return inventory({name: Answer(collect(question))}, datetime.now(UTC))


def inventory(answers: dict[str, Answer | Unread], now: datetime, planes: Iterable[str] = ()) -> Inventory:
    """Answers by host -> everything that expires. Pure. planes: names of the control planes, asked or not."""
    unread = [answer for answer in answers.values() if isinstance(answer, Unread)]
    read = {host: answer for host, answer in answers.items() if isinstance(answer, Answer)}
    all_found = [found(host, answer.document, answer.skew) for host, answer in read.items()]
    items = [item for one in all_found for item in one.items]
    unread += [problem for one in all_found for problem in one.unread]
    items += _endpoints(all_found, items, complete=read.keys() >= {*planes})
    answered = _api(read.values())
    requests: tuple[Request, ...] = ()
    if answered is None:
        leases: tuple[Lease, ...] = ()
        unread += _api_errors(read)
    else:
        api = answered.document["api"]
        there = now + timedelta(seconds=answered.skew)
        leases = tuple(_lease(name, lease, there) for name, lease in api["leases"].items())
        items += _bundles(api["bundles"], unread)
        requests = tuple(_request(one, there) for one in api["requests"])
    return Inventory(now, tuple(items), tuple(one.machine for one in all_found), leases, tuple(unread), requests)


def _ask(host: Host, shell: Shell, question: dict[str, Any]) -> Answer | Unread:
    answer = ask(host, shell, question, PACKAGE)
    return Unread(host.name, "host", answer.message) if isinstance(answer, Unreachable) else answer


def _endpoints(all_found: Iterable[Found], items: Sequence[Item], *, complete: bool) -> list[Item]:
    """Each certificate that answered on the cluster's endpoint; it is right when an API server has it on disk.

    complete: whether every control plane was looked at; if not, one that is on no disk may be another one's.
    """
    on_disk = {item.certificate for item in items if item.name == "apiserver"}
    answered: dict[tuple[str, Certificate], None] = {}
    for one in all_found:
        answered.update(dict.fromkeys(one.endpoints))
    return [
        Item(
            host="",
            name="endpoint",
            kind="served",
            place=where,
            certificate=certificate,
            renewer=Renewer.KUBEADM if certificate in on_disk else Renewer.NOBODY,
            served=(Served(where, certificate),),
            served_equal=True if certificate in on_disk else (False if complete else None),
        )
        for where, certificate in answered
    ]


def _api(answers: Iterable[Answer]) -> Answer | None:
    """That of the first host whose API server answered."""
    return next((one for one in answers if one.document["api"] and not one.document["api"]["error"]), None)


def _api_errors(read: dict[str, Answer]) -> list[Unread]:
    said = {host: answer.document["api"] for host, answer in read.items() if answer.document["api"]}
    return [Unread(host, "leases and CA bundles in the API", api["error"]) for host, api in said.items()]


def _lease(component: str, lease: dict[str, str], now: datetime) -> Lease:
    """now: by the control planes' clocks."""
    renewed = datetime.fromisoformat(lease["renewed"])
    return Lease(component, lease["holder"], (now - renewed).total_seconds())


def _request(request: dict[str, Any], now: datetime) -> Request:
    """now: by the control planes' clocks."""
    created = datetime.fromisoformat(request["created"])
    return Request(request["name"], (now - created).total_seconds(), request["spec"])


def _bundles(bundles: Iterable[dict[str, str]], unread: list[Unread]) -> list[Item]:
    items = []
    for bundle in bundles:
        place = f"{bundle['kind']} {bundle['name']}"
        try:
            certificates = from_pem(bundle["pem"])
        except ValueError as error:
            unread.append(Unread("", place, str(error)))
            continue
        items += [
            Item("", "caBundle", "bundle", place, certificate, Renewer.NOBODY, authorities=certificates)
            for certificate in certificates
        ]
    return items
