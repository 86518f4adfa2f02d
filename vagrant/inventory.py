"""Writes an inventory of the machines that run: hosts, the key of each, and exactly their host keys.

Users and keys come from `vagrant ssh-config`, addresses and host keys from the machines: the same with every provider.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path

from settings import ROOT, settings

from kprov.errors import ExitCode, KprovError
from kprov.lab.inventory import Variable, lab_variables, machine_variables, render_group_vars

KUBERNETES = "1.36"

# One line per address, then the host key.
QUESTION = "ip -o -4 address show scope global; cat /etc/ssh/ssh_host_ed25519_key.pub"


class VagrantError(KprovError):
    """Vagrant or a machine does not answer."""

    exit_code = ExitCode.LAB


@dataclass(frozen=True)
class Machine:
    """name: "cp1"; address: in the machines' own network; key: private key's path; host_key: "ssh-ed25519 AAAA..."."""

    name: str
    address: str
    user: str
    key: str
    host_key: str


def main() -> int:
    """Argument: the inventory's directory, by default inventory/vagrant. Exit code: 0, or the error's."""
    directory = Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "inventory" / "vagrant").absolute()
    said = settings()
    try:
        machines = running_machines(IPv4Network(f"{said['network']}.0/24"))
        known_hosts = directory / "known_hosts"
        variables = directory / "group_vars" / "all.yml"
        variables.parent.mkdir(parents=True, exist_ok=True)
        known_hosts.write_text("".join(f"{machine.address} {machine.host_key}\n" for machine in machines))
        (directory / "inventory.ini").write_text(render(machines, known_hosts))
        if not variables.exists():
            variables.write_text(render_group_vars(group_vars(said["provider"])))
    except KprovError as error:
        sys.stderr.write(f"error: {error.message}\n" + (f"  hint  {error.hint}\n" if error.hint else ""))
        return error.exit_code
    sys.stdout.write(f"{directory}: {', '.join(machine.name for machine in machines)}\n")
    return 0


def running_machines(network: IPv4Network) -> list[Machine]:
    """The machines that run, control planes first. Raises VagrantError."""
    config = _run(["vagrant", "ssh-config"], hint="`vagrant up` first; all machines must run")
    blocks = [
        dict(re.findall(r"^\s*(\w+) (.+)$", block, re.MULTILINE)) for block in config.split("\n\n") if block.strip()
    ]
    with tempfile.NamedTemporaryFile("w", prefix="vagrant-ssh-", suffix=".config") as file:
        file.write(config)
        file.flush()
        return [_machine(block, file.name, network) for block in blocks]


def _machine(block: dict[str, str], config: str, network: IPv4Network) -> Machine:
    name = block["Host"]
    said = _run(["ssh", "-F", config, name, QUESTION], hint=f"`vagrant ssh {name}` must work")
    addresses = [
        address for address in re.findall(r"\binet ([\d.]+)/", said) if IPv4Network(address).subnet_of(network)
    ]
    host_key = re.search(r"^ssh-ed25519 \S+", said, re.MULTILINE)
    if not addresses or not host_key:
        raise VagrantError(
            f"{name} has no address in {network}" if not addresses else f"{name} has no ed25519 host key"
        )
    return Machine(name, addresses[0], block["User"], block["IdentityFile"].strip('"'), host_key.group())


def _run(command: list[str], hint: str) -> str:
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise VagrantError(f"`{command[0]}` does not answer: {error}", hint=hint) from error
    if done.returncode != 0:
        raise VagrantError(f"`{' '.join(command)}` failed: {done.stderr.strip() or done.stdout.strip()}", hint=hint)
    return done.stdout


def render(machines: list[Machine], known_hosts: Path) -> str:
    """inventory.ini. Every machine has a key of its own."""

    def group(name: str, members: list[str]) -> str:
        return "\n".join([f"[{name}]", *members, ""])

    def host(machine: Machine) -> str:
        return (
            f"{machine.name} ansible_host={machine.address} ip={machine.address} "
            f"ansible_user={machine.user} ansible_ssh_private_key_file={machine.key}"
        )

    control_planes = [machine for machine in machines if machine.name.startswith("cp")]
    workers = [machine for machine in machines if machine not in control_planes]
    trust = f"-o UserKnownHostsFile={known_hosts} -o StrictHostKeyChecking=yes"
    return "\n".join(
        [
            "# Written by scripts/vagrant-inventory, each time anew; settings go to group_vars/all.yml.\n",
            group("kube_control_plane", [host(machine) for machine in control_planes]),
            group("kube_node", [host(machine) for machine in workers] or [each.name for each in control_planes]),
            group("all:vars", ["ansible_become=true", f"ansible_ssh_common_args={trust}"]),
        ]
    )


def group_vars(provider: str) -> list[Variable]:
    """Containers install from the lab's bundle, like the lab's own nodes; VMs from the publishers."""
    if provider != "docker":
        return [Variable("cluster_name", "vagrant", "The cluster's name.")]
    from kprov.lab.build import build_bundle
    from kprov.lab.machine import detect
    from kprov.ui.progress import PlainProgress

    bundle = build_bundle([KUBERNETES], PlainProgress())
    return lab_variables("vagrant", KUBERNETES, bundle) + machine_variables(detect())


if __name__ == "__main__":
    sys.exit(main())
