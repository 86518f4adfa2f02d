"""Everything on this node that expires, and what its sockets serve. Works with the API server and etcd dead."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from kprov.certs.node import components, files, kubeconfigs, objects, sockets, timer
from kprov.remote.node.processes import flag

# Flags with a kubeconfig in them. An API server's other files end in .crt or .pem and are recognised by that.
KUBECONFIG = ("kubeconfig", "authentication-kubeconfig", "authorization-kubeconfig", "bootstrap-kubeconfig")

MANAGER = "kube-controller-manager"


def collect(question: dict[str, Any]) -> dict[str, Any]:
    """question: address (of the node), endpoints, tries; see sockets.look.

    Returns {"uid", "errors": ["topic: what went wrong"], "components", "files", "kubeconfigs", "service_account",
    "timer", "sockets", "api"}, each what the look of that module returns; api: None where there is no API server.
    """
    answer: dict[str, Any] = {
        "uid": os.geteuid(),
        "errors": [],
        "components": {},
        "files": [],
        "kubeconfigs": [],
        "service_account": None,
        "timer": None,
        "sockets": [],
        "api": None,
    }

    def topic(name: str, look: Callable[[], Any]) -> None:
        try:
            answer[name] = look()
        except Exception as error:  # whatever it is, the other topics are still worth having
            answer["errors"].append(f"{name}: {type(error).__name__}: {error}")

    topic("components", components.look)
    found = answer["components"]
    values = [word.partition("=")[2] for about in found.values() for word in about["args"] if word.startswith("--")]
    topic("files", lambda: files.look([value for value in values if _certificate(value)]))
    named = [flag(about["args"], option) or "" for about in found.values() for option in KUBECONFIG]
    topic("kubeconfigs", lambda: kubeconfigs.look(kubeconfigs.paths([path for path in named if path])))
    topic("service_account", lambda: files.service_account(_flag(found, "kube-apiserver"), _flag(found, MANAGER)))
    topic("timer", timer.look)
    topic("sockets", lambda: sockets.look(found, question["address"], question["endpoints"], question["tries"]))
    if "kube-apiserver" in found:
        topic("api", lambda: objects.look(next(iter(sockets.wanted(found)["kube-apiserver"]))))
    return answer


def _flag(components: dict[str, Any], name: str) -> str | None:
    option = "service-account-private-key-file" if name == MANAGER else "service-account-key-file"
    return flag(components[name]["args"], option) if name in components else None


def _certificate(value: str) -> bool:
    return value.startswith("/") and value.endswith(files.SUFFIXES)
