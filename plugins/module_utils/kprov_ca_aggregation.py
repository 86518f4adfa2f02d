"""What API servers behind the API server know of the front proxy's CA."""

from __future__ import annotations

from ansible.module_utils.kprov_certificate import PEM, from_pem
from ansible.module_utils.kprov_certs_api import Api
from ansible.module_utils.kprov_kubeadm_run import StepError

# Where they read it, all the time (apiserver/pkg/server/options/authentication.go).
PUBLISHED = "/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication"
FIELD = "requestheader-client-ca-file"
API_SERVICES = "/apis/apiregistration.k8s.io/v1/apiservices"
MERGE = "application/merge-patch+json"


def published(api: Api) -> dict[str, str]:
    """SHA-256 to PEM of each CA that they trust a front proxy by."""
    found = PEM.findall(_map(api)["data"].get(FIELD, ""))
    return {from_pem(each).sha256: each for each in found}


def publish(api: Api, certificate: str) -> bool:
    """Make them trust this CA alone; whether that was a change.

    API servers add what is in their own file to this ConfigMap and remove nothing from it but what has ended
    (pkg/controlplane/controller/clusterauthenticationtrust): the old CA would stay trusted until then.
    """
    sha256 = from_pem(certificate).sha256
    found = published(api)
    if set(found) == {sha256}:
        return False
    version = _map(api)["metadata"]["resourceVersion"]
    patch = {"metadata": {"resourceVersion": version}, "data": {FIELD: certificate.strip() + "\n"}}
    status, said = api.ask("PATCH", PUBLISHED, patch, content=MERGE)
    if status != 200:
        raise StepError(f"{PUBLISHED} was not changed: {status} {said}")
    return True


def answering(api: Api) -> set[str]:
    """Paths of the groups that other API servers serve, and that answer through this one."""
    return {path for path in _aggregated(api) if silent(api, path) is None}


def silent(api: Api, path: str) -> str | None:
    """Why a group does not answer; None if it does."""
    try:
        api.get(path)
    except StepError as error:
        return str(error)
    return None


def _aggregated(api: Api) -> list[str]:
    listed = api.get(API_SERVICES)
    specs = [each["spec"] for each in (listed["items"] if isinstance(listed, dict) else ()) or ()]
    return [f"/apis/{spec['group']}/{spec['version']}" for spec in specs if spec.get("service")]


def _map(api: Api) -> dict:
    found = api.get(PUBLISHED)
    if not isinstance(found, dict):
        raise StepError(f"{PUBLISHED} is no ConfigMap")
    return found
