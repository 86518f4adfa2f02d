"""`python -m benchmarks [NAME...]`: run the named benchmarks, or all of them."""

from __future__ import annotations

import importlib
import sys

ALL = ("start", "scale", "certs", "install")

for name in sys.argv[1:] or ALL:
    importlib.import_module(f"benchmarks.{name}").main()
