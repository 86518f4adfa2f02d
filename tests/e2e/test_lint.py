"""`kprov lint` on a real cluster: clean where nothing is wrong, exact where a foreign file weakens a kubelet."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.cluster import API, READY, Completed, LabCluster, wait_until

FILE = "/etc/kubernetes/kubelet.conf.d/90-foreign.conf"
FOREIGN = """
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
readOnlyPort: 10255
authentication: {anonymous: {enabled: true}}
rotateCertificates: false
podPidsLimit: -1
evictionHard: {pid.available: null, nodefs.available: 0%}
containerLogMaxSize: "-1"
"""
WEAKENED = {
    "kubelet-differs",
    "read-only-port",
    "anonymous-auth",
    "rotate-certificates",
    "pod-pids",
    "eviction-signals",
    "container-logs",
}
# The lab's nodes share one disk with everything else on the machine, so garbage collection of images is off there.
OF_THE_LAB = "image-gc"
RESTART = "systemctl restart kubelet"
# Says ok when the kubelet is healthy; configz has the new values then.
HEALTHY = "curl -fsS http://127.0.0.1:10248/healthz"


def findings(done: Completed) -> set[tuple[str, str]]:
    """(short name of the host, rule)."""
    rows = [row for row in done.data["rows"] if row["verdict"] in ("warning", "error")]
    return {(row["host"].rpartition("-")[2], row["rule"]) for row in rows}


def rows(done: Completed, host: str) -> dict[str, dict[str, str]]:
    """Rule -> its row on a host."""
    return {row["rule"]: row for row in done.data["rows"] if row["host"] == host}


@pytest.fixture
def weakened(cluster: LabCluster) -> Iterator[str]:
    """w1's kubelet runs with a file that kprov did not write; afterwards as before."""
    try:
        cluster.ssh("w1", f"cat > {FILE} <<'END'{FOREIGN}END\n{RESTART}")
        wait_until("the kubelet is back", lambda: cluster.ssh("w1", HEALTHY, check=False) == "ok")
        yield cluster.node("w1")
    finally:
        cluster.ssh("w1", f"rm -f {FILE}; {RESTART}")
        wait_until("the kubelet is back", lambda: cluster.ssh("w1", HEALTHY, check=False) == "ok")


def test_clean_cluster_has_no_findings_but_the_lab_s(cluster: LabCluster) -> None:
    done = cluster.kprov("lint")
    assert findings(done) == {(short, OF_THE_LAB) for short in ("cp1", "w1", "w2")}
    assert all(row["wished"] for row in done.data["rows"] if row["rule"] == OF_THE_LAB)
    assert {row["verdict"] for row in done.data["rows"] if row["rule"] != OF_THE_LAB} == {"ok"}
    assert "not asked" not in {row["running"] for row in done.data["rows"]}
    assert cluster.kprov("lint", "--skip", OF_THE_LAB).exit_code == 0


def test_foreign_file_that_runs_is_found_exactly_there(cluster: LabCluster, weakened: str) -> None:
    done = cluster.kprov("lint", "--skip", OF_THE_LAB)
    assert done.exit_code == 2
    assert findings(done) == {("w1", rule) for rule in WEAKENED}
    found = rows(done, weakened)
    port = found["read-only-port"]
    assert (port["spec"], port["file"], port["running"]) == ("0", "10255", "10255")
    assert FILE in found["kubelet-differs"]["message"]
    assert found["eviction-signals"]["message"] == "no hard threshold for nodefs.available, pid.available"


def test_verify_warns_of_it_and_stays_green(cluster: LabCluster, weakened: str) -> None:
    done = cluster.kprov("verify")
    assert done.exit_code == 0
    assert {(p["host"], p["code"]) for p in done.envelope["problems"]} == {(weakened, rule) for rule in WEAKENED}
    assert {p["severity"] for p in done.envelope["problems"]} == {"warning"}


def test_file_that_waits_for_a_restart_is_found(cluster: LabCluster) -> None:
    cluster.ssh("w2", f"cat > {FILE} <<'END'{FOREIGN}END\n")
    try:
        done = cluster.kprov("lint", "--skip", OF_THE_LAB)
    finally:
        cluster.ssh("w2", f"rm -f {FILE}")
    assert findings(done) == {("w2", rule) for rule in WEAKENED | {"kubelet-not-restarted"}}
    port = rows(done, cluster.node("w2"))["read-only-port"]
    assert (port["file"], port["running"]) == ("10255", "0")
    assert port["message"].endswith("from the next start on")


def test_with_the_api_dead_the_rest_is_judged(cluster: LabCluster) -> None:
    stop = f"mv {API} /root/kube-apiserver.yaml; crictl ps -q --name kube-apiserver | xargs -r crictl stop"
    cluster.ssh("cp1", stop)
    cluster.ssh("w2", f"cat > {FILE} <<'END'{FOREIGN}END\n")
    try:
        done = cluster.kprov("lint", "--skip", OF_THE_LAB)
        cluster.ssh("w2", f"rm -f {FILE}")
        clean = cluster.kprov("lint", "--skip", OF_THE_LAB)
    finally:
        cluster.ssh("w2", f"rm -f {FILE}")
        cluster.ssh("cp1", f"mv /root/kube-apiserver.yaml {API}")
        wait_until("the API answers again", lambda: "ok" in cluster.ssh("cp1", READY, check=False))
    assert findings(done) == {("w2", rule) for rule in WEAKENED | {"kubelet-not-restarted"}}
    port = rows(done, cluster.node("w2"))["read-only-port"]
    assert (port["file"], port["running"]) == ("10255", "not asked")
    assert rows(done, cluster.node("w2"))["inotify"]["running"] != "not asked"
    assert (clean.exit_code, findings(clean)) == (4, set())
    assert [p["code"] for p in clean.envelope["problems"]] == ["api-unreachable"]
