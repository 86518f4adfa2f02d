"""Commands about a cluster: options in, one function call, `finish`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kprov.cli.ask import announce_plan, asking
from kprov.cli.finish import finish
from kprov.cli.options import (
    AcceptNewHostKeys,
    BreakLock,
    Format,
    Inventory,
    InventoryOption,
    Limit,
    Only,
    Output,
    VerifyAll,
    Yes,
    cluster_options,
    phase_names,
)


def plan(
    inventory: Inventory = None,
    inventory_option: InventoryOption = None,
    limit: Limit = None,
    only: Only = None,
    verify_all: VerifyAll = False,
    accept_new_host_keys: AcceptNewHostKeys = False,
    output: Output = Format.TABLE,
) -> None:
    """Say what `kprov up` would change and why. Exit code 0: nothing, 2: changes.

    Example: kprov plan inventory.ini --limit node3
    """
    from kprov.commands.plan import plan as run

    options = cluster_options(inventory or inventory_option, accept_new_host_keys, limit)
    phases = phase_names(only)
    finish("plan", output, lambda: run(options, only=phases, verify_all=verify_all))


def up(
    inventory: Inventory = None,
    inventory_option: InventoryOption = None,
    limit: Limit = None,
    only: Only = None,
    verify_all: VerifyAll = False,
    check: Annotated[
        bool, typer.Option("--check", help="Run the roles in check mode: shows differences, changes nothing.")
    ] = False,
    verify: Annotated[
        bool, typer.Option("--verify/--no-verify", help="After a change, prove that the cluster works.")
    ] = True,
    yes: Yes = False,
    break_lock: BreakLock = False,
    accept_new_host_keys: AcceptNewHostKeys = False,
    output: Output = Format.TABLE,
) -> None:
    """Make the cluster what the inventory says. Safe to run again at any time.

    Shows the plan, asks (--yes: does not), changes only what differs, proves the result.

    Example: kprov up inventory.ini --yes
    """
    from kprov.commands.up import UpOptions
    from kprov.commands.up import up as run
    from kprov.ui.console import err

    how = UpOptions(
        only=phase_names(only),
        verify_all=verify_all,
        check=check,
        verify=verify,
        break_lock=break_lock,
        confirm=asking("change these hosts?", announce_plan, yes=yes or check),
    )
    options = cluster_options(inventory or inventory_option, accept_new_host_keys, limit)
    finish("up", output, lambda: run(options, how, err()))


def verify(
    inventory: Inventory = None,
    inventory_option: InventoryOption = None,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the test pods in place for a look.")] = False,
    accept_new_host_keys: AcceptNewHostKeys = False,
    output: Output = Format.TABLE,
) -> None:
    """Prove that the cluster works, from every node.

    Nodes, system pods, DNS, traffic between all pairs of nodes, Services, NetworkPolicy, logs, exec.

    Exit code 0: all green, 2: something is red. Cleans up after itself.

    Example: kprov verify inventory.ini -o json
    """
    from kprov.commands.verify import verify as run

    options = cluster_options(inventory or inventory_option, accept_new_host_keys)
    finish("verify", output, lambda: run(options, keep=keep))


def lint(
    inventory: Inventory = None,
    inventory_option: InventoryOption = None,
    everything: Annotated[bool, typer.Option("--all", help="Print what is right, too.")] = False,
    skip: Annotated[
        list[str] | None, typer.Option("--skip", metavar="RULE", help="Leave this rule out; may be repeated.")
    ] = None,
    limit: Limit = None,
    accept_new_host_keys: AcceptNewHostKeys = False,
    output: Output = Format.TABLE,
) -> None:
    """Say which settings of the nodes are unsafe.

    As the inventory wants them, as files have them, as they run. Changes nothing. Works with the API server dead, too.

    Exit code 0: nothing found, 2: findings, 4: something could not be read.

    Example: kprov lint inventory.ini --all
    """
    from kprov.commands.lint import lint as run

    options = cluster_options(inventory or inventory_option, accept_new_host_keys, limit)
    finish("lint", output, lambda: run(options, everything=everything, skip=tuple(skip or ())))


def status(
    inventory: Inventory = None,
    inventory_option: InventoryOption = None,
    accept_new_host_keys: AcceptNewHostKeys = False,
    output: Output = Format.TABLE,
) -> None:
    """Say what is there: nodes, phases, drift, lock. Answers with the API server dead, too.

    Example: kprov status inventory.ini
    """
    from kprov.commands.status import status as run

    options = cluster_options(inventory or inventory_option, accept_new_host_keys)
    finish("status", output, lambda: run(options))


def kubeconfig(
    inventory: Inventory = None,
    inventory_option: InventoryOption = None,
    file: Annotated[
        Path | None, typer.Option("--file", help="Where to; default: $KUBECONFIG's first file, else ~/.kube/config.")
    ] = None,
    show: Annotated[bool, typer.Option("--print", help="Print it instead; it holds a private key.")] = False,
    use_context: Annotated[bool, typer.Option("--use-context", help="Make it the current context.")] = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace entries of the same name that belong to another cluster.")
    ] = False,
    accept_new_host_keys: AcceptNewHostKeys = False,
    output: Output = Format.TABLE,
) -> None:
    """Fetch the admin kubeconfig and merge it into yours.

    The context has the cluster's name.

    Example: kprov kubeconfig inventory.ini --use-context
    """
    from kprov.commands.kubeconfig import kubeconfig as run

    options = cluster_options(inventory or inventory_option, accept_new_host_keys)
    finish("kubeconfig", output, lambda: run(options, file=file, show=show, use_context=use_context, replace=replace))


def init(
    directory: Annotated[Path, typer.Argument(help="Where to; made if it is not there.")],
    output: Output = Format.TABLE,
) -> None:
    """Write a minimal inventory to edit, every line explained.

    Example: kprov init mycluster
    """
    from kprov.commands.init import init as run

    finish("init", output, lambda: run(directory))


cluster_commands = (init, plan, up, verify, lint, status, kubeconfig)
