"""kprov_artifacts, on the controller: look up the manifest, ask the node what it misses, send it from the bundle."""

from __future__ import annotations

import os
import shlex
from functools import partial
from pathlib import Path

import ansible.module_utils
from ansible import constants
from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

ansible.module_utils.__path__.append(str(Path(__file__).resolve().parents[1] / "module_utils"))

from ansible.module_utils import kprov_manifest
from ansible.module_utils.kprov_oci_archive import Layout, LayoutError
from ansible.module_utils.kprov_stream import FIFO
from ansible.module_utils.kprov_transfer import NoStream, Stream, TransferError, send_file, send_written

ARGUMENTS = {
    "phase": {"type": "str", "required": True},
    "files": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "name": {"type": "str", "required": True},
            "version": {"type": "str", "required": True},
            "path": {"type": "path"},
            "unpack": {"type": "dict"},
        },
        "mutually_exclusive": [("path", "unpack")],
        "required_one_of": [("path", "unpack")],
    },
    "images": {"type": "list", "elements": "str", "default": []},
    "record": {"type": "dict"},
}
STAGING = "/var/lib/kprov/staging"  # as in the module
ARCHIVE = "images.tar"
# A directory of the connecting user: root's lies where the files are renamed into place from.
MAKE_STAGING = (
    'umask 077; if [ "$(id -u)" = 0 ]; then d={root}; mkdir -p "$d"; else d=/var/tmp; fi; '
    's=$(mktemp -d "$d/kprov-XXXXXXXX") && mkfifo "$s{fifo}" && echo "$s"'
)


class ActionModule(ActionBase):
    """One module call when everything is there or the node downloads for itself; two with a bundle."""

    _supports_check_mode = True

    def run(self, tmp=None, task_vars=None):
        super().run(tmp, task_vars)
        _, arguments = self.validate_argument_spec(ARGUMENTS)
        self._vars = task_vars or {}
        self._node = self._vars.get("node") or {}
        try:
            return self._run(arguments)
        except (kprov_manifest.ManifestError, LayoutError, TransferError) as error:
            raise AnsibleActionFail(str(error)) from error

    def _run(self, arguments: dict) -> dict:
        bundle = os.path.expanduser(self._variable("artifacts_bundle"))
        manifest = kprov_manifest.load(bundle)
        wanted = {
            "phase": arguments["phase"],
            "record": arguments["record"],
            "files": [self._file(manifest, entry, bundle) for entry in arguments["files"]],
            "images": self._images(manifest, arguments["images"], bundle),
            "bin_dir": self._variable("bin_dir"),
            "runtime": self._variable("cri_socket"),
            "container_runtime": self._variable("container_runtime"),
        }
        if bundle and self._is_new(wanted):
            return {**self._install(wanted, everything(wanted, self._node["arch"]), bundle), "module_calls": 1}
        result = self._module({**wanted, "mode": "query" if bundle else "fetch"})
        calls = 1
        missing = result.pop("missing", None)
        if missing and not result.get("failed"):
            result = self._install(wanted, missing, bundle)
            calls = 2
        result["module_calls"] = calls
        return result

    def _is_new(self, wanted: dict) -> bool:
        """Whether kprov's probe has seen that nothing was ever installed there: all is missing, nobody has to ask."""
        if self._task.check_mode or self._node.get("artifacts") is not False:
            return False
        arch = self._node["arch"]
        images = wanted["images"]
        return all(arch in entry["variants"] for entry in wanted["files"]) and (not images or arch in images)

    def _file(self, manifest: dict, entry: dict, bundle: str) -> dict:
        variants = kprov_manifest.files(manifest, entry["name"], entry["version"])
        mirror = "" if bundle else self._variable("artifacts_mirror")
        return {
            **{key: entry[key] for key in ("name", "version", "path", "unpack") if entry.get(key)},
            "variants": {
                arch: {"url": kprov_manifest.mirrored(variant["url"], mirror), "sha256": variant["sha256"]}
                for arch, variant in variants.items()
            },
        }

    def _images(self, manifest: dict, purposes: list[str], bundle: str) -> dict[str, list[dict]]:
        if not purposes:
            return {}
        found = kprov_manifest.images(
            manifest, self._variable("kubernetes_version"), purposes, self._variable("image_repository")
        )
        layout = Layout(os.path.join(bundle, "images")) if bundle else None
        for arch, images in found.items():
            for image in images:
                # A registry serves the digest of an index for many platforms: only a bundle's digests can be compared.
                image["digest"] = self._digest(layout, image["source"], arch) if layout else None
        return found

    def _digest(self, layout: Layout, ref: str, arch: str) -> str:
        """What the node's runtime shows as the image's digest."""
        return (layout.config_digest if self._docker else layout.digest)(ref, arch)

    @property
    def _docker(self) -> bool:
        return self._variable("container_runtime") == "docker"

    def _install(self, wanted: dict, missing: dict, bundle: str) -> dict:
        """Send what is missing, let the module check and install it, leave nothing behind."""
        arch = missing["arch"]
        staging = self._remote(MAKE_STAGING.format(root=STAGING, fifo=FIFO)).strip().splitlines()[-1]
        try:
            for entry in wanted["files"]:
                if entry["name"] in missing["files"]:
                    self._send(os.path.join(bundle, entry["variants"][arch]["url"]), f"{staging}/{entry['name']}")
            images = {i["source"]: i["ref"] for i in wanted["images"].get(arch, []) if i["source"] in missing["images"]}
            wanted = {**wanted, "mode": "install", "staging": staging, "archive": staging + FIFO}
            result = self._install_images(wanted, images, arch, bundle) if images else self._module(wanted)
        except BaseException:
            self._clean_up(staging)
            raise
        if result.get("failed"):
            self._clean_up(staging)  # the module does it itself, unless it could not start
        return result

    def _clean_up(self, staging: str) -> None:
        """Nothing stays behind, neither a writer that waits for a reader of the FIFO."""
        fifo, staging = shlex.quote(staging + FIFO), shlex.quote(staging)
        command = f"[ ! -p {fifo} ] || timeout 1 cat {fifo} > /dev/null; rm -rf -- {staging} {fifo}"
        self._low_level_execute_command(command, sudoable=False)

    def _install_images(self, wanted: dict, images: dict[str, str], arch: str, bundle: str) -> dict:
        """Install while an archive of the images (reference in the bundle to reference on the node) is being sent."""
        layout = Layout(os.path.join(bundle, "images"))
        write = partial(layout.write_archive, images=images, arch=arch, docker=self._docker)
        try:
            stream = Stream(self._connection, write, wanted["archive"])
        except NoStream:
            archive = f"{wanted['staging']}/{ARCHIVE}"
            # Ansible removes its local temporary directory at the end of the run.
            send_written(self._connection, write, archive, os.path.join(constants.DEFAULT_LOCAL_TMP, "kprov"))
            return self._module({**wanted, "archive": archive})
        with stream:
            result = self._module(wanted)
            stream.finish(taken=not result.get("failed"))
            return result

    def _send(self, local: str, remote: str) -> None:
        if not os.path.isfile(local):
            raise AnsibleActionFail(f"{local} is missing: the bundle is incomplete")
        send_file(self._connection, local, remote)

    def _remote(self, command: str) -> str:
        """Output of a command that runs as the connecting user."""
        done = self._low_level_execute_command(command, sudoable=False)
        if done["rc"] != 0:
            said = done["stderr"].strip() or done["stdout"].strip()
            raise AnsibleActionFail(f"cannot make a staging directory: {said}")
        return done["stdout"]

    def _module(self, arguments: dict) -> dict:
        return self._execute_module(module_name="kprov_artifacts", module_args=arguments, task_vars=self._vars)

    def _variable(self, name: str) -> str:
        return str(self._templar.template(self._vars.get(name)) or "")


def everything(wanted: dict, arch: str) -> dict:
    """What the module says of a node that has nothing."""
    return {
        "arch": arch,
        "files": [entry["name"] for entry in wanted["files"]],
        "images": [image["source"] for image in wanted["images"].get(arch, [])],
    }
