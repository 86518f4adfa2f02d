"""`kubectl exec` and `kubectl port-forward` work on every node."""

from __future__ import annotations

from dataclasses import replace

from kprov.spec.cluster import Host
from kprov.verify.asking import Question, dial, run, seconds_of
from kprov.verify.check import Check, Row, from_rows
from kprov.verify.image import AGNHOST
from kprov.verify.objects import PORT
from kprov.verify.world import World

ID = "exec"
TITLE = "kubectl exec and port-forward work on every node"
# cri-dockerd names the kubelet a URL without a scheme, and since 1.36 (ExtendWebSocketsToKubelet) that is https to it;
# roles/kubelet switches that off. A kubelet that has it on all the same is seen by what kubectl says.
LIMITATION = "a known limitation"
DOCKER_SIGN = "server gave HTTP response to HTTPS client"
DOCKER_HINT = (
    "leave kubelet_docker_exec_fix at true and ExtendWebSocketsToKubelet out of kubelet_config, then run `kprov up`:"
    " the API server talks to the kubelet as before 1.36. Pods, logs and port-forward are not affected"
)
HINT = "the API server must reach the node's port 10250; see `journalctl -u kubelet -u containerd` there"


def questions(world: World) -> list[Question]:
    """A program in each probe pod, and a request through a port-forward that needs no pod network."""
    kubectl = [*world.kubectl.argv, "-n", world.namespace, "exec"]
    asked = []
    for host, pod in world.probes.items():
        asked.append(run(f"{ID}/{host}/exec", [*kubectl, pod.name, "--", AGNHOST, "--version"]))
        asked.append(dial(f"{ID}/{host}/forward", pod.name, "127.0.0.1", PORT))
    return asked


def judge(world: World) -> Check:
    """The program's output must come back."""
    rows = []
    for host in (h.name for h in world.spec.hosts):
        ran, forward = world.answer(f"{ID}/{host}/exec"), world.answer(f"{ID}/{host}/forward")
        if ran is None or forward is None:
            rows.append(Row(host, True, "no test pod runs there, see pod-start", judged=False))
            continue
        said = []
        if not ran.ok:
            said.append(_known_limitation(world, world.spec.host(host), ran.said) or f"kubectl exec: {ran.said}")
        elif "version" not in ran.text:
            said.append(f"kubectl exec: {AGNHOST} --version wrote {ran.text!r}")
        if forward.unasked or not forward.ok:
            said.append(forward.said)
        rows.append(Row(host, not said, "; ".join(said)))
    seconds = seconds_of(world.of_check(ID).values())
    check = from_rows(ID, TITLE, rows, good=f"{len(world.probes)} programs run", hint=HINT, seconds=seconds)
    of_docker = [row for row in rows if row.judged and not row.ok and LIMITATION in row.message]
    return replace(check, hint=DOCKER_HINT) if of_docker else check


def _known_limitation(world: World, host: Host, said: str) -> str | None:
    """What is known to be broken between these two and has an answer: red all the same, but not a riddle."""
    node = world.node(host)
    if node is None or not node.runtime.startswith("docker://") or DOCKER_SIGN not in said:
        return None
    return (
        f"kubectl exec and attach do not work: {LIMITATION} of cri-dockerd with kubelet {node.kubelet} ({node.runtime})"
    )
