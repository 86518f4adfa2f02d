"""What each role writes, for typical variables: compared with files in golden/ROLE/CASE/.

`case.yml` in such a directory holds the variables; everything else is what the role must render, and is rewritten with
KPROV_UPDATE_GOLDEN=1 in the environment.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.roles.render import RELEASE, render, roles

GOLDEN = Path(__file__).parent / "golden"
CASES = sorted(path.parent.relative_to(GOLDEN).as_posix() for path in GOLDEN.glob("*/*/case.yml"))


def rendered(case: str) -> dict[str, Any]:
    variables = yaml.safe_load((GOLDEN / case / "case.yml").read_text()) or {}
    return render(case.partition("/")[0], variables)


@pytest.mark.parametrize("case", CASES)
def test_role_renders_what_it_did(case: str) -> None:
    files = {path.lstrip("/"): entry["text"] for path, entry in rendered(case).items()}
    directory = GOLDEN / case
    if os.environ.get("KPROV_UPDATE_GOLDEN") == "1":
        rewrite(directory, files)
    expected = {
        path.relative_to(directory).as_posix(): path.read_text()
        for path in directory.rglob("*")
        if path.is_file() and path.name != "case.yml"
    }
    assert files == expected


def rewrite(directory: Path, files: dict[str, str]) -> None:
    for child in directory.iterdir():
        if child.is_dir():
            shutil.rmtree(child)
    for path, text in files.items():
        (directory / path).parent.mkdir(parents=True, exist_ok=True)
        (directory / path).write_text(text)


def test_every_role_that_writes_files_has_a_case() -> None:
    assert sorted({case.partition("/")[0] for case in CASES}) == roles()


@pytest.mark.parametrize("case", CASES)
def test_yaml_files_are_yaml(case: str) -> None:
    for path, entry in rendered(case).items():
        if path.endswith((".yaml", ".yml")) or "kubelet.conf.d" in path:
            for document in yaml.safe_load_all(entry["text"]):
                assert isinstance(document, dict), path


@pytest.mark.parametrize("case", [case for case in CASES if case.startswith("control_plane/")])
def test_kubeadm_accepts_its_configuration(case: str, tmp_path: Path) -> None:
    bundles = Path.home() / ".cache/kprov/bundles"
    kubeadm = next(bundles.glob(f"*/files/kubeadm/{RELEASE['kubernetes']}/kubeadm"), None)
    if kubeadm is None:
        pytest.skip("no kubeadm in a bundle of the lab")
    entry = rendered(case)["/etc/kubernetes/kubeadm.yaml"]
    assert entry["mode"] == 0o600
    (tmp_path / "kubeadm.yaml").write_text(entry["text"])
    argv = [str(kubeadm), "config", "validate", "--config", str(tmp_path / "kubeadm.yaml")]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_etcd_arguments_render_to_yaml() -> None:
    files = render("control_plane", {"control_plane_etcd_args": {"quota-backend-bytes": 1}})
    list(yaml.safe_load_all(files["/etc/kubernetes/kubeadm.yaml"]["text"]))
