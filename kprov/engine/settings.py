"""Ansible's settings and environment for a run; nothing of the user's shell or of a stray ansible.cfg gets in.

What a task costs with and without each setting: docs/explanation/speed.md.
"""

from __future__ import annotations

import os
from pathlib import Path

from kprov.content import content_root
from kprov.engine.paths import control_sockets

# What a subprocess may see of the user's environment.
PASSED_ON = ("HOME", "PATH", "LANG", "LC_ALL", "TZ", "USER", "SSH_AUTH_SOCK", "ANSIBLE_VAULT_PASSWORD_FILE")

# Seconds between questions whether sshd is still there, and how many in a row may stay without an answer. A minute:
# on a node that swaps or is short of CPU, sshd takes long.
ALIVE_INTERVAL, ALIVE_COUNT = 10, 6


def ansible_cfg(hosts: int, *, accept_new_host_keys: bool) -> str:
    """The text of ansible.cfg for a run on that many hosts."""
    root = content_root()
    cores = os.cpu_count() or 1
    # A fork per host; beyond 20 on a small controller they only wait for each other.
    forks = max(1, min(hosts, 50 if cores > 2 else 20))
    # Hundreds of megabytes go to each node: AES-GCM takes half the time of OpenSSH's first choice, chacha20-poly1305.
    # The same ciphers as its default, in another order.
    ciphers = (
        "aes128-gcm@openssh.com,aes256-gcm@openssh.com,chacha20-poly1305@openssh.com,aes128-ctr,aes192-ctr,aes256-ctr"
    )
    # A node that vanishes without a word, or a cable that is pulled: TCP alone would wait for it for a quarter of an
    # hour, or for ever while nothing is sent. sshd answers these by itself, whatever a task takes.
    alive = f"-o ServerAliveInterval={ALIVE_INTERVAL} -o ServerAliveCountMax={ALIVE_COUNT}"
    host_keys = f"-o StrictHostKeyChecking={'accept-new' if accept_new_host_keys else 'yes'}"
    return f"""[defaults]
forks = {forks}
gathering = explicit
inject_facts_as_vars = False
interpreter_python = /usr/bin/python3
no_target_syslog = True
host_key_checking = True
callbacks_enabled = kprov_events
display_skipped_hosts = False
retry_files_enabled = False
localhost_warning = False
deprecation_warnings = False
roles_path = {root / "roles"}
library = {root / "plugins/modules"}
module_utils = {root / "plugins/module_utils"}
action_plugins = {root / "plugins/action"}
callback_plugins = {root / "plugins/callback"}
lookup_plugins = {root / "plugins/lookup"}

[connection]
pipelining = True

[ssh_connection]
ssh_args = -o ControlMaster=auto -o ControlPersist=60s -o ConnectTimeout=10 {alive} -o Ciphers={ciphers} {host_keys}
control_path_dir = {control_sockets()}
"""


def environment(config: Path, event_fd: int) -> dict[str, str]:
    """The whole environment of ansible-playbook."""
    passed = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    return {
        **passed,
        "ANSIBLE_CONFIG": str(config),
        "ANSIBLE_NOCOLOR": "1",
        "KPROV_EVENT_FD": str(event_fd),
        "KPROV_CONTENT_ROOT": str(content_root()),
        "PYTHONUNBUFFERED": "1",
    }
