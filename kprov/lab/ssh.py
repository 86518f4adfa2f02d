"""SSH keys of a lab.

Both sides' keys are made on the controller: known_hosts is exact, and no key is trusted because it was seen first.
"""

from __future__ import annotations

from dataclasses import dataclass

from kprov.lab.directory import LabDirectory, write_file

USER = "kprov"  # has sudo without a password; root and `sudoer` (sudo asks) accept the same key


@dataclass(frozen=True)
class KeyPair:
    """private: OpenSSH's PEM with a final newline; public: "ssh-ed25519 AAAA..."."""

    private: str
    public: str


def new_key() -> KeyPair:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()
    return KeyPair(private, key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode())


def client_key(directory: LabDirectory) -> str:
    """The public half of the key that opens the lab's nodes; made the first time."""
    public = directory.private_key.with_suffix(".pub")
    if not (directory.private_key.exists() and public.exists()):
        pair = new_key()
        # The public half first: a private key without it would be replaced, and then the nodes know the wrong one.
        write_file(public, f"{pair.public} kprov-lab-{directory.name}\n")
        write_file(directory.private_key, pair.private, mode=0o600)
    return public.read_text().strip()


def remember_host(directory: LabDirectory, name: str, address: str, public: str) -> None:
    """Put a node's host key into known_hosts, in place of any older one of that name or address."""
    path = directory.known_hosts
    lines = path.read_text().splitlines() if path.exists() else []
    kept = [line for line in lines if not {address, name} & set(line.split(" ")[0].split(","))]
    write_file(path, "\n".join([*kept, f"{address},{name} {public}"]) + "\n")


def options(directory: LabDirectory) -> list[str]:
    """What `ssh` needs to trust exactly this lab's nodes, whatever the user's own configuration says."""
    return [
        *("-o", f"UserKnownHostsFile={directory.known_hosts}"),
        *("-o", "StrictHostKeyChecking=yes"),
    ]


def command(directory: LabDirectory, address: str, *words: str, user: str = USER, ask: bool = False) -> list[str]:
    """An `ssh` command line to a node. words: remote command, none for a shell; ask: a person may answer questions."""
    return [
        *("ssh", "-F", "none", "-i", str(directory.private_key), "-o", "IdentitiesOnly=yes"),
        *(() if ask else ("-o", "BatchMode=yes", "-o", "ConnectTimeout=3")),
        *options(directory),
        f"{user}@{address}",
        *words,
    ]
