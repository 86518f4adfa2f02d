"""What the linter asks a node: its files and running values; or a control plane: the kubelets' configurations."""

from __future__ import annotations

from typing import Any

from kprov.lint.node import kernel, machine, runtime
from kprov.remote.node import capacity, kubelet
from kprov.remote.node.topics import Topics


def collect(question: dict[str, Any]) -> dict[str, Any]:
    """question: api_server_port and nodes for the kubelets' configurations, else bin_dir, image_root and settings.

    Returns {"uid", "errors": ["topic: what went wrong"], and per topic what its function returns, if it did}.
    """
    topics = Topics()
    answer = topics.answer

    if "nodes" in question:
        from kprov.lint.node import configz  # ssl and http cost 25 ms, and only a control plane needs them

        topics.look("configz", lambda: configz.ask(question["api_server_port"], question["nodes"]))
        return answer
    topics.look("kubelet", kubelet.look)
    files = [text for _, text, _ in answer.get("kubelet", {"files": []})["files"]]
    topics.look("kernel", lambda: kernel.look(question["settings"]))
    topics.look("runtime", lambda: runtime.look(question["bin_dir"], files))
    topics.look("capacity", lambda: capacity.capacity(question["image_root"]))
    topics.look("machine", lambda: machine.look(files, answer.get("kubelet", {}).get("args", [])))
    return answer
