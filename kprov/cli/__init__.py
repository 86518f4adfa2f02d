"""The command tree. `main` is where kprov starts."""

from kprov.cli.app import main

__all__ = ["main"]
