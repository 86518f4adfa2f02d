"""kprov_phase, on the controller: find the fingerprint that the plan computed for this host and phase."""

from __future__ import annotations

from ansible.plugins.action import ActionBase


class ActionModule(ActionBase):
    """Adds `fingerprint` (kprov_fingerprints[phase] of this host; none when run by hand) and the cluster's name."""

    _supports_check_mode = True

    def run(self, tmp=None, task_vars=None):
        super().run(tmp, task_vars)
        _, arguments = self.validate_argument_spec({"phase": {"type": "str", "required": True}})
        fingerprints = self._templar.template((task_vars or {}).get("kprov_fingerprints")) or {}
        cluster = self._templar.template((task_vars or {}).get("cluster_name")) or ""
        result = self._execute_module(
            module_name="kprov_phase",
            module_args={**arguments, "fingerprint": fingerprints.get(arguments["phase"]), "cluster": cluster},
            task_vars=task_vars,
        )
        result["module_calls"] = 1
        return result
