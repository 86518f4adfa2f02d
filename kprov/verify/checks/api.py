"""Every control plane serves the API, and so does the endpoint that everybody uses."""

from __future__ import annotations

from kprov.verify.asking import Question, run, seconds_of
from kprov.verify.check import Check, Row, from_rows
from kprov.verify.kubectl import ADMIN_CONF, Kubectl
from kprov.verify.world import World

ID = "api"
TITLE = "Every control plane serves the API"
HINT = "on that host: `crictl ps -a --name kube-apiserver`, `journalctl -u kubelet`"


def questions(world: World) -> list[Question]:
    """`get --raw /readyz` of each control plane, and of the endpoint in admin.conf."""
    ready = ["get", "--raw", "/readyz", "--request-timeout=5s"]
    asked = [
        run(f"{ID}/{host.name}", [*Kubectl(world.kubectl.shell, host).argv, *ready])
        for host in world.spec.group("kube_control_plane")
    ]
    kubectl = world.kubectl.argv[0]
    return [*asked, run(f"{ID}/", [kubectl, "--kubeconfig", ADMIN_CONF, *ready])]


def judge(world: World) -> Check:
    """A row per control plane; the endpoint's error is on the row of the host that was asked to use it."""
    rows = []
    endpoint = world.answer(f"{ID}/")
    for host in world.spec.group("kube_control_plane"):
        answer = world.answer(f"{ID}/{host.name}")
        message = "" if answer and answer.ok else f"/readyz of {host.ip}: {answer.said if answer else 'not asked'}"
        if host is world.kubectl.host and endpoint and not endpoint.ok:
            message = message or f"the cluster's endpoint (`server` in {ADMIN_CONF}): {endpoint.said}"
        rows.append(Row(host.name, not message, message))
    good = f"{len(rows)} of {len(rows)} ready, and the endpoint of the cluster"
    return from_rows(ID, TITLE, rows, good=good, hint=HINT, seconds=seconds_of(world.of_check(ID).values()))
