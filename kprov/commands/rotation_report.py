"""What `kprov certs rotate-ca` answers: which CAs there are, which steps were taken, which is next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from kprov.errors import ExitCode, Problem
from kprov.ui.result import Result

if TYPE_CHECKING:
    from kprov.certs.certificate import Certificate
    from kprov.certs.rotation import Plane, Rotation


@dataclass(frozen=True)
class Taken:
    """A step that was taken. proofs: what was found to be so afterwards, with the host; log: Ansible's."""

    step: str
    seconds: float
    proofs: Sequence[str]
    log: str


def report(
    cluster: str,
    authority: str,
    rotation: Rotation,
    planes: Sequence[Plane],
    taken: Sequence[Taken],
    problems: Sequence[Problem],
    seconds: float,
) -> Result:
    """rotation: where it is now. Exit code FOUND when nothing was done and there is something to do."""
    from kprov.ui.rotation_table import print_rotation

    data: dict[str, Any] = {
        "cluster": cluster,
        "ca": authority,
        "changed": bool(taken),
        "next_step": rotation.step.value if rotation.step else None,
        "why": rotation.why,
        "old": _certificate(rotation.old),
        "new": _certificate(rotation.new),
        "hosts": [_plane(plane) for plane in planes],
        "taken": [{**asdict(one), "seconds": round(one.seconds, 2)} for one in taken],
        "seconds": round(seconds, 2),
    }
    code = ExitCode.FOUND if rotation.step and not taken else ExitCode.OK
    return Result(
        "certs.rotate-ca",
        data,
        lambda out: print_rotation(out, cluster, authority, rotation, planes, [one.step for one in taken]),
        problems,
        code,
    )


def _plane(plane: Plane) -> dict[str, Any]:
    return {
        "host": plane.host,
        "trusted": [one.serial for one in plane.bundle],
        "loaded": plane.loaded,
        "leaves": {name: _signer(leaf, plane) for name, leaf in plane.leaves.items()},
    }


def _signer(leaf: Certificate, plane: Plane) -> str | None:
    """Serial of the CA that signed a leaf."""
    known = [one for one in (*plane.bundle, plane.next, plane.old) if one]
    return next((one.serial for one in known if leaf.signed_by(one)), None)


def _certificate(found: Certificate | None) -> dict[str, str] | None:
    if found is None:
        return None
    return {"serial": found.serial, "sha256": found.fingerprint, "not_after": found.not_after.isoformat()}
