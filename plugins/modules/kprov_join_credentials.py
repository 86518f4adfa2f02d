#!/usr/bin/python
"""kprov_join_credentials: what nodes join with, short-lived, made and withdrawn on a control plane."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kprov_join_credentials
short_description: Bootstrap token, the cluster's CA and, for control planes, the key of the uploaded certificates
description:
  - Put C(no_log) on the task. That hides error messages, too, so a failure is returned as C(error) for the next task to
    tell; then nothing was left behind.
options:
  state: {description: Make or withdraw., type: str, choices: [present, absent], default: present}
  token_ttl: {description: "Life of the token, a Go duration.", type: str, default: 15m}
  upload_certificates: {description: "Upload the keys of the CAs, encrypted.", type: bool, default: false}
  config: {description: kubeadm's configuration on this node., type: path, default: /etc/kubernetes/kubeadm.yaml}
  credentials: {description: What to withdraw., type: dict}
  bin_dir: {description: Where kubeadm and kubectl are., type: path, required: true}
author: kprov
"""

import contextlib
import os
import re
import secrets

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.kprov_containers import find_program
from ansible.module_utils.kprov_kubeadm_run import TOKEN, Runner, StepError, private_file
from ansible.module_utils.kprov_kubectl import KUBECONFIG, Kubectl, KubectlError
from ansible.module_utils.kprov_lock import LockTimeout, node_lock

CA = "/etc/kubernetes/pki/ca.crt"
CERTIFICATES = "kubeadm-certs"
DEADLINE = 60


class Credentials:
    """Makes and withdraws credentials on this control plane."""

    def __init__(self, bin_dir: str, lock: int | None) -> None:
        # Where the cluster was made by others, the programs are somewhere else.
        self._runner = Runner("join_credentials", os.path.dirname(find_program("kubeadm", bin_dir)), [], lock)
        self._kubectl = Kubectl(os.path.dirname(find_program("kubectl", bin_dir)))

    def present(self, ttl: str, config: str | None) -> dict:
        """config: kubeadm's configuration if certificates are to be uploaded."""
        self._kubectl.wait_ready(DEADLINE)
        with open(CA, encoding="ascii") as file:
            made: dict = {"token": "", "ca": file.read(), "certificate_key": ""}
        try:
            made["token"] = self._token(ttl)
            if config:
                made["certificate_key"] = secrets.token_hex(32)
                self._upload(config, made["certificate_key"])
        except BaseException:
            with contextlib.suppress(StepError, KubectlError):
                self.absent(made)
            raise
        return made

    def absent(self, credentials: dict) -> None:
        """Withdraw a token and the uploaded certificates, with the token that kubeadm ties those to."""
        tokens = [str(credentials.get("token") or "").partition(".")[0]]
        if credentials.get("certificate_key"):
            secret = self._kubectl.json("get", "secret", CERTIFICATES, "-n", "kube-system", "--ignore-not-found")
            owners = secret.get("metadata", {}).get("ownerReferences", [])
            tokens += [owner["name"].replace("bootstrap-token-", "") for owner in owners]
            self._kubectl.run("delete", "secret", CERTIFICATES, "-n", "kube-system", "--ignore-not-found")
        names = [f"bootstrap-token-{token}" for token in tokens if token]
        if names:
            self._kubectl.run("delete", "secret", *names, "-n", "kube-system", "--ignore-not-found")

    def _token(self, ttl: str) -> str:
        """kubeadm makes it and prints it; as an argument it would be visible in the list of processes."""
        arguments = ["token", "create", "--ttl", ttl, "--description", "kprov: nodes are joining"]
        found = TOKEN.search(self._runner.kubeadm([*arguments, "--kubeconfig", KUBECONFIG], DEADLINE))
        if not found:
            raise StepError("kubeadm token create printed no token")
        return found.group()

    def _upload(self, config: str, key: str) -> None:
        with open(config, encoding="utf-8") as file:
            text = file.read()
        kind = "kind: InitConfiguration"
        with_key, count = re.subn(rf"(?m)^{kind}$", f"{kind}\ncertificateKey: {key}", text)
        if count != 1:
            raise StepError(f"{config} has no InitConfiguration")
        with private_file("upload.yaml", with_key) as path:
            arguments = ["init", "phase", "upload-certs", "--upload-certs", "--skip-certificate-key-print"]
            self._runner.kubeadm([*arguments, "--config", path], DEADLINE)


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "token_ttl": {"type": "str", "default": "15m"},
            "upload_certificates": {"type": "bool", "default": False},
            "config": {"type": "path", "default": "/etc/kubernetes/kubeadm.yaml"},
            "credentials": {"type": "dict", "no_log": True},
            "bin_dir": {"type": "path", "required": True},
        },
        supports_check_mode=False,
    )
    parameters = module.params
    try:
        with node_lock() as lock:
            credentials = Credentials(parameters["bin_dir"], lock)
            if parameters["state"] == "absent":
                credentials.absent(parameters["credentials"] or {})
                module.exit_json(changed=False)
            config = parameters["config"] if parameters["upload_certificates"] else None
            made = credentials.present(parameters["token_ttl"], config)
        module.exit_json(changed=False, credentials=made)
    except (StepError, KubectlError, LockTimeout, OSError, ValueError) as error:
        module.exit_json(changed=False, credentials={}, error=str(error))


if __name__ == "__main__":
    main()
