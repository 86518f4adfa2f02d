"""One firewall rule per lab: what stays on the lab's bridge may pass.

With bridge-nf-call-iptables=1 the engine's isolation rules see bridged frames too and drop those whose addresses are
not the network's own: directly routed traffic between pods of two nodes dies (tunnels do not). DOCKER-USER is the chain
that the engine leaves to its users and looks at first.

The rule is set by a container in the machine's network: that needs no root, only the engine.
"""

from __future__ import annotations

from kprov.lab.docker import Docker

# The engine's rules may live in either flavour of iptables: the one that has the chain is the right one. No chain at
# all (an engine that uses nftables, or no firewall) means that there is no such isolation rule either.
_SCRIPT = """
set -eu
bridge=$1 action=$2
for tables in iptables-nft iptables-legacy; do
  "$tables" --wait -S DOCKER-USER >/dev/null 2>&1 || continue
  rule="DOCKER-USER -i $bridge -o $bridge -j ACCEPT"
  if "$tables" --wait -C $rule 2>/dev/null; then there=yes; else there=no; fi
  case $action$there in
    allowno) "$tables" --wait -I $rule; echo added ;;
    forgetyes) "$tables" --wait -D $rule; echo removed ;;
  esac
  break # only asking the other flavour would already make its tables
done
"""


def allow(docker: Docker, image: str, bridge: str) -> bool:
    """Let frames between ports of `bridge` pass; True when the rule was missing. image: the node image."""
    return _iptables(docker, image, bridge, "allow") == "added"


def forget(docker: Docker, image: str, bridge: str) -> bool:
    """Remove the rule; True when it was there."""
    return _iptables(docker, image, bridge, "forget") == "removed"


def _iptables(docker: Docker, image: str, bridge: str, action: str) -> str:
    return docker.run(
        *("run", "--rm", "--network", "host", "--cap-drop", "ALL", "--cap-add", "NET_ADMIN", "--cap-add", "NET_RAW"),
        *("--pull", "never", "--entrypoint", "/bin/sh", image, "-c", _SCRIPT, "sh", bridge, action),
    )
