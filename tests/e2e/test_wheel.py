"""The wheel: holds exactly the content files, and works from a clean virtual environment anywhere."""

from __future__ import annotations

import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from kprov.errors import ExitCode
from tests.e2e.cluster import LabCluster

CONTENT = ("artifacts", "playbooks", "plugins", "roles")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dist")
    subprocess.run([sys.executable, "-m", "build", "-q", "--wheel", "--outdir", out], check=True)
    (path,) = out.glob("*.whl")
    return path


def tracked(*paths: str) -> set[str]:
    """What git has, so that no stray file of a checkout gets into a wheel."""
    listed = subprocess.run(["git", "ls-files", *paths], check=True, capture_output=True, text=True).stdout
    return set(listed.split())


def test_wheel_holds_exactly_what_git_has(wheel: Path) -> None:
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    content = {f"kprov/_content/{name}" for name in tracked(*CONTENT)}
    assert packed == tracked("kprov") | content


def test_installed_wheel_plans_from_anywhere(wheel: Path, cluster: LabCluster, tmp_path: Path) -> None:
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "-q", wheel], check=True)
    kprov = tmp_path / "venv" / "bin" / "kprov"
    plan = subprocess.run([kprov, "plan", cluster.inventory], cwd="/", check=False, capture_output=True, text=True)
    assert plan.returncode == ExitCode.OK, plan.stderr + plan.stdout
    assert "nothing to change" in plan.stdout
