"""Services answer on their cluster address, asked from pods and from the nodes themselves."""

from __future__ import annotations

import ipaddress

from kprov.verify.asking import Answer, Question, dial, get, second_tries, seconds_of
from kprov.verify.check import Check, Row, from_rows
from kprov.verify.kubectl import bracketed_url
from kprov.verify.objects import SERVICE_PORT
from kprov.verify.world import World
from kprov.words import count

ID = "service-ip"
TITLE = "Services answer on their cluster address from every node"
HINT = "`kubectl -n kube-system logs -l k8s-app=kube-proxy`; when pod-to-pod is red as well, mend that first"
SECONDS = 2.5  # for one try
UNTIL = 20.0  # kube-proxy writes rules at most once a second (minSyncPeriod), and 8 s later on a busy node


def api_address(world: World) -> str:
    """The first address of the service network: the Service `kubernetes`."""
    return str(ipaddress.ip_network(str(world.spec.hosts[0].variables["service_cidr"]))[1])


def questions(world: World) -> list[Question]:
    """From each probe pod: the test Service, and the API's, which answers anything as long as it is reached."""
    asked = []
    for host, pod in world.probes.items():
        asked.append(
            dial(f"{ID}/{host}/pod", pod.name, world.test.service_ip, SERVICE_PORT, until=UNTIL, seconds=SECONDS)
        )
        asked.append(dial(f"{ID}/{host}/api", pod.name, api_address(world), 443, until=UNTIL, seconds=SECONDS))
    return asked


def host_questions(world: World, host: str) -> list[Question]:
    """From the node itself, as the API server calls webhooks."""
    return [get(f"{ID}/{host}/node", bracketed_url(world.test.service_ip, SERVICE_PORT), until=UNTIL, seconds=SECONDS)]


def judge(world: World) -> Check:
    """A row per host."""
    service, api = f"{world.test.service_ip}:{SERVICE_PORT}", f"{api_address(world)}:443"
    rows = []
    for host in (h.name for h in world.spec.hosts):
        if left_out := world.not_judged(host):
            rows.append(left_out)
            continue
        asked = {
            f"a pod to {service}": world.answer(f"{ID}/{host}/pod"),
            f"a pod to the API at {api}": world.answer(f"{ID}/{host}/api"),
            f"the node itself to {service}": world.answer(f"{ID}/{host}/node"),
        }
        rows.append(failures(host, asked))
    answers = world.of_check(ID).values()
    good = f"{count(len(world.probes), 'node')}, from a pod and from the node" + second_tries(answers)
    return from_rows(ID, TITLE, rows, good=good, hint=HINT, seconds=seconds_of(answers))


def failures(host: str, asked: dict[str, Answer | None]) -> Row:
    """A row that names what was asked in vain; what was not asked is not in it."""
    said = [f"{what}: {answer.said}" for what, answer in asked.items() if answer and not answer.ok]
    return Row(host, not said, "; ".join(said))
