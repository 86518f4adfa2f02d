"""etcd on this node, asked through its gRPC gateway: no etcdctl is needed, and no API server.

The gateway (JSON over HTTPS) is on the client port unless etcd was told --enable-grpc-gateway=false.
https://etcd.io/docs/v3.6/dev-guide/api_grpc_gateway/
"""

from __future__ import annotations

import base64
import copy
import hashlib
import http.client
import json
import os
import socket
import ssl
import urllib.parse
from typing import Iterator

from ansible.module_utils.kprov_kubeadm_run import StepError
from ansible.module_utils.kprov_paths import real
from ansible.module_utils.kprov_static_pods import StaticPod

SECONDS = 5.0
SNAPSHOT_SECONDS = 600.0


class Etcd:
    """The member on this node, as its static pod is configured."""

    def __init__(self, pod: StaticPod) -> None:
        self.pod = pod
        urls = (pod.flag("listen-client-urls") or "https://127.0.0.1:2379").split(",")
        local = [url for url in urls if "//127.0.0.1" in url or "//[::1]" in url]
        parts = urllib.parse.urlsplit((local or urls)[0])
        self.host, self.port = str(parts.hostname), int(parts.port or 2379)

    def state(self) -> dict:
        """This member and what it knows of the others. Raises StepError.

        id, name, leader (an id, 0: none), learner, alarms, members (id to name), healthy, problem, db_bytes.
        """
        status = self._ask("/v3/maintenance/status")
        members = self._ask("/v3/cluster/member/list").get("members", [])
        alarms = self._ask("/v3/maintenance/alarm", {"action": "GET"}).get("alarms", [])
        health = self._get("/health")
        own = str(status["header"]["member_id"])
        names = {str(member["ID"]): member.get("name") or "(not started)" for member in members}
        return {
            "id": own,
            "name": names.get(own, ""),
            "leader": str(status.get("leader", 0)),
            "learner": bool(status.get("isLearner")),
            "learners": [names[str(member["ID"])] for member in members if member.get("isLearner")],
            "alarms": sorted({str(alarm.get("alarm")) for alarm in alarms}),
            "members": names,
            "healthy": health.get("health") == "true",
            "problem": "; ".join([*status.get("errors", []), str(health.get("reason") or "")]).strip("; "),
            "db_bytes": int(status.get("dbSize", 0)),
        }

    def unwell(self) -> list[str]:
        """What is wrong with the members, each asked at its own address. Raises StepError when this one knows none."""
        problems = []
        for member in self._ask("/v3/cluster/member/list").get("members", []):
            name = member.get("name") or "a member that was never started"
            there = copy.copy(self)
            try:
                parts = urllib.parse.urlsplit(next(iter(member.get("clientURLs") or [])))
                there.host, there.port = str(parts.hostname), int(parts.port or 2379)
                health = there._get("/health")
            except StopIteration:
                problems.append(f"etcd: {name} has no address")
            except StepError as error:
                problems.append(f"{name}: {error}")
            else:
                if health.get("health") != "true":
                    problems.append(f"etcd: {name} is not healthy: {health.get('reason') or 'no reason given'}")
        return problems

    def snapshot(self, path: str) -> dict:
        """Save a snapshot, as `etcdctl snapshot save` does, and check it: bytes, sha256 and revision.

        The stream ends with the SHA-256 of all before it. Raises StepError; then no file is left at path.
        """
        partial, digest, size, last = path + ".part", hashlib.sha256(), 0, b""
        revision = str(self._ask("/v3/maintenance/status")["header"]["revision"])
        try:
            with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                for blob in self._blobs():
                    file.write(blob)
                    size += len(blob)
                    last += blob  # all but its last 32 bytes are of the database
                    digest.update(last[:-32])
                    last = last[-32:]
                file.flush()
                os.fsync(file.fileno())
            if size % 512 != 32 or digest.digest() != last:
                raise StepError(f"etcd's snapshot is damaged: its checksum does not fit its {size} bytes")
            os.rename(partial, path)
        finally:
            if os.path.exists(partial):
                os.unlink(partial)
        return {"bytes": size, "sha256": last.hex(), "revision": revision}

    def _blobs(self) -> Iterator[bytes]:
        connection = self._connect(SNAPSHOT_SECONDS)
        try:
            connection.request("POST", "/v3/maintenance/snapshot", body=b"{}")
            response = connection.getresponse()
            if response.status != 200:
                raise StepError(f"etcd gives no snapshot: {response.status} {response.read(300)!r}")
            for line in response:
                answer = json.loads(line)
                if "error" in answer:
                    raise StepError(f"etcd gives no snapshot: {answer['error'].get('message', answer['error'])}")
                yield base64.b64decode(answer["result"].get("blob", ""))
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise StepError(f"etcd's snapshot broke off: {error}") from error
        finally:
            connection.close()

    def _ask(self, path: str, body: dict | None = None) -> dict:
        return self._request("POST", path, json.dumps(body or {}))

    def _get(self, path: str) -> dict:
        return self._request("GET", path, None)

    def _request(self, method: str, path: str, body: str | None) -> dict:
        where = f"etcd at {self.host}:{self.port}"
        try:
            connection = self._connect(SECONDS)
            try:
                connection.request(method, path, body=body)
                response = connection.getresponse()
                content = response.read()
            finally:
                connection.close()
            answer = json.loads(content)
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise StepError(f"{where}: {error}") from error
        # /health says why in JSON, with 503.
        if response.status not in (200, 503) or not isinstance(answer, dict):
            raise StepError(f"{where}: {path} answers {response.status} {content[:200].decode(errors='replace')}")
        return answer

    def _connect(self, seconds: float) -> http.client.HTTPConnection:
        context = ssl.create_default_context(cafile=real(self.pod.flag("trusted-ca-file") or ""))
        certificate, key = self.pod.flag("cert-file") or "", self.pod.flag("key-file") or ""
        # kubeadm's certificate for asking; a member's own one may ask, too.
        asker = os.path.join(os.path.dirname(certificate), "healthcheck-client")
        if os.path.exists(real(asker + ".crt")):
            certificate, key = asker + ".crt", asker + ".key"
        context.load_cert_chain(real(certificate), real(key))
        plain = socket.create_connection((self.host, self.port), timeout=seconds)
        connection = http.client.HTTPConnection(self.host, self.port, timeout=seconds)
        try:
            connection.sock = context.wrap_socket(plain, server_hostname=self.host)
        except BaseException:
            plain.close()
            raise
        return connection
