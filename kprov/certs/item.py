"""One thing in a cluster that expires, and all that is known about all of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

from kprov.certs.certificate import Certificate


class Renewer(StrEnum):
    """Who replaces a certificate before it ends."""

    KUBEADM = "kubeadm"  # `kprov certs renew`, `kubeadm certs renew`, an upgrade
    KPROV = "kprov"  # `kprov certs renew`, with the key of a CA that kubeadm does not know: an etcd's that is a service
    KUBELET = "kubelet"  # by itself, while it can reach the API server
    EXTERNAL = "external CA"  # the CA's key is not on the node
    COPY = "copy of admin.conf"
    RESTART = "restart"  # its process makes a new one when it starts
    NOBODY = "nobody"


Kind = Literal["ca", "certificate", "kubeconfig", "served", "bundle"]


@dataclass(frozen=True)
class Key:
    """A private key on a node. problem: why it does not belong to its certificate. changed: seconds since the epoch."""

    path: str
    mode: int
    problem: str | None = None
    changed: float | None = None

    def age(self, now: datetime) -> float | None:
        """Seconds since its file was written: a key has no time in it."""
        return None if self.changed is None else now.timestamp() - self.changed


@dataclass(frozen=True)
class Served:
    """What a socket answered with. where: ADDRESS:PORT."""

    where: str
    certificate: Certificate


@dataclass(frozen=True)
class Item:
    """host: "" for what belongs to the cluster. name: kubeadm's where kubeadm has one. place: path, address or object.

    authority: name of the item that signed it; chain: certificates between the two, in the same file.
    authorities: those that it makes its user trust (a kubeconfig's).
    served_equal: whether what is in use is what is on disk; None where that cannot be seen from outside. changed: when
    the file was, in seconds since the epoch; started: when the process was that reads it only at its start; the
    first of them, for a bundle of CAs.
    """

    host: str
    name: str
    kind: Kind
    place: str
    certificate: Certificate
    renewer: Renewer
    authority: str | None = None
    chain: tuple[Certificate, ...] = ()
    authorities: tuple[Certificate, ...] = ()
    key: Key | None = None
    served: tuple[Served, ...] = ()
    served_equal: bool | None = None
    changed: float | None = None
    started: float | None = None

    def left(self, now: datetime) -> float:
        """Seconds until it ends; negative after that."""
        return (self.certificate.not_after - now).total_seconds()


@dataclass(frozen=True)
class Lease:
    """Who leads; age: seconds since it last said so."""

    component: str
    holder: str
    age: float


@dataclass(frozen=True)
class Request:
    """A kubelet's request for a serving certificate that nobody has decided on. age: seconds. spec: as in the API."""

    name: str
    age: float
    spec: Mapping[str, Any]


@dataclass(frozen=True)
class Machine:
    """What a host said that is no item.

    skew: seconds its clock is wrong. service_account: digest of the public key. private_keys: those without a
    certificate, which never end: the one that signs the tokens of service accounts. csrs: name of an item to the
    request for it that waits on the host for a CA elsewhere, PEM. timer, renewal: of kprov.certs.node.timer, for the
    check and for the renewal in a maintenance window. backups: of kprov.certs.node.backups. kubeconfigs: name of each
    of kubeadm's on a control plane to why nobody can log in with it; None: by its shape, somebody can.
    """

    host: str
    control_plane: bool
    skew: float = 0.0
    service_account: str | None = None
    private_keys: tuple[Key, ...] = ()
    timer: Mapping[str, Any] | None = None
    csrs: Mapping[str, str] = field(default_factory=dict)
    renewal: Mapping[str, Any] | None = None
    backups: tuple[Mapping[str, Any], ...] = ()
    kubeconfigs: Mapping[str, str | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Unread:
    """What could not be read, so that nothing can be said about it."""

    host: str
    what: str
    why: str


@dataclass(frozen=True)
class Inventory:
    """Everything that expires, at one time. requests: those of kubelets for serving certificates, pending."""

    now: datetime
    items: tuple[Item, ...]
    machines: tuple[Machine, ...] = ()
    leases: tuple[Lease, ...] = ()
    unread: tuple[Unread, ...] = ()
    requests: tuple[Request, ...] = ()

    def machine(self, host: str) -> Machine | None:
        """What a host said of itself; None if it was not asked or did not answer."""
        return next((machine for machine in self.machines if machine.host == host), None)

    def named(self, host: str, name: str | None) -> Item | None:
        """The item of that name on a host."""
        return next((item for item in self.items if item.host == host and item.name == name), None)

    def all_named(self, name: str) -> Iterable[Item]:
        """The items of that name, of all hosts."""
        return (item for item in self.items if item.name == name)
