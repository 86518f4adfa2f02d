"""`kprov init`."""

from __future__ import annotations

from pathlib import Path

import pytest

from kprov.commands.init import init
from kprov.errors import InputError


def test_writes_the_files_and_never_over_others(tmp_path: Path) -> None:
    result = init(tmp_path / "new")
    assert [Path(file).exists() for file in result.data["files"]] == [True, True]
    Path(result.data["files"][0]).write_text("mine")
    with pytest.raises(InputError, match="exists already"):
        init(tmp_path / "new")
    assert Path(result.data["files"][0]).read_text() == "mine"
