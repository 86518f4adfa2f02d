"""Security modules of the kernel, which kprov reports and never switches: AppArmor and SELinux."""

from __future__ import annotations

from kprov.remote.node import read

APPARMOR, SELINUX = "/sys/module/apparmor/parameters/enabled", "/sys/fs/selinux/enforce"


def modules() -> dict[str, str]:
    """Name to "enabled" (AppArmor), "enforcing" or "permissive" (SELinux); those that are off are left out."""
    found = {}
    if read.text_or(APPARMOR).strip() == "Y":
        found["AppArmor"] = "enabled"
    if enforce := read.text_or(SELINUX).strip():
        found["SELinux"] = "enforcing" if enforce == "1" else "permissive"
    return found
