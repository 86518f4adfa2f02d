"""How Vagrant's docker provider makes a machine of a container: what the lab does with `docker create`, as JSON."""

from __future__ import annotations

import json
import sys

from settings import settings

from kprov.errors import KprovError
from kprov.lab import nodes
from kprov.lab.engine import connect
from kprov.lab.machine import detect
from kprov.lab.node_image import node_image
from kprov.ui.progress import PlainProgress


def main() -> int:
    """Exit code: 0, or the error's."""
    try:
        docker, machine = connect(), detect()
        image = node_image(docker, PlainProgress())
        unknown = [] if machine.privileged_works else nodes.unknown_capabilities(docker, image, machine.capabilities)
    except KprovError as error:
        sys.stderr.write(f"error: {error.message}\n  hint  {error.hint}\n")
        return error.exit_code
    gateway = f"{settings()['network']}.1"
    document = {
        "image": image,
        "flags": [*nodes.isolation(machine, unknown), "--tmpfs=/run", "--tmpfs=/tmp:exec"],
        # Nobody listens at the gateway: where this machine knows no nameserver, every lookup fails at once.
        "environment": {
            "KPROV_LAB_GATEWAY": gateway,
            "KPROV_LAB_RESOLVERS": " ".join(machine.resolvers or (gateway,)),
        },
        "volumes": list(nodes.VOLUMES.values()),
    }
    sys.stdout.write(json.dumps(document) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
