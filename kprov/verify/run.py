"""`kprov verify` from top to bottom: look, create, ask everything at once, judge, clean up."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from kprov.errors import CheckError, ConnectError, Problem
from kprov.lint.look import look
from kprov.remote.shell import Shell
from kprov.spec.cluster import ClusterSpec, Host
from kprov.ui.progress import Progress
from kprov.verify import namespace as namespaces
from kprov.verify.asking import Answer, Question, ask
from kprov.verify.check import Check
from kprov.verify.checks import (
    api,
    dns,
    exec,
    lint,
    logs,
    network_policy,
    node_port,
    nodes,
    pod_start,
    pod_to_pod,
    service_ip,
    system_pods,
)
from kprov.verify.found import NamespaceState, SystemState, namespace_state, system_state
from kprov.verify.image import image_of
from kprov.verify.kubectl import Kubectl, find_api
from kprov.verify.objects import SERVICE, objects
from kprov.verify.world import World
from kprov.words import count

# For a pod to be Ready on every node; 2 to 4 s when all is well and the image is there. A kubelet whose API server was
# away for half a minute asks again up to a minute later: client-go, tools/cache/reflector.go, 30 s with a jitter of 1.
START_SECONDS = 90.0
POLL_SECONDS = 0.3
HOSTS_AT_ONCE = 50

CHECKS: tuple[Callable[[World], Check], ...] = (
    api.judge,
    nodes.judge,
    system_pods.judge,
    pod_start.judge,
    logs.judge,
    exec.judge,
    dns.judge,
    pod_to_pod.judge,
    service_ip.judge,
    node_port.judge,
    network_policy.judge,
    lint.judge,
)


@dataclass(frozen=True)
class Request:
    """What to verify.

    owner: id of this controller; alone: nobody else verifies this cluster from here; keep: leave the namespace there.
    settle: seconds that nodes and system pods may still take to be ready, for a cluster that was changed a moment ago.
    """

    spec: ClusterSpec
    shell: Shell
    progress: Progress
    owner: str
    alone: bool = True
    keep: bool = False
    settle: float = 0.0


@dataclass(frozen=True)
class Verified:
    """The checks in order. control_plane: whose API was asked; kept: name of the namespace that is still there."""

    checks: tuple[Check, ...]
    control_plane: str
    problems: tuple[Problem, ...] = ()
    kept: str | None = None
    removed: tuple[str, ...] = field(default=())


def verify(request: Request) -> Verified:
    """Prove that the cluster works. CheckError when no API server answers or nothing can be created."""
    kubectl = find_api(request.spec, request.shell)
    image = image_of(request.spec)
    name = namespaces.new_name()
    problems: list[Problem] = []
    old = namespaces.leftovers(namespaces.existing(kubectl), request.owner, request.alone)
    if old:
        request.progress.step(f"removing what an earlier run left: {', '.join(old)}")
        namespaces.forget(kubectl, old)
    with _cleaned_up(request, kubectl, name, problems):
        with _pool() as pool:
            settled = pool.submit(_settled, request, kubectl)
            looked = pool.submit(look, request.spec, request.spec.hosts, request.shell)
            namespaces.create(kubectl, objects(name, image, request.owner))
            system = settled.result()
            test = _started(request, kubectl, name, system)
        world = World(request.spec, kubectl, name, system, test, looked=looked.result())
        request.progress.step(f"asking from {count(len(world.probes), 'node')}")
        world = _asked(world)
        checks = tuple(judge(world) for judge in CHECKS)
    strangers = nodes.foreign(world)
    if strangers:
        message = f"the cluster has nodes that the inventory has not: {', '.join(strangers)}"
        problems.append(Problem("warning", "foreign-node", message))
    if world.looked:
        problems += lint.warnings(world.looked)
    return Verified(checks, kubectl.host.name, tuple(problems), name if request.keep else None, tuple(old))


@contextmanager
def _cleaned_up(request: Request, kubectl: Kubectl, name: str, problems: list[Problem]) -> Iterator[None]:
    """Delete the namespace whatever happens inside, Ctrl-C included; what cannot be deleted becomes a warning."""
    try:
        yield
    finally:
        if request.keep:
            request.progress.step(f"kept: namespace {name}, until the next `kprov verify`")
        else:
            _remove(request, kubectl, name, problems)


def _remove(request: Request, kubectl: Kubectl, name: str, problems: list[Problem]) -> None:
    try:
        with request.progress.timed(f"removing {name}"):
            left = namespaces.remove(kubectl, name)
    except KeyboardInterrupt:
        request.progress.step(f"{name} may be left; the next `kprov verify` removes it")
        raise
    if left:
        problems.append(left)


def _settled(request: Request, kubectl: Kubectl) -> SystemState:
    """The nodes and kube-system, once they are ready or `settle` seconds have passed."""
    end = time.monotonic() + request.settle
    while True:
        found = system_state(kubectl.objects("nodes,pods,deployments", "-n", "kube-system"))
        if _as_ready_as_it_gets(World(request.spec, kubectl, "", found, NamespaceState())) or time.monotonic() > end:
            return found
        time.sleep(POLL_SECONDS)


def _as_ready_as_it_gets(world: World) -> bool:
    """True when all is ready where a kubelet reports; for a host that is gone there is nothing to wait for."""
    gone = {h.name for h in world.spec.hosts if (n := world.node(h)) is None or n.why.startswith("NodeStatusUnknown")}
    checks = (nodes.judge(world), system_pods.judge(world))
    return all(row.ok or row.host in gone for check in checks for row in check.hosts)


def _started(request: Request, kubectl: Kubectl, name: str, system: SystemState) -> NamespaceState:
    """The test pods, once they run where they can, or waiting is of no more use."""
    wanted = [n.name for h in request.spec.hosts if (n := system.nodes.get(h.name.lower())) and n.ready]
    end = time.monotonic() + START_SECONDS
    with request.progress.timed(f"starting test pods on {count(len(wanted), 'node')} in {name}"):
        while True:
            items = kubectl.objects("pods,services,endpointslices,events", "-n", name)
            found = namespace_state(items, SERVICE)
            if finished(found, wanted) or time.monotonic() > end:
                return found
            time.sleep(POLL_SECONDS)


def finished(state: NamespaceState, wanted: Sequence[str]) -> bool:
    """True when every wanted pod is ready and behind the Service, or will not become ready by waiting."""
    by_app = [state.of_app(app) for app in ("target", "probe")]
    friends = [pod for pod in state.pods if pod.labels.get("app") == "friend"]
    if any(node not in found for found in by_app for node in wanted) or not friends:
        return False
    pods = [found[node] for found in by_app for node in wanted] + friends
    targets = sum(pod.ready for pod in by_app[0].values())
    return all(pod.ready or pod.hopeless for pod in pods) and state.endpoints >= targets


@contextmanager
def _pool() -> Iterator[ThreadPoolExecutor]:
    """Threads that nobody waits for after Ctrl-C: they end when the connections are closed."""
    pool = ThreadPoolExecutor(max_workers=HOSTS_AT_ONCE)
    try:
        yield pool
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    pool.shutdown()


def _asked(world: World) -> World:
    """Ask everything: the control plane about the cluster, each host what the host itself must reach; then the policy.

    The policy comes last and alone: it changes what the other questions are about.
    """
    answers: dict[str, Answer] = {}
    unreachable: dict[str, str] = {}
    with _pool() as pool:
        inside = pool.submit(_ask_inside, world, [_first_questions(world)])
        hosts = {host.name: pool.submit(_ask_host, world, host) for host in world.spec.hosts}
        for name, waiting in hosts.items():
            try:
                answers |= waiting.result()
            except (ConnectError, CheckError) as error:
                unreachable[name] = error.message
        answers |= inside.result()
        if not network_policy.why_not(world):
            answers |= pool.submit(_ask_inside, world, network_policy.stages(world)).result()
    return replace(world, answers=answers, unreachable=unreachable)


def _first_questions(world: World) -> list[Question]:
    return [
        *api.questions(world),
        *logs.questions(world),
        *exec.questions(world),
        *dns.questions(world),
        *pod_to_pod.questions(world),
        *service_ip.questions(world),
        *node_port.questions(world),
        *(() if network_policy.why_not(world) else network_policy.before(world)),
    ]


def _ask_inside(world: World, stages: Sequence[Sequence[Question]]) -> dict[str, Answer]:
    """One SSH exec on the control plane, which makes the pods ask."""
    kubectl = world.kubectl
    return ask(kubectl.shell, kubectl.host, stages, kubectl=kubectl.argv, namespace=world.namespace)


def _ask_host(world: World, host: Host) -> dict[str, Answer]:
    """One SSH exec on a host, for what it must reach itself."""
    asked = [*service_ip.host_questions(world, host.name), *node_port.host_questions(world, host.name)]
    return ask(world.kubectl.shell, host, [asked])
