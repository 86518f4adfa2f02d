#!/usr/bin/python
"""kprov_kubelet_certificates: a kubelet whose certificates have ended gets new ones."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kprov_kubelet_certificates
short_description: Bootstrap a kubelet again, and renew the serving certificate that it made for itself
description:
  - A kubelet replaces its client certificate by itself, while that is valid. One that has ended leaves the node out of
    the cluster for good. Then the kubelet is given a bootstrap kubeconfig with a short-lived token and restarted, asks
    for a new certificate, and the bootstrap kubeconfig is gone again. Pods go on running.
  - On a control plane nobody can answer such a request while its own kubelet is down, because that is what starts the
    API server and the controller manager. With C(sign) the kubelet gets a kubeconfig with a certificate that the CA on
    this node signs; as soon as the cluster works it asks for one of its own, and kubelet.conf points to that again.
  - A serving certificate that the kubelet signed itself (kubelet.crt) ends after a year. Without the file the kubelet
    makes a new one when it starts.
  - Does nothing to what has C(within) left. kubelet.conf stays as it is.
options:
  credentials: {description: "token and ca (PEM), of kprov_join_credentials. Not with C(sign).", type: dict}
  sign: {description: Sign a certificate with the CA on this node., type: bool, default: false}
  config: {description: "kubeadm's configuration, for C(sign), as for kprov_certs_renew.", type: str, default: ""}
  bin_dir: {description: Where kubeadm is looked for first., type: str, default: ""}
  serving: {description: Renew a self-signed serving certificate that is due., type: bool, default: true}
  within: {description: "Renew a serving certificate with less left, such as 30d; empty means any.", type: str}
author: kprov
"""

import base64
import json
import os
import re
import shutil
import subprocess
import time

from ansible.module_utils import kprov_fs
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.kprov_certificate import Certificate, from_pem, rfc3339
from ansible.module_utils.kprov_certs_api import kubeadm_config
from ansible.module_utils.kprov_containers import find_program, runtime_endpoint
from ansible.module_utils.kprov_kubeadm_certs import seconds
from ansible.module_utils.kprov_kubeadm_run import StepError, private_file
from ansible.module_utils.kprov_kubeadm_wait import kubelet_healthy, wait
from ansible.module_utils.kprov_kubelet_client import (
    CLIENT,
    DEADLINE,
    KUBELET_CONF,
    common_name,
    following,
    restart,
    server,
)
from ansible.module_utils.kprov_module import finish, locked
from ansible.module_utils.kprov_paths import STATE, real
from ansible.module_utils.kprov_state import make_state_directory
from ansible.module_utils.kprov_static_pods import pods

BOOTSTRAP = "/etc/kubernetes/bootstrap-kubelet.conf"  # what kubeadm's unit says: --bootstrap-kubeconfig
SERVING = ("/var/lib/kubelet/pki/kubelet.crt", "/var/lib/kubelet/pki/kubelet.key")
FROM_CLUSTER = "/var/lib/kubelet/pki/kubelet-server-current.pem"
EMBEDDED = re.compile(r"^\s*client-certificate-data:\s*(\S+)", re.MULTILINE)
REPLACED = STATE + "/replaced"


class Kubelet:
    """The kubelet of this node. Raises StepError, OSError."""

    def __init__(self, parameters: dict, check_mode: bool) -> None:
        self._credentials = parameters["credentials"]
        self._within = seconds(parameters["within"]) if parameters["within"] else None
        self._serving = parameters["serving"]
        self._sign = parameters["sign"]
        self._config, self._bin_dir = parameters["config"], parameters["bin_dir"]
        self._check_mode = check_mode
        self.changes: list[str] = []

    def run(self) -> None:
        """Both certificates."""
        if self._sign:
            self._sign_client()
            return
        self._follow_own()
        client, serving = self._client_due(), self._serving_due()
        self.changes += ["kubelet-client"] if client else []
        self.changes += ["kubelet-server"] if serving else []
        if self._check_mode or not self.changes:
            return
        if serving:
            set_aside(SERVING)
        if client:
            self._bootstrap()
        else:
            restart()
        if serving:
            wait("the kubelet made no serving certificate", DEADLINE, _serving_missing)

    def _client_due(self) -> bool:
        current = _client()
        return current is not None and current.not_after <= time.time()

    def _serving_due(self) -> bool:
        current = _read(SERVING[0])
        if not self._serving or current is None or os.path.exists(real(FROM_CLUSTER)):
            return False
        return self._within is None or current.not_after - time.time() < self._within

    def _sign_client(self) -> None:
        """A kubeconfig with a certificate in it; what the kubelet had is set aside, or it would go on with that."""
        if not self._client_due():
            return
        self.changes.append("kubelet-client, signed here")
        if self._check_mode:
            return
        text = signed_kubeconfig(common_name(_client_text()), self._config, self._bin_dir)
        set_aside((KUBELET_CONF, CLIENT))
        kprov_fs.atomic_write(real(KUBELET_CONF), text.encode(), 0o600)
        restart()
        wait("the kubelet was not healthy", DEADLINE, kubelet_healthy)

    def _follow_own(self) -> None:
        """kubelet.conf with a certificate in it, of _sign_client or of old: from now on it names the rotated one."""
        text = _text(KUBELET_CONF)
        if not EMBEDDED.search(text) or self._client_due():
            return
        self.changes.append("kubelet.conf names the certificate that the kubelet rotates")
        if self._check_mode:
            return
        wait("the kubelet got no certificate of its own", DEADLINE, lambda: client_problem(_read(CLIENT)))
        kprov_fs.atomic_write(real(KUBELET_CONF), following(text).encode(), 0o600)
        restart()

    def _bootstrap(self) -> None:
        """Whatever was in the way of the bootstrap kubeconfig is put back."""
        text = bootstrap_kubeconfig(server(_text(KUBELET_CONF)), self._credentials["ca"], self._credentials["token"])
        before = _text(BOOTSTRAP)
        kprov_fs.atomic_write(real(BOOTSTRAP), text.encode(), 0o600)
        try:
            restart()
            wait("the kubelet got no new client certificate", DEADLINE, lambda: client_problem(_client()))
        finally:
            if before:
                kprov_fs.atomic_write(real(BOOTSTRAP), before.encode(), 0o600)
            else:
                kprov_fs.remove(real(BOOTSTRAP))


def set_aside(paths: tuple[str, ...]) -> None:
    """Move files, or links, into REPLACED; what was put there the last time gives way."""
    make_state_directory(REPLACED)
    for path in paths:
        aside = real(f"{REPLACED}/{os.path.basename(path)}")
        if os.path.lexists(real(path)):
            kprov_fs.remove(aside)
            shutil.move(real(path), aside)  # perhaps to another file system


def bootstrap_kubeconfig(url: str, ca: str, token: str) -> str:
    """JSON is YAML."""
    cluster = {"server": url, "certificate-authority-data": base64.b64encode(ca.encode()).decode()}
    context = {"cluster": "kubernetes", "user": "bootstrap"}
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "kubernetes", "cluster": cluster}],
        "users": [{"name": "bootstrap", "user": {"token": token}}],
        "contexts": [{"name": "bootstrap", "context": context}],
        "current-context": "bootstrap",
    }
    return json.dumps(document)


def client_problem(current: Certificate | None) -> str | None:
    """Why the kubelet's client certificate is not good; None if it is."""
    if current is None:
        return f"there is no {CLIENT}; look at `journalctl -u kubelet`"
    if current.not_after <= time.time():
        return f"{CLIENT} still is the one that ended at {rfc3339(current.not_after)}; look at `journalctl -u kubelet`"
    return None


def _client_text() -> str:
    """PEM of the one that it rotates; else of the one inside its kubeconfig."""
    embedded = EMBEDDED.search(_text(KUBELET_CONF))
    if embedded and not os.path.exists(real(CLIENT)):
        return base64.b64decode(embedded.group(1)).decode(errors="replace")
    return _text(CLIENT)


def _client() -> Certificate | None:
    try:
        return from_pem(_client_text())
    except ValueError:
        return None


def signed_kubeconfig(user: str, config: str, bin_dir: str) -> str:
    """Made by kubeadm with the CA on this node. It holds a private key: nothing of it goes into a log."""
    path, text = kubeadm_config(pods()["kube-apiserver"], config, runtime_endpoint(), recover=True)
    with private_file("kubeadm.yaml", text or _text(path)) as file:
        argv = [find_program("kubeadm", bin_dir), "kubeconfig", "user", "--config", file]
        argv += ["--org", "system:nodes", "--client-name", user]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=DEADLINE, check=False)
    if done.returncode != 0 or not EMBEDDED.search(done.stdout):
        raise StepError(f"kubeadm kubeconfig user {user}: {done.stderr.strip()[-500:]}")
    return done.stdout


def _serving_missing() -> str | None:
    return None if _read(SERVING[0]) else f"there is no {SERVING[0]}; look at `journalctl -u kubelet`"


def _text(path: str) -> str:
    try:
        with open(real(path), encoding="utf-8") as file:
            return file.read()
    except FileNotFoundError:
        return ""


def _read(path: str) -> Certificate | None:
    try:
        return from_pem(_text(path))
    except ValueError:
        return None


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "credentials": {"type": "dict", "no_log": True},
            "sign": {"type": "bool", "default": False},
            "config": {"type": "str", "default": ""},
            "bin_dir": {"type": "str", "default": ""},
            "serving": {"type": "bool", "default": True},
            "within": {"type": "str", "default": "30d"},
        },
        required_if=[("sign", False, ["credentials"])],
        supports_check_mode=True,
    )
    kubelet = Kubelet(module.params, module.check_mode)
    with locked(module, StepError, ValueError, subprocess.SubprocessError):
        kubelet.run()
    finish(module, {"changed": bool(kubelet.changes), "changes": kubelet.changes, "warnings": []})


if __name__ == "__main__":
    main()
