"""`kprov certs csr import`: what a CA elsewhere has signed, checked, put in place as a renewal does, and proved."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from kprov.commands.certs_renew import wanted_names
from kprov.commands.context import Options
from kprov.commands.renewal_report import report
from kprov.commands.renewal_run import Job, RunOptions, control_planes, look_at, run_job
from kprov.errors import ExitCode, InputError, Problem
from kprov.ui.result import Result
from kprov.words import count

if TYPE_CHECKING:
    from rich.console import Console

    from kprov.certs.exchange import Answer
    from kprov.certs.item import Inventory, Item


@dataclass(frozen=True)
class ImportOptions(RunOptions):
    """only: kubeadm's names, all if empty."""

    only: tuple[str, ...] = ()


def certs_csr_import(options: Options, directory: Path, how: ImportOptions, console: Console) -> Result:
    """Check every certificate that came back, put all in place as a renewal does. All in place: nothing is started.

    Raises InputError with everything that is wrong with any of them, before any node is touched; else as certs_renew.
    """
    from kprov.certs.exchange import read
    from kprov.certs.node.known import KUBEADM
    from kprov.certs.renewal import SERVING, Renewal, Work
    from kprov.engine.certs_renew import IMPORT
    from kprov.remote.ssh import Connections
    from kprov.spec.load import load

    started = time.monotonic()
    loaded = load(options.inventory)
    spec = loaded.spec
    hosts = control_planes(spec, options.limit)
    only = wanted_names(spec, how.only, KUBEADM) if how.only else ()
    answers = read(directory, spec.name, hosts, only)
    with Connections(accept_new_host_keys=options.accept_new_host_keys) as connections:
        before = look_at(spec, connections)
        due, problems = judged(answers, before)
        problems = [*loaded.warnings, *problems]
        errors = [problem for problem in problems if problem.severity == "error"]
        if errors:
            files = len({problem.file for problem in errors})
            what = "a certificate is" if files == 1 else f"{files} certificates are"
            raise InputError(f"{what} not what was asked for", problems=problems, hint="nothing was changed")
        work = []
        for host in dict.fromkeys(answer.host for answer in answers):
            mine = tuple(item for item in due if item.host == host)
            unused = tuple(
                item
                for item in before.items
                if item.host == host and item.name in KUBEADM and item.served_equal is False and item not in mine
            )
            work += [Work(host, mine, unused)] if mine or unused else []
        ended = any(item.name in SERVING and item.left(before.now) <= 0 for item in due)
        renewal = Renewal(tuple(work), recover=ended)
        if not renewal:
            done = f"nothing to import: {count(len(answers), 'certificate')} of {directory} in place and in use"
            return report(IMPORT, spec.name, done, problems, ExitCode.OK, started)
        signed: dict[str, dict[str, str]] = {host: {} for host in renewal.hosts}
        for answer in answers:
            if answer.host in signed:
                signed[answer.host][answer.item] = bundle(answer, before)
        job = Job(IMPORT, spec, renewal, before, problems, started, signed=signed)
        return run_job(job, options, how, connections, console)


def judged(answers: Sequence[Answer], before: Inventory) -> tuple[list[Item], list[Problem]]:
    """(what is to be replaced, everything that is wrong). What is in place already is neither."""
    from kprov.certs.signed import Verdict, judge

    due, problems = [], []
    for answer in answers:
        item, machine = before.named(answer.host, answer.item), before.machine(answer.host)
        verdicts: list[Verdict] = []
        if item is None or machine is None:
            verdicts.append(Verdict("error", f"{answer.host} has no {answer.item} that it could replace"))
        elif item.certificate == answer.certificate and not (item.key and item.key.problem):
            continue
        elif answer.item not in machine.csrs:
            hint = "`kprov certs csr export` makes one, to be signed again"
            verdicts.append(Verdict("error", f"no request for it waits on {answer.host}", hint))
        else:
            now = before.now + timedelta(seconds=machine.skew)
            request, authorities = machine.csrs[answer.item], _authorities(before, item)
            verdicts += judge(answer.certificate, answer.chain, request, item, authorities, now)
            due.append(item)
        problems += [
            Problem(one.severity, "signed-certificate", one.message, host=answer.host, file=answer.file, hint=one.hint)
            for one in verdicts
        ]
    return due, problems


def _authorities(found: Inventory, item: Item) -> list[Item]:
    """The CA's certificates on the item's host; its file may hold several."""
    return [one for one in found.all_named(item.authority or "") if one.host == item.host]


def bundle(answer: Answer, found: Inventory) -> str:
    """PEM of the certificate and what is between it and its CA; nothing else that came in the file."""
    from cryptography.hazmat.primitives.serialization import Encoding

    from kprov.certs.certificate import between

    item = found.named(answer.host, answer.item)
    known = [one.certificate for one in _authorities(found, item)] if item else []
    path = between(answer.certificate, answer.chain, known) or ()
    return "".join(one.x509.public_bytes(Encoding.PEM).decode() for one in (answer.certificate, *path))
