"""lookup('kprov_release', version): what belongs to a Kubernetes version."""

from __future__ import annotations

DOCUMENTATION = r"""
name: kprov_release
short_description: Versions and image references that belong to a Kubernetes version
description:
  - A dictionary of component to version (C(kubernetes), C(containerd), ...) and image to reference (C(pause), ...),
    from the artifact manifest.
options:
  _terms: {description: "A minor version (the newest patch that is pinned) or an exact version.", required: true}
  bundle: {description: Directory of a bundle; without it the project's manifest is read., default: ""}
  repository: {description: Registry and path that replace registry.k8s.io., default: ""}
author: kprov
"""

from pathlib import Path

import ansible.module_utils
from ansible.errors import AnsibleError
from ansible.plugins.lookup import LookupBase

ansible.module_utils.__path__.append(str(Path(__file__).resolve().parents[1] / "module_utils"))

from ansible.module_utils import kprov_manifest


class LookupModule(LookupBase):
    """Reads the manifest; the work is in kprov_manifest."""

    def run(self, terms, variables=None, **kwargs):
        self.set_options(var_options=variables, direct=kwargs)
        try:
            manifest = kprov_manifest.load(str(self.get_option("bundle") or ""))
            repository = str(self.get_option("repository") or "")
            return [kprov_manifest.release(manifest, str(term), repository) for term in terms]
        except kprov_manifest.ManifestError as error:
            raise AnsibleError(str(error)) from error
