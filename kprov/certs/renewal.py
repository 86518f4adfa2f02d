"""What a renewal has to do, host by host: files that are due, processes that do not use theirs. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from kprov.certs.item import Inventory, Item, Renewer
from kprov.certs.node.known import ADMINS, BY_NAME, KUBEADM, READ_AT_START
from kprov.certs.node.verdict import OVERDUE

KUBELET_CLIENT, KUBELET_SERVER = "kubelet-client", "kubelet-server"
# Without one of these nobody gets through to the API server, or it not to etcd.
SERVING = frozenset({"apiserver", "apiserver-etcd-client", "etcd-server", "etcd-peer", "admin.conf"})
DEFAULT_WITHIN = 30 * 86_400.0  # seconds, as certs_renew_within
READERS = {kubeconfig: component for component, kubeconfig in READ_AT_START.items()}


@dataclass(frozen=True)
class Work:
    """On one control plane. due: to be renewed; unused: in order on disk, but what runs does not use it.

    copies: kubeconfigs with the certificate of an admin.conf that was replaced since.
    """

    host: str
    due: tuple[Item, ...] = ()
    unused: tuple[Item, ...] = ()
    copies: tuple[Item, ...] = ()

    @property
    def restarts(self) -> tuple[str, ...]:
        """Components that have to be restarted, because they read their certificate only when they start."""
        names = {item.name for item in (*self.due, *self.unused)}
        return tuple(component for kubeconfig, component in sorted(READERS.items()) if kubeconfig in names)


@dataclass(frozen=True)
class Renewal:
    """work: control planes with something to do. external: what only the owner of another CA can renew.

    kubelets: nodes whose kubelet needs new certificates; etcd: nodes whose etcd is a service and does. recover:
    something that the API server or etcd cannot live without has ended, so that neither can be asked. names: control
    plane to certificate to what it is to be valid for, when this is not about time but about names.
    """

    work: tuple[Work, ...]
    external: tuple[Item, ...] = ()
    kubelets: tuple[Work, ...] = ()
    etcd: tuple[Work, ...] = ()
    recover: bool = False
    names: Mapping[str, Mapping[str, Sequence[str]]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        """Whether there is anything to do."""
        return bool(self.work or self.kubelets or self.etcd)

    @property
    def hosts(self) -> tuple[str, ...]:
        return tuple(work.host for work in self.work)


def plan(
    inventory: Inventory,
    hosts: Collection[str],
    only: Collection[str],
    within: float | None,
    copied: Collection[str] = (),
) -> Renewal:
    """hosts: control planes, in their order. only: names, all if empty. within: seconds left, None: however many.

    copied: paths that may hold copies of admin.conf, certs_renew_kubeconfigs.
    """
    work = []
    for host in hosts:
        mine = [item for item in inventory.items if item.host == host and item.name in KUBEADM]
        wanted = [item for item in mine if not only or item.name in only]
        due = [item for item in wanted if item.renewer is Renewer.KUBEADM and _due(item, inventory, within)]
        unused = [item for item in mine if item.served_equal is False and item not in due and not _of_etcd(item)]
        copies = _outdated(inventory, host, copied)
        if due or unused or copies:
            work.append(Work(host, tuple(due), tuple(unused), tuple(copies)))
    services = etcd(inventory, only, within)
    ended = (item for each in (*work, *services) for item in each.due if item.left(inventory.now) <= 0)
    return Renewal(
        tuple(work),
        external(inventory, hosts, only, within),
        kubelets(inventory, only, within),
        services,
        any(item.name in SERVING for item in ended),
    )


def plan_names(lacking: Iterable[tuple[Item, list[str]]], hosts: Collection[str]) -> Renewal:
    """Certificates that are issued again because they are not valid for all their names, whatever time they have left.

    lacking: see kprov.certs.rules.identity. hosts: control planes, in their order.
    """
    found = [(item, names) for item, names in lacking if item.host in hosts]
    ours = [(item, names) for item, names in found if item.renewer is Renewer.KUBEADM]
    names: dict[str, dict[str, Sequence[str]]] = {}
    for item, missing in ours:
        names.setdefault(item.host, {})[item.name] = missing
    return Renewal(
        tuple(Work(host, tuple(item for item, _ in ours if item.host == host)) for host in hosts if host in names),
        tuple(item for item, _ in found if item.renewer is Renewer.EXTERNAL),
        names=names,
    )


def external(
    inventory: Inventory, hosts: Collection[str], only: Collection[str], within: float | None
) -> tuple[Item, ...]:
    """Those of control planes, and of every etcd."""
    return tuple(
        item
        for item in inventory.items
        if item.renewer is Renewer.EXTERNAL and (item.host in hosts or item.authority == "etcd-ca")
        if (not only or item.name in only) and _due(item, inventory, within)
    )


def of_kubeadm(item: Item) -> bool:
    """Whether it is where kubeadm has it; a certificate of an etcd that is a service is not."""
    return item.name in KUBEADM and (item.kind == "kubeconfig" or item.place.endswith(f"/{BY_NAME[item.name].path}"))


def etcd(inventory: Inventory, only: Collection[str], within: float | None) -> tuple[Work, ...]:
    """Nodes whose etcd is a service, with the key of its CA beside its certificates; they need be no control planes."""
    found: dict[str, list[Item]] = {}
    for item in inventory.items:
        if _of_etcd(item) and (not only or item.name in only):
            found.setdefault(item.host, []).append(item)
    work = []
    for host, items in found.items():
        due = tuple(item for item in items if _due(item, inventory, within))
        unused = tuple(item for item in items if item.served_equal is False and item not in due)
        work += [Work(host, due, unused)] if due or unused else []
    return tuple(work)


def _of_etcd(item: Item) -> bool:
    return item.renewer is Renewer.KPROV


def kubelets(inventory: Inventory, only: Collection[str], within: float | None) -> tuple[Work, ...]:
    """Nodes whose kubelet cannot renew its own certificate any more, or never does: one that it signed itself.

    One that it has asked for and should have got by now needs somebody who approves it.
    """
    found: dict[str, list[Item]] = {}
    for item in inventory.items:
        ended = item.name == KUBELET_CLIENT and item.left(inventory.now) <= 0
        # A restart of every kubelet is not what "all" asks for; by name it is.
        span = None if KUBELET_SERVER in only else within or DEFAULT_WITHIN
        server = item.name == KUBELET_SERVER
        own = server and item.renewer is Renewer.NOBODY and _due(item, inventory, span)
        unanswered = server and item.renewer is Renewer.KUBELET and overdue(item, inventory)
        if (ended or own or unanswered) and (not only or item.name in only):
            found.setdefault(item.host, []).append(item)
    return tuple(Work(host, tuple(items)) for host, items in found.items())


def overdue(item: Item, inventory: Inventory) -> bool:
    """Whether a kubelet should have replaced a certificate by now."""
    life = item.certificate.not_after - item.certificate.not_before
    return item.left(inventory.now) < OVERDUE * life.total_seconds()


def _outdated(inventory: Inventory, host: str, copied: Collection[str]) -> list[Item]:
    """Copies that a renewal was to refresh, and did not get to."""
    mine = [item for item in inventory.items if item.host == host]
    current = [item.certificate for item in mine if item.name in ADMINS]
    copies = [item for item in mine if item.renewer is Renewer.COPY and item.place in copied]
    return [item for item in copies if item.certificate not in current]


def _due(item: Item, inventory: Inventory, within: float | None) -> bool:
    broken = item.key is not None and item.key.problem is not None  # a renewal that was cut between two files
    return broken or within is None or item.left(inventory.now) < within


@dataclass(frozen=True)
class Renewed:
    """One item before and after. proof: how it is known to be in use; problem: why it is not renewed or not in use."""

    before: Item
    after: Item | None
    proof: str = ""
    problem: str = ""

    @property
    def changed(self) -> bool:
        """Whether there is another certificate on disk now."""
        return self.after is not None and self.after.certificate != self.before.certificate


def compare(renewal: Renewal, after: Inventory) -> tuple[Renewed, ...]:
    """What has become of each item that the renewal was about."""
    return tuple(
        _compare(item, after.named(work.host, item.name), item not in work.unused)
        for work in (*renewal.etcd, *renewal.work, *renewal.kubelets)
        for item in (*work.due, *work.unused, *work.copies)
    )


def _compare(before: Item, after: Item | None, due: bool) -> Renewed:
    if after is None:
        return Renewed(before, after, problem="it cannot be read any more")
    if due and after.certificate == before.certificate:
        return Renewed(before, after, problem="not renewed")
    if after.key and after.key.problem:
        return Renewed(before, after, problem=f"its private key: {after.key.problem}")
    if after.served_equal is False:
        return Renewed(before, after, problem="renewed on disk, but what runs still uses the old one")
    return Renewed(before, after, proof=_proof(after))


def _proof(item: Item) -> str:
    if item.served:
        return "served at " + ", ".join(one.where for one in item.served)
    if item.served_equal:
        return f"{READERS.get(item.name, 'its process')} started after it"
    if item.kind == "kubeconfig":
        return "new in the file"
    return "new in the file, which is read for each connection"
