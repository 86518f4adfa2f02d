"""What kubelet and machine must agree on: swap, kernel settings, name servers, shutdown."""

from __future__ import annotations

from ipaddress import ip_address

from kprov.lint.record import Facts, View
from kprov.lint.rule import Rule, Word
from kprov.spec.checks.kubelet import KERNEL_DEFAULTS
from kprov.spec.checks.kubernetes import go_duration

# The least that kind's "known issues" asks for; the kernel's defaults are 128 instances and, before 5.11, 8192 watches.
INOTIFY = {"fs.inotify.max_user_instances": 512, "fs.inotify.max_user_watches": 524288}


def _swap(view: View, facts: Facts) -> Word | None:
    refuses = view.kubelet.get("failSwapOn") if view.kubelet else None
    if refuses is None:
        return None
    problem = f"swap is on ({', '.join(facts.swap)}): at its next start the kubelet refuses it"
    text = f"failSwapOn {'true' if refuses else 'false'}"
    return Word(
        text, problem if refuses and facts.swap and view.kubelet and view.kubelet.complete else None, fatal=True
    )


def _kernel_defaults(view: View, facts: Facts) -> Word | None:
    protect = view.kubelet.get("protectKernelDefaults") if view.kubelet else None
    if protect is None or not view.kernel:
        return None
    others = [
        f"{name} {view.kernel[name]}, not {value}"
        for name, value in KERNEL_DEFAULTS.items()
        if name in view.kernel and view.kernel[name] != str(value)
    ]
    text = f"protectKernelDefaults {'true' if protect else 'false'}" + (f", {'; '.join(others)}" if others else "")
    problem = f"{'; '.join(others)}: with protectKernelDefaults the kubelet does not start"
    return Word(text, problem if protect and others else None, fatal=True)


def _inotify(view: View, facts: Facts) -> Word | None:
    values = {name: int(view.kernel[name]) for name in INOTIFY if name in view.kernel}
    if not values:
        return None
    low = [f"{name} {value} is below {INOTIFY[name]}" for name, value in values.items() if value < INOTIFY[name]]
    text = ", ".join(f"{name.rpartition('_')[2]} {value}" for name, value in values.items())
    problem = f"{'; '.join(low)}: kubelet and log followers fail with `too many open files`"
    return Word(text, problem if low else None)


def _resolver(view: View, facts: Facts) -> Word | None:
    path = view.kubelet.get("resolvConf") if view.kubelet else None
    if path is None:
        return None
    servers = facts.nameservers.get(path, ())
    loops = [server for server in servers if _loopback(server)]
    text = f"{path}: {', '.join(servers) or '?'}"
    if servers and len(loops) == len(servers):
        return Word(
            text, f"{path} names only {', '.join(loops)}: in a pod that is the pod, and CoreDNS stops", fatal=True
        )
    return Word(text, f"{path} names {', '.join(loops)}, which in a pod is the pod itself" if loops else None)


def _loopback(server: str) -> bool:
    try:
        return ip_address(server.partition("%")[0]).is_loopback
    except ValueError:
        return False


def _shutdown(view: View, facts: Facts) -> Word | None:
    if view.kubelet is None:
        return None
    grace = go_duration(str(view.kubelet.get("shutdownGracePeriod") or "0s"))
    if grace is None:
        return Word("0s")
    delay = view.shutdown_delay
    text = f"kubelet {float(grace):g}s, logind {'?' if delay is None else f'{delay:g}s'}"
    problem = f"pods are to get {float(grace):g} s, and logind ends the wait after {delay or 0:g} s"
    return Word(text, problem if delay is not None and delay < grace else None)


RULES = (
    Rule("swap", _swap, "`swapoff -a` and its line in /etc/fstab, or kubelet_fail_swap_on: false"),
    Rule(
        "kernel-defaults",
        _kernel_defaults,
        "`kprov up` sets them; a file that sorts after 90-kprov.conf may say otherwise",
    ),
    Rule("inotify", _inotify, "`kprov up` raises them; otherwise os_sysctl", in_plan=True, kubelet=False),
    Rule("resolv-conf", _resolver, "set kubelet_resolv_conf to a resolv.conf that names a real DNS server"),
    Rule(
        "shutdown-delay",
        _shutdown,
        "`systemd-analyze cat-config systemd/logind.conf` names the file that has the last word",
    ),
)
