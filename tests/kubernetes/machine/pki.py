"""Certificates and kubeconfigs of one cluster, by the openssl command: three authorities, one leaf for each speaker, valid for a week."""

from __future__ import annotations

import base64
import json
import subprocess
from pathlib import Path

from tests.kubernetes.machine.build import find
from tests.kubernetes.machine.errors import MachineError
from tests.kubernetes.machine.layout import API, NODE, NODE_ADDRESS, SERVICE_OF_API, Layout

DAYS = "7"
API_NAMES = ",".join(
    [
        *(f"IP:{address}" for address in ("127.0.0.1", NODE_ADDRESS, SERVICE_OF_API)),
        *(f"DNS:{name}" for name in ("localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc")),
        "DNS:kubernetes.default.svc.cluster.local",
    ]
)
LEAVES = (
    ("etcd", "etcd-ca", "/CN=etcd", "IP:127.0.0.1,DNS:localhost"),
    ("etcd-client", "etcd-ca", "/CN=kube-apiserver", ""),
    ("apiserver", "ca", "/CN=kube-apiserver", API_NAMES),
    ("apiserver-kubelet", "ca", "/O=system:masters/CN=kube-apiserver-kubelet-client", ""),
    ("front-proxy", "front-proxy-ca", "/CN=front-proxy-client", ""),
    ("admin", "ca", "/O=system:masters/CN=admin", ""),
    ("controller-manager", "ca", "/CN=system:kube-controller-manager", ""),
    ("scheduler", "ca", "/CN=system:kube-scheduler", ""),
    ("proxy", "ca", "/CN=system:kube-proxy", ""),
    ("netpol", "ca", "/O=system:masters/CN=netpol", ""),
    ("volumes", "ca", "/O=system:masters/CN=volumes", ""),
    ("kubelet", "ca", f"/O=system:nodes/CN=system:node:{NODE}", f"IP:127.0.0.1,IP:{NODE_ADDRESS},DNS:{NODE}"),
)
"""Name, authority, subject, names that it serves under."""
CLIENTS = ("controller-manager", "scheduler", "proxy", "netpol", "kubelet")

_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]


def _openssl(folder: Path, *arguments: str) -> None:
    done = subprocess.run([find("openssl"), *arguments], cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise MachineError(f"openssl {arguments[0]} failed: {done.stderr.strip()}")


def _authority(folder: Path, name: str) -> None:
    uses = ["-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign,digitalSignature"]
    files = ["-keyout", f"{name}.key", "-out", f"{name}.crt"]
    _openssl(folder, "req", "-x509", *_KEY, "-days", DAYS, "-subj", f"/CN={name}", *files, *uses)


def _leaf(folder: Path, name: str, authority: str, subject: str, served: str) -> None:
    _openssl(folder, "req", *_KEY, "-subj", subject, "-keyout", f"{name}.key", "-out", f"{name}.csr")
    lines = [
        "basicConstraints=critical,CA:FALSE",
        "keyUsage=critical,digitalSignature",
        "extendedKeyUsage=serverAuth,clientAuth",
    ]
    lines += [f"subjectAltName={served}"] if served else []
    (folder / f"{name}.ext").write_text("\n".join(lines) + "\n")
    signer = ["-CA", f"{authority}.crt", "-CAkey", f"{authority}.key", "-CAcreateserial", "-days", DAYS]
    _openssl(folder, "x509", "-req", "-in", f"{name}.csr", *signer, "-extfile", f"{name}.ext", "-out", f"{name}.crt")


def _kubeconfig(folder: Path, user: str, target: Path) -> None:
    def encoded(name: str) -> str:
        return base64.b64encode((folder / name).read_bytes()).decode()

    entry = {"client-certificate-data": encoded(f"{user}.crt"), "client-key-data": encoded(f"{user}.key")}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "machine", "cluster": {"server": API, "certificate-authority-data": encoded("ca.crt")}}],
        "users": [{"name": user, "user": entry}],
        "contexts": [{"name": "machine", "context": {"cluster": "machine", "user": user}}],
        "current-context": "machine",
    }
    target.write_text(json.dumps(config))
    target.chmod(0o600)


def make(layout: Layout) -> None:
    """Makes every key, certificate and kubeconfig of the cluster; the administrator's is `layout.kubeconfig`.

    Raises:
        MachineError: openssl is missing or refused.
    """
    folder = layout.pki
    for name in ("ca", "front-proxy-ca", "etcd-ca"):
        _authority(folder, name)
    for leaf in LEAVES:
        _leaf(folder, *leaf)
    _openssl(folder, "ecparam", "-genkey", "-name", "prime256v1", "-noout", "-out", "service-accounts.key")
    _openssl(folder, "ec", "-in", "service-accounts.key", "-pubout", "-out", "service-accounts.pub")
    for client in CLIENTS:
        _kubeconfig(folder, client, folder / f"{client}.kubeconfig")
    _kubeconfig(folder, "admin", layout.kubeconfig)
