"""Everything on this node that expires, and what its sockets serve. Works with the API server and etcd dead."""

from __future__ import annotations

from typing import Any

from kprov.certs.node import backups, components, csr, files, known, kubeconfigs, objects, sockets, timer
from kprov.remote.node.processes import flag
from kprov.remote.node.topics import Topics

# Flags with a kubeconfig in them. An API server's other files end in .crt or .pem and are recognised by that.
KUBECONFIG = ("kubeconfig", "authentication-kubeconfig", "authorization-kubeconfig", "bootstrap-kubeconfig")

MANAGER = "kube-controller-manager"


def collect(question: dict[str, Any]) -> dict[str, Any]:
    """question: address (of the node), endpoints, tries; see sockets.look.

    Returns {"uid", "errors": ["topic: what went wrong"], "components", "files", "kubeconfigs", "replaced",
    "service_account", "csrs", "timer", "renewal", "backups", "sockets", "api"}, each what the look of that module
    returns, "replaced" what kubeconfigs.replaced does, "renewal" what timer's does; api: None where there is no API
    server.
    """
    lists: dict[str, Any] = {name: [] for name in ("files", "kubeconfigs", "replaced", "backups", "sockets")}
    topics = Topics(components={}, **lists, service_account=None, csrs={}, timer=None, renewal=None, api=None)
    answer = topics.answer

    topics.look("components", components.look)
    found = answer["components"]
    values = [word.partition("=")[2] for about in found.values() for word in about["args"] if word.startswith("--")]
    values.append(known.given_to_kubelet(found) or "")
    topics.look("files", lambda: files.look([value for value in values if _certificate(value)]))
    named = [flag(about["args"], option) or "" for about in found.values() for option in KUBECONFIG]
    wanted = known.kubeconfigs(found)
    kubeadms = [*wanted, known.SUPER_ADMIN] if wanted else []
    paths = [path for path in named if path]
    topics.look("kubeconfigs", lambda: kubeconfigs.look(kubeconfigs.paths(paths, wanted), kubeadms))
    topics.look("replaced", kubeconfigs.replaced)
    topics.look("service_account", lambda: files.service_account(_flag(found, "kube-apiserver"), _flag(found, MANAGER)))
    topics.look("csrs", csr.look)
    topics.look("timer", timer.look)
    topics.look("renewal", lambda: timer.look(timer.RENEWAL))
    topics.look("backups", backups.look)
    topics.look("sockets", lambda: sockets.look(found, question["address"], question["endpoints"], question["tries"]))
    if "kube-apiserver" in found:
        topics.look("api", lambda: objects.look(next(iter(sockets.wanted(found)["kube-apiserver"]))))
    return answer


def _flag(components: dict[str, Any], name: str) -> str | None:
    option = "service-account-private-key-file" if name == MANAGER else "service-account-key-file"
    return flag(components[name]["args"], option) if name in components else None


def _certificate(value: str) -> bool:
    return value.startswith("/") and value.endswith(files.SUFFIXES)
