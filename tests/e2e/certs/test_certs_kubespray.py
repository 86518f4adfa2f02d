"""A control plane laid out as Kubespray's: etcd is a service with certificates of its own, kubeadm's are elsewhere."""

from __future__ import annotations

from typing import Any

import pytest

from kprov.errors import ExitCode
from tests.e2e.cluster import LabCluster
from tests.e2e.conftest import MakeLab

ETCD = "/etc/ssl/etcd/ssl"
SSL = "/etc/kubernetes/ssl"
# Kubespray's roles/etcd: templates openssl.conf, etcd.env and etcd-host.service, files/make-ssl-etcd.sh. One member,
# whose certificates are a year old in twenty days.
INSTALL = f"""set -e
at() {{ date -u -d "$1" +%Y%m%d%H%M%SZ; }}
host=$(hostname) ip=$(hostname -I | cut -d' ' -f1)
mkdir -p {ETCD} {SSL} && ln -s ssl /etc/kubernetes/pki && cd {ETCD} && chmod 700 .
touch /root/index.txt
cat > /root/openssl.conf <<END
[ ca ]
default_ca = own
[ own ]
database = /root/index.txt
new_certs_dir = /root
rand_serial = yes
default_md = sha256
policy = any
[ any ]
commonName = supplied
[ ssl_client ]
extendedKeyUsage = clientAuth, serverAuth
basicConstraints = CA:FALSE
subjectKeyIdentifier=hash
authorityKeyIdentifier=keyid,issuer
subjectAltName = DNS:localhost,DNS:$host,DNS:etcd.kube-system.svc.cluster.local,IP:127.0.0.1,IP:$ip
END
openssl req -x509 -new -nodes -newkey rsa:2048 -keyout ca-key.pem -days 3650 -out ca.pem -subj /CN=etcd-ca 2>/dev/null
for name in member admin node; do
  subject=/CN=etcd-$name-$host
  openssl req -new -nodes -newkey rsa:2048 -keyout $name-$host-key.pem -subj $subject -out /root/request 2>/dev/null
  openssl ca -batch -config /root/openssl.conf -keyfile ca-key.pem -cert ca.pem -in /root/request -out $name-$host.pem \
    -startdate $(at '-345 days') -enddate $(at '20 days') -extensions ssl_client -notext 2>/dev/null
done
chmod 600 *-key.pem; chmod 640 *-$host.pem
image=$(ctr -n k8s.io images ls -q | grep /etcd: | head -1)
mkdir -p /root/image && ctr -n k8s.io images mount $image /root/image >/dev/null
cp $(find /root/image -name etcd -type f | head -1) /usr/local/bin/etcd
ctr -n k8s.io images unmount /root/image >/dev/null
cat > /etc/etcd.env <<END
ETCD_DATA_DIR=/var/lib/etcd/member-data
ETCD_ADVERTISE_CLIENT_URLS=https://$ip:2379
ETCD_INITIAL_ADVERTISE_PEER_URLS=https://$ip:2380
ETCD_LISTEN_CLIENT_URLS=https://$ip:2379,https://127.0.0.1:2379
ETCD_LISTEN_PEER_URLS=https://$ip:2380
ETCD_NAME=etcd1
ETCD_INITIAL_CLUSTER=etcd1=https://$ip:2380
ETCD_TRUSTED_CA_FILE={ETCD}/ca.pem
ETCD_CERT_FILE={ETCD}/member-$host.pem
ETCD_KEY_FILE={ETCD}/member-$host-key.pem
ETCD_CLIENT_CERT_AUTH=true
ETCD_PEER_TRUSTED_CA_FILE={ETCD}/ca.pem
ETCD_PEER_CERT_FILE={ETCD}/member-$host.pem
ETCD_PEER_KEY_FILE={ETCD}/member-$host-key.pem
ETCD_PEER_CLIENT_CERT_AUTH=True
END
cat > /etc/systemd/system/etcd.service <<END
[Service]
Type=notify
EnvironmentFile=/etc/etcd.env
ExecStart=/usr/local/bin/etcd
NotifyAccess=all
END
systemctl daemon-reload && systemctl start etcd
cat > /etc/kubernetes/kubeadm-config.yaml <<END
apiVersion: kubeadm.k8s.io/v1beta4
kind: InitConfiguration
nodeRegistration: {{name: $host}}
localAPIEndpoint: {{advertiseAddress: $ip}}
---
apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
kubernetesVersion: $(kubeadm version -o short)
certificatesDir: {SSL}
etcd:
  external:
    endpoints: ["https://$ip:2379"]
    caFile: {ETCD}/ca.pem
    certFile: {ETCD}/node-$host.pem
    keyFile: {ETCD}/node-$host-key.pem
END
kubeadm init --config /etc/kubernetes/kubeadm-config.yaml --ignore-preflight-errors=SystemVerification \
  --skip-phases=addon >/root/init.log 2>&1 || {{ tail -n 30 /root/init.log >&2; exit 1; }}
rm -r /var/lib/kprov
"""
RUNNING = "systemctl show -p InvocationID etcd; crictl ps -q | sort"


@pytest.fixture(scope="module")
def lab(make_lab: MakeLab) -> LabCluster:
    made = make_lab("spray", workers=0)
    made.prepare()
    made.ssh("cp1", INSTALL)
    return made


def items(lab: LabCluster) -> dict[str, dict[str, Any]]:
    done = lab.certs("check")
    assert done.data["unread"] == []
    return {item["item"]: item for item in done.data["items"] if item["host"]}


def etcd_s(lab: LabCluster) -> dict[str, str]:
    """Names of the certificates of etcd, and their files."""
    names = {"etcd-server": "member", "apiserver-etcd-client": "node", f"admin-{lab.node('cp1')}.pem": "admin"}
    return {name: f"{ETCD}/{file}-{lab.node('cp1')}.pem" for name, file in names.items()}


def test_everything_is_found_where_kubespray_has_it(lab: LabCluster) -> None:
    done, found = lab.certs("check"), items(lab)
    assert {(one["code"], one["severity"], one["name"]) for one in done.data["findings"]} == {
        ("expires", "warning", name) for name in etcd_s(lab)
    }
    assert {name: found[name]["path"] for name in etcd_s(lab)} == etcd_s(lab)
    assert {found[name]["renewed_by"] for name in etcd_s(lab)} == {"kprov"}
    kubeadm_s = ("apiserver", "apiserver-kubelet-client", "front-proxy-client")
    assert {name: (found[name]["path"], found[name]["renewed_by"]) for name in kubeadm_s} == {
        name: (f"{SSL}/{name}.crt", "kubeadm") for name in kubeadm_s
    }
    assert found["etcd-ca"]["path"] == f"{ETCD}/ca.pem"
    served = {one["where"].rpartition(":")[2] for one in found["etcd-server"]["served"]}
    assert (served, found["etcd-server"]["served_equal"]) == ({"2379", "2380"}, True)
    assert found["apiserver"]["served_equal"] is True


def test_without_the_ca_s_key_they_are_named_and_left_alone(lab: LabCluster) -> None:
    before = items(lab)
    lab.ssh("cp1", f"mv {ETCD}/ca-key.pem /root/")
    try:
        done = lab.certs("renew", "--yes")
    finally:
        lab.ssh("cp1", f"mv /root/ca-key.pem {ETCD}/")
    assert (done.exit_code, done.data["changed"]) == (ExitCode.OK, False)
    named = [one for one in done.envelope["problems"] if one["code"] == "external-ca"]
    assert all(any(name in one["message"] for one in named) for name in etcd_s(lab))
    assert {one["hint"] for one in named} == {"it is not kubeadm's: ask who has it for a new one by hand"}
    assert {name: item["serial"] for name, item in items(lab).items()} == {n: i["serial"] for n, i in before.items()}


def test_etcd_s_certificates_are_renewed_without_a_restart(lab: LabCluster) -> None:
    keys = f"sha256sum {ETCD}/*-key.pem; stat -c '%n %a %U' {ETCD}/*"
    before, running, kept = items(lab), lab.ssh("cp1", RUNNING), lab.ssh("cp1", keys)
    done = lab.certs("renew", "--yes")
    assert done.exit_code == ExitCode.OK, done.stderr
    assert {(item["item"], item["problem"]) for item in done.data["items"]} == {(name, None) for name in etcd_s(lab)}
    after = items(lab)
    assert {name for name in before if after[name]["serial"] != before[name]["serial"]} == etcd_s(lab).keys()
    for name in etcd_s(lab):
        assert after[name]["not_after"] > before[name]["not_after"]
        assert [after[name][field] for field in ("subject", "sans", "issuer")] == [
            before[name][field] for field in ("subject", "sans", "issuer")
        ]
    served = {one["sha256"] for one in after["etcd-server"]["served"]}
    assert (served, after["etcd-server"]["served_equal"]) == ({after["etcd-server"]["sha256"]}, True)
    assert lab.ssh("cp1", RUNNING) == running
    assert lab.ssh("cp1", keys) == kept
    assert "ok" in lab.kubectl("get", "--raw", "/readyz/etcd")
    lab.ssh("cp1", "ls /var/lib/kprov/backups/*-etcd/certificates.tar.gz")
    again = lab.certs("renew", "--yes")
    assert (again.exit_code, again.data["changed"], again.data["log"]) == (ExitCode.OK, False, None)


def test_kubeadm_s_are_renewed_where_they_are(lab: LabCluster) -> None:
    before = items(lab)
    done = lab.certs("renew", "--yes", "--only", "apiserver,controller-manager.conf,scheduler.conf", "--all")
    assert done.exit_code == ExitCode.OK, done.stderr
    after = items(lab)
    changed = {name for name in before if after[name]["serial"] != before[name]["serial"]}
    assert changed - {"kube-controller-manager", "kube-scheduler"} == {
        *("apiserver", "controller-manager.conf", "scheduler.conf")
    }
    assert all(after[name]["served_equal"] for name in ("apiserver", "controller-manager.conf", "scheduler.conf"))
