"""`python -m kprov`."""

from kprov.cli import main

main()
