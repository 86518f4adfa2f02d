"""Fields of two KubeletConfigurations: flat, and equal when they mean the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from kprov.reserve.quantity import quantity
from kprov.spec.checks.kubernetes import go_duration

Path = tuple[str, ...]
# A value that only says that nobody has set the field; kubeadm writes its file full of them.
UNSET = (None, "", "0", "0s")


def leaves(fields: Mapping[str, Any], above: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Every value with the path to it. Lists are values."""
    for name, value in fields.items():
        if isinstance(value, Mapping):
            yield from leaves(value, (*above, name))
        else:
            yield (*above, name), value


def same(one: Any, other: Any) -> bool:
    """5m and 5m0s, 1Gi and 1024Mi, 3000 and "3000", nothing and false."""
    if one is None or other is None:
        return not one and not other
    if one == other:
        return True
    if isinstance(one, (list, Mapping)) or isinstance(other, (list, Mapping)):
        return bool(_plain(one) == _plain(other))
    for measure in (go_duration, quantity):
        left, right = measure(str(one)), measure(str(other))
        if left is not None and right is not None:
            return bool(left == right)
    return bool(_plain(one) == _plain(other))


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return str(value)


def shown(path: Path, value: Any) -> str:
    """For a table: "evictionHard.pid.available 5%"."""
    return f"{'.'.join(path)} {'-' if value is None else str(value).lower() if isinstance(value, bool) else value}"
