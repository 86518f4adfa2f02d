"""What is said when no engine is fit, with a `docker` command made of a few lines of shell."""

from pathlib import Path

import pytest

from kprov.errors import LabError
from kprov.lab.docker import Docker
from kprov.lab.engine import connect

LOCAL = "unix:///var/run/docker.sock"


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the test writes its `docker`; nothing else is on the PATH."""
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path / "docker"


def script(client: Path, *, endpoint: str = LOCAL, version: str) -> None:
    client.write_text(f'#!/bin/sh\ncase $1 in\n  context) echo "{endpoint}" ;;\n  version) {version} ;;\nesac\n')
    client.chmod(0o755)


def test_an_engine_that_answers(client: Path) -> None:
    script(client, version="echo 1.41 20.10.24")
    assert connect() == Docker(str(client), "20.10.24")


def test_no_client(client: Path) -> None:
    with pytest.raises(LabError, match="no `docker` command"):
        connect()


def test_no_engine(client: Path) -> None:
    script(client, version="echo Cannot connect >&2; exit 1")
    with pytest.raises(LabError, match="no Docker Engine answers: Cannot connect") as error:
        connect()
    assert "scripts/engine start" in str(error.value.hint)


def test_no_permission(client: Path) -> None:
    script(client, version="echo Permission denied >&2; exit 1")
    with pytest.raises(LabError, match="no permission") as error:
        connect()
    assert "usermod" in str(error.value.hint)


def test_an_engine_on_another_machine(client: Path) -> None:
    script(client, endpoint="ssh://elsewhere", version="echo 1.50 28.0.0")
    with pytest.raises(LabError, match="not on this machine"):
        connect()


def test_an_engine_that_is_too_old(client: Path) -> None:
    script(client, version="echo 1.40 19.03.1")
    with pytest.raises(LabError, match=r"19\.03\.1 is too old"):
        connect()


def test_a_failed_call_shows_the_command_and_what_it_said(client: Path) -> None:
    client.write_text("#!/bin/sh\necho no such thing >&2\nexit 3\n")
    client.chmod(0o755)
    with pytest.raises(LabError, match="`docker rm 'a b'` failed with 3: no such thing"):
        Docker(str(client), "20.10").run("rm", "a b")
