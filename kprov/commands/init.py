"""`kprov init`: a minimal inventory to edit."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kprov.spec.sample import write_sample
from kprov.ui.result import Result

if TYPE_CHECKING:
    from rich.console import Console


def init(directory: Path) -> Result:
    """Write the files of a new inventory. Raises InputError when one of them exists, and then writes nothing."""
    files = write_sample(directory)

    def render(console: Console) -> None:
        for path in files:
            console.print(f"wrote {path}", soft_wrap=True, markup=False)
        console.print(f"edit {files[0]}, then: kprov plan {files[0]}", soft_wrap=True, markup=False)

    return Result("init", {"directory": str(directory), "files": [str(path) for path in files]}, render)
