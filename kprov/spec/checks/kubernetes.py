"""Values whose form is Kubernetes' own: durations, flags, preflight checks, paths on a node."""

from __future__ import annotations

import re
from fractions import Fraction

from kprov.spec.draft import Draft
from kprov.spec.report import Report

DURATIONS = ("control_plane_certificate_validity", "control_plane_ca_validity", "worker_token_ttl")
FLAGS = (
    "control_plane_api_server_args",
    "control_plane_controller_manager_args",
    "control_plane_scheduler_args",
    "control_plane_etcd_args",
    "network_kube_router_args",
)
# Seconds: it lets requests end for 30 s, as kubeadm's manifest says (terminationGracePeriodSeconds), and starts in 4.
RESTART = 35
# Go: time.ParseDuration.
PART = re.compile(r"(\d+(?:\.\d*)?)(ns|us|µs|ms|s|m|h)")
SECONDS = {
    "ns": Fraction(1, 10**9), "us": Fraction(1, 10**6), "µs": Fraction(1, 10**6), "ms": Fraction(1, 1000),
    "s": Fraction(1), "m": Fraction(60), "h": Fraction(3600),
}  # fmt: skip


def go_duration(text: str) -> Fraction | None:
    """Seconds of a Go duration such as 8760h or 1h30m; None if it is not one, or is not more than zero."""
    if PART.sub("", text) or not text:
        return None
    seconds = sum((Fraction(number.rstrip(".")) * SECONDS[unit] for number, unit in PART.findall(text)), Fraction(0))
    return seconds or None


def durations(draft: Draft, report: Report) -> None:
    """Durations are Go's, and a certificate does not outlive its authority."""
    for name in DURATIONS:
        for text, host in draft.distinct(name):
            if go_duration(text) is None:
                report.error(
                    "duration",
                    f"{name} {text!r} is not a duration such as 15m or 8760h",
                    host=host.name,
                    variable=name,
                    hint="the units are s, m and h; a year is 8760h",
                )
    for host in draft.control_planes:
        leaf = go_duration(host.text("control_plane_certificate_validity") or "")
        authority = go_duration(host.text("control_plane_ca_validity") or "")
        if leaf and authority and leaf > authority:
            report.error(
                "duration",
                "control_plane_certificate_validity is longer than control_plane_ca_validity",
                host=host.name,
                variable=next((n for n in DURATIONS[:2] if n in host.raw), None),
            )


def health_deadline(draft: Draft, report: Report) -> None:
    """No shorter than a restart that goes well, or every change would be taken back."""
    name = "control_plane_health_deadline"
    for seconds, host in draft.distinct(name):
        if seconds < RESTART:
            message = f"{name} is {seconds}: an API server alone may take {RESTART} s to restart"
            report.error("deadline", message, host=host.name, variable=name, hint="120 is the default")


def terminated_pods(draft: Draft, report: Report) -> None:
    """A number of pods; the controller takes a negative one silently for 0."""
    name = "control_plane_terminated_pod_gc_threshold"
    for pods, host in draft.distinct(name):
        if pods < 0:
            message, hint = f"{name} is {pods}: it is a number of pods", "0 keeps all of them, 12500 is the default"
            report.error("pods", message, host=host.name, variable=name, hint=hint)


def flags(draft: Draft, report: Report) -> None:
    """Further flags are names without dashes, each with one value."""
    for name in FLAGS:
        for arguments, host in draft.distinct(name):
            for flag, value in arguments.items():
                if str(flag).startswith("-"):
                    text = f"{name}: write {flag} without the dashes in front"
                    report.error("flag", text, host=host.name, variable=name)
                if isinstance(value, (dict, list)) or value is None:
                    text = f"{name}: {flag} must have one value (text, number or boolean)"
                    report.error("flag", text, host=host.name, variable=name, hint='join a list with commas: "a,b"')


def ignored_preflight_errors(draft: Draft, report: Report) -> None:
    """Each ignored check is named; `all` (kubeadm compares without case) would also hide the one that matters."""
    for names, host in draft.distinct("kubeadm_ignore_preflight_errors"):
        if any(str(name).lower() == "all" for name in names):
            report.error(
                "ignore-all",
                "kubeadm_ignore_preflight_errors: all is refused",
                host=host.name,
                variable="kubeadm_ignore_preflight_errors",
                hint="name each check, as kubeadm prints it: [SystemVerification, Swap]",
            )


def paths(draft: Draft, report: Report) -> None:
    """Paths on a node are absolute."""
    names = [d.name for d in draft.declarations.values() if d.type == "path" and d.name != "artifacts_bundle"]
    for name in names:
        for path, host in draft.distinct(name):
            if path and not path.startswith("/"):
                report.error("path", f"{name} {path!r} is not an absolute path", host=host.name, variable=name)
