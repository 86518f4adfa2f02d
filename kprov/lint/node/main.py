"""What the linter asks a node: its files and running values; or a control plane: the kubelets' configurations."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from kprov.lint.node import kernel, machine, runtime
from kprov.remote.node import capacity, kubelet


def collect(question: dict[str, Any]) -> dict[str, Any]:
    """question: api_server_port and nodes for the kubelets' configurations, else bin_dir, image_root and settings.

    Returns {"uid", "errors": ["topic: what went wrong"], and per topic what its function returns, if it did}.
    """
    answer: dict[str, Any] = {"errors": [], "uid": os.geteuid()}

    def topic(name: str, look: Callable[[], Any]) -> None:
        try:
            answer[name] = look()
        except Exception as error:  # whatever it is, the other topics are still worth having
            answer["errors"].append(f"{name}: {type(error).__name__}: {error}")

    if "nodes" in question:
        from kprov.lint.node import configz  # ssl and http cost 25 ms, and only a control plane needs them

        topic("configz", lambda: configz.ask(question["api_server_port"], question["nodes"]))
        return answer
    topic("kubelet", kubelet.look)
    files = [text for _, text, _ in answer.get("kubelet", {"files": []})["files"]]
    topic("kernel", lambda: kernel.look(question["settings"]))
    topic("runtime", lambda: runtime.look(question["bin_dir"], files))
    topic("capacity", lambda: capacity.capacity(question["image_root"]))
    topic("machine", lambda: machine.look(files, answer.get("kubelet", {}).get("args", [])))
    return answer
