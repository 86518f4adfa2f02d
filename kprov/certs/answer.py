"""What a node answered -> items. Pure."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from kprov.certs.certificate import Certificate, from_der, from_pem
from kprov.certs.item import Item, Key, Machine, Renewer, Served, Unread
from kprov.certs.node import known
from kprov.certs.node.verdict import started_after
from kprov.lint import written
from kprov.lint.record import Config
from kprov.remote.node.processes import flag


@dataclass
class Found:
    """Items of one host, and what it could not read. endpoints: certificates that answered on each endpoint."""

    machine: Machine
    items: list[Item] = field(default_factory=list)
    unread: list[Unread] = field(default_factory=list)
    endpoints: list[tuple[str, Certificate]] = field(default_factory=list)


def found(host: str, answer: Mapping[str, Any], skew: float = 0.0) -> Found:
    """answer: of kprov.certs.node.main; skew: seconds the host's clock is wrong."""
    return _Reader(host, answer, skew).read()


class _Reader:
    def __init__(self, host: str, answer: Mapping[str, Any], skew: float) -> None:
        self.host = host
        self.answer = answer
        self.components = answer["components"]
        self.names = known.name_files(answer)
        self.files = {
            file["path"]: file for file in answer["files"] if not known.nobody_reads(file["path"], self.names)
        }
        config, _, damaged = written.kubelet(self.components.get("kubelet", {}).get("files", ()))
        self.kubelet = config or Config({})
        account = answer["service_account"]
        there = [known.kubeconfig_name(entry["path"]) for entry in answer["kubeconfigs"]]
        plane = known.kubeconfigs(self.components)
        self.kubeconfigs: dict[str, str | None] = {name: None for name in known.IDENTITIES if plane and name in there}
        self.found = Found(
            Machine(
                host=host,
                control_plane="kube-apiserver" in self.components,
                skew=skew,
                service_account=account["sha256"] if account else None,
                timer=answer["timer"],
                csrs=answer["csrs"],
                renewal=answer["renewal"],
                backups=tuple(answer["backups"]),
                kubeconfigs=self.kubeconfigs,
                private_keys=(_key(account["private"]),) if account and account["private"] else (),
            )
        )
        self.found.unread += [Unread(host, path, why) for path, why in damaged.items()]

    def read(self) -> Found:
        self.found.unread += [Unread(self.host, *error.partition(": ")[::2]) for error in self.answer["errors"]]
        served = self._served()
        for path, file in self.files.items():
            self._attempt(path, file["error"], self._file, file, served)
        for entry in self.answer["kubeconfigs"]:
            self._attempt(entry["path"], entry["error"], self._kubeconfig, entry)
        self.found.items.sort(key=lambda item: known.ORDER.get(item.name, len(known.ORDER)))
        return self.found

    def _attempt(self, what: str, error: str | None, items: Callable[..., Iterator[Item]], *args: Any) -> None:
        try:
            if error:
                raise ValueError(error)
            self.found.items += items(*args)
        except ValueError as why:
            name = known.kubeconfig_name(what)
            if name in self.kubeconfigs:
                self.kubeconfigs[name] = str(why)
            else:
                self.found.unread.append(Unread(self.host, what, str(why)))

    def _served(self) -> dict[str, list[Served]]:
        """Name of the item to what its sockets answered. Those of a process' own making are items by themselves."""
        served: dict[str, list[Served]] = {}
        for socket in self.answer["sockets"]:
            where = _where(socket)
            component = socket["component"]
            if socket["error"]:
                self.found.unread.append(Unread(self.host, f"{component} at {where}", socket["error"]))
                continue
            certificate = from_der(base64.b64decode(socket["der"]))
            if component == "endpoint":
                self.found.endpoints.append((where, certificate))
            elif name := known.served_by(component, self.components, self.names):
                served.setdefault(name, []).append(Served(where, certificate))
            elif not self._configured(component):
                self.found.items.append(Item(self.host, component, "served", where, certificate, Renewer.RESTART))
        return served

    def _configured(self, component: str) -> bool:
        """Whether a controller manager or scheduler was given a serving certificate of its own."""
        return flag(self.components[component]["args"], "tls-cert-file") is not None

    def _file(self, file: Mapping[str, Any], served: Mapping[str, list[Served]]) -> Iterator[Item]:
        path = file["path"]
        name = self.names.get(path, "")
        certificates = from_pem(file["pem"])
        authority = known.BY_NAME[name].authority if name in known.BY_NAME else _SIGNED_BY.get(name)
        if path == known.KUBELET_SERVER[0]:
            authority = "ca"
        service_s = self._etcd_service_s(path, certificates[0])
        if service_s:
            authority = "etcd-ca"
        answered = tuple(served.get(name, ()))
        for position, certificate in enumerate(certificates):
            if position > 0 and (name not in _AUTHORITIES or not certificate.is_ca):
                continue  # between the leaf and its authority
            yield Item(
                host=self.host,
                name=name or path.rpartition("/")[2],
                kind="ca" if certificate.is_ca else "certificate",
                place=path,
                certificate=certificate,
                renewer=self._etcd_renewer() if service_s else self._renewer(name, path),
                authority=authority,
                chain=() if name in _AUTHORITIES else certificates[1:],
                key=_key(file["key"]) if file["key"] and position == 0 else None,
                served=answered,
                served_equal=all(one.certificate == certificate for one in answered) if answered else None,
                changed=file["changed"],
                started=self._readers_started(name, path),
            )

    def _readers_started(self, name: str, path: str) -> float | None:
        """When the first of those was that read this bundle only when they start."""
        if name not in known.READ_ONCE:
            return None
        readers = (
            self.components[component]["started"]
            for component, option in known.BY_NAME[name].by
            if component in self.components and flag(self.components[component]["args"], option) == path
        )
        return min((started for started in readers if started is not None), default=None)

    def _renewer(self, name: str, path: str) -> Renewer:
        if name in known.KUBEADM and path.endswith(f"/{known.BY_NAME[name].path}"):
            return Renewer.KUBEADM if self._signs(known.BY_NAME[name].authority) else Renewer.EXTERNAL
        if name == "kubelet-client":
            return Renewer.KUBELET if self.kubelet.get("rotateCertificates") else Renewer.NOBODY
        if name == "kubelet-server" and path == known.KUBELET_SERVER[0]:
            return Renewer.KUBELET
        return Renewer.NOBODY

    def _etcd_service_s(self, path: str, certificate: Certificate) -> bool:
        """Whether an etcd's CA, which is not where kubeadm has it, signed it and lies beside it."""
        place = next((file for file, name in self.names.items() if name == "etcd-ca" and file in self.files), None)
        if place is None or place.endswith(f"/{known.BY_NAME['etcd-ca'].path}") or not self.files[place]["pem"]:
            return False
        together = path.rpartition("/")[0] == place.rpartition("/")[0]
        return (
            together and not certificate.is_ca and certificate.issuer == from_pem(self.files[place]["pem"])[0].subject
        )

    def _etcd_renewer(self) -> Renewer:
        return Renewer.KPROV if self._signs("etcd-ca") else Renewer.EXTERNAL

    def _signs(self, authority: str | None) -> bool:
        """Whether an authority's key is on this node."""
        files = (self.files[path] for path, name in self.names.items() if name == authority and path in self.files)
        return any(file["key"] for file in files)

    def _kubeconfig(self, entry: Mapping[str, Any]) -> Iterator[Item]:
        path = entry["path"]
        if not entry["pem"]:
            return  # a token
        if self.names.get(entry["follows"]) == "kubelet-client":
            self._kubelet(path, entry["authority"])
            return  # the kubelet's own certificate is an item already
        name = known.kubeconfig_name(path)
        certificate, *chain = from_pem(entry["pem"])
        started = self._reader_started(path)
        yield Item(
            host=self.host,
            name=name,
            kind="kubeconfig",
            place=path,
            certificate=certificate,
            renewer=self._kubeconfig_renewer(name, certificate),
            authority="ca",
            chain=tuple(chain),
            authorities=from_pem(entry["authority"]) if entry["authority"] else (),
            key=_key(entry["key"]),
            served_equal=None if started is None else started_after(started, entry["changed"]),
            changed=entry["changed"],
            started=started,
        )

    def _kubelet(self, path: str, authority: str) -> None:
        """Raises ValueError when kubelet.conf, which is no item of its own, trusts another CA."""
        cluster = {item.certificate for item in self.found.items if item.name == "ca"}
        trusts = from_pem(authority) if authority else ()
        if path == f"{known.KUBERNETES}/kubelet.conf" and cluster and trusts and not cluster & {*trusts}:
            raise ValueError(f"it trusts {trusts[0].subject}, not this cluster's CA")

    def _kubeconfig_renewer(self, name: str, certificate: Certificate) -> Renewer:
        if name in known.KUBEADM_KUBECONFIGS:
            return Renewer.KUBEADM if self._signs("ca") else Renewer.EXTERNAL
        admins = [item.certificate for item in self.found.items if item.name in known.ADMINS]
        copied = certificate in admins or (admins and certificate.serial in self.answer["replaced"])
        return Renewer.COPY if copied else Renewer.NOBODY

    def _reader_started(self, path: str) -> float | None:
        for component in known.READ_AT_START:
            about = self.components.get(component)
            if about and flag(about["args"], "kubeconfig") == path:
                started: float | None = about["started"]
                return started
        return None


_AUTHORITIES = frozenset(known.name for known in known.KNOWN if known.authority is None)
_SIGNED_BY = {"kubelet-client": "ca"}


def _key(key: Mapping[str, Any]) -> Key:
    return Key(key["path"], int(key["mode"], 8), key.get("problem"), key.get("changed"))


def _where(socket: Mapping[str, Any]) -> str:
    address = socket["address"]
    return f"[{address}]:{socket['port']}" if ":" in address else f"{address}:{socket['port']}"
