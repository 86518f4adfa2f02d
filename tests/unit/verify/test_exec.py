"""kubectl exec through cri-dockerd: what is known to be broken is named, and stays red."""

from __future__ import annotations

from tests.unit.verify.fakes import recorded, world
from tests.unit.verify.test_checks import asked, judged, red, refuse

ERROR = (
    'error: Internal error occurred: error sending request: Post "//[::]:42413/cri/exec/4W8sTOqu": '
    "http: server gave HTTP response to HTTPS client"
)


def test_limitation_of_cri_dockerd_is_named() -> None:
    system = recorded("system")
    node = next(item for item in system if item["kind"] == "Node")
    node["status"]["nodeInfo"] = {"kubeletVersion": "v1.36.3", "containerRuntimeVersion": "docker://26.1.5"}
    name = node["metadata"]["name"]
    checks = judged(asked(world(system=system), refuse(f"exec/{name}/exec", error=ERROR)))
    assert red(checks) == {"exec": [name]}
    assert "a known limitation of cri-dockerd with kubelet v1.36.3 (docker://26.1.5)" in checks["exec"].detail
    assert "kubelet_docker_exec_fix" in str(checks["exec"].hint)


def test_the_same_words_on_containerd_are_no_known_limitation() -> None:
    system = recorded("system")
    name = next(item for item in system if item["kind"] == "Node")["metadata"]["name"]
    checks = judged(asked(world(system=system), refuse(f"exec/{name}/exec", error=ERROR)))
    assert "HTTP response to HTTPS client" in checks["exec"].detail
    assert "10250" in str(checks["exec"].hint)
