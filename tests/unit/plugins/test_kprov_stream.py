"""Images on their way to a node: what the controller writes into a FIFO, and what the module reads from it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import BinaryIO

import pytest
from ansible.module_utils import kprov_transfer
from ansible.module_utils.kprov_stream import StreamError, drain, received, wait

SIZE = 3 * 1024 * 1024  # more than a pipe and ssh hold


class Connection:
    """A connection of Ansible whose ssh is the shell of this machine."""

    transport = "ssh"
    host = "n1"

    def get_option(self, name: str) -> str | None:
        return None

    def _build_command(self, executable: str, program: str, host: str, script: str) -> list[bytes]:
        return [b"sh", b"-c", script.encode()]


@pytest.fixture
def fifo(tmp_path: Path) -> Path:
    path = tmp_path / "images"
    os.mkfifo(path, 0o600)
    return path


def write(file: BinaryIO) -> None:
    file.write(b"x" * SIZE)


def test_all_that_is_written_is_received_and_the_fifo_is_gone(fifo: Path) -> None:
    with kprov_transfer.Stream(Connection(), write, str(fifo)) as stream:
        with received(str(fifo)) as file:
            wait(file)
            copied = subprocess.run(["head", "-c", "10"], stdin=file, capture_output=True, check=True).stdout
            drain(file)  # a reader stops where its archive ends
        stream.finish(taken=True)
    assert copied == b"x" * 10
    assert not fifo.exists()


def test_reader_that_gives_up_ends_the_writer_and_its_reason_counts(fifo: Path) -> None:
    with kprov_transfer.Stream(Connection(), write, str(fifo)) as stream:
        with received(str(fifo)) as file:
            wait(file)
        stream.finish(taken=False)


def test_writer_that_was_not_finished_when_the_reader_says_all_is_well_is_an_error(fifo: Path) -> None:
    with kprov_transfer.Stream(Connection(), write, str(fifo)) as stream:
        with received(str(fifo)) as file:
            wait(file)
        with pytest.raises(kprov_transfer.TransferError, match="failed"):
            stream.finish(taken=True)


def test_what_is_wrong_with_the_bundle_is_raised_whatever_the_reader_says(fifo: Path) -> None:
    def damaged(file: BinaryIO) -> None:
        file.write(b"x")
        raise ValueError("blob is damaged")

    with kprov_transfer.Stream(Connection(), damaged, str(fifo)) as stream:
        with received(str(fifo)) as file:
            wait(file)
            drain(file)
        with pytest.raises(ValueError, match="blob is damaged"):
            stream.finish(taken=False)


def test_connection_with_a_password_takes_only_files(fifo: Path) -> None:
    connection = SimpleNamespace(transport="ssh", get_option=lambda name: "secret")
    with pytest.raises(kprov_transfer.NoStream):
        kprov_transfer.Stream(connection, write, str(fifo))


def test_nobody_sends(fifo: Path) -> None:
    with received(str(fifo)) as file, pytest.raises(StreamError, match="sent nothing within"):
        wait(file, 0.1)
    assert not fifo.exists()


def test_file_is_read_like_a_fifo(tmp_path: Path) -> None:
    (tmp_path / "images.tar").write_bytes(b"archive")
    with received(str(tmp_path / "images.tar")) as file:
        wait(file)
        assert file.read() == b"archive"


def test_link_or_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/etc/shadow")
    for path in (tmp_path / "link", tmp_path):
        with pytest.raises(StreamError, match="neither a FIFO nor a file"), received(str(path)):
            pass
