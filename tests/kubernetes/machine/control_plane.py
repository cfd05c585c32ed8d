"""etcd, kube-apiserver, kube-controller-manager and kube-scheduler, with the options of an ordinary production cluster where they matter.

The API server listens on every address of its network namespace, so Pods reach it at the bridge's; it reaches Pods and Services as any
process of the node does, which is what admission webhooks behind a Service need.
"""

from __future__ import annotations

import ssl
import subprocess
import urllib.error
import urllib.request

from tests.kubernetes.machine import layout as addresses
from tests.kubernetes.machine.layout import Layout
from tests.kubernetes.machine.processes import Command, Processes, wait_until

AUDIT = "apiVersion: audit.k8s.io/v1\nkind: Policy\nomitStages: [RequestReceived]\nrules: [{level: Metadata}]\n"
QUERIES = ("--kube-api-qps=500", "--kube-api-burst=1000")
"""The defaults (20 and 30 a second) would be what a burst of runs measures."""


def _etcd(layout: Layout) -> Command:
    pki, peer = layout.pki, "http://127.0.0.1:2380"
    store = [f"--data-dir={layout.data}/etcd", "--log-level=warn", "--unsafe-no-fsync"]
    clients = [f"--listen-client-urls={addresses.ETCD}", f"--advertise-client-urls={addresses.ETCD}", "--client-cert-auth"]
    clients += [f"--cert-file={pki}/etcd.crt", f"--key-file={pki}/etcd.key", f"--trusted-ca-file={pki}/etcd-ca.crt"]
    peers = [f"--listen-peer-urls={peer}", f"--initial-advertise-peer-urls={peer}", f"--initial-cluster=machine={peer}"]
    return Command("etcd", ["etcd", "--name=machine", *store, *clients, *peers])


def _api_server(layout: Layout) -> Command:
    pki = layout.pki
    storage = [f"--etcd-servers={addresses.ETCD}", f"--etcd-cafile={pki}/etcd-ca.crt"]
    storage += [f"--etcd-certfile={pki}/etcd-client.crt", f"--etcd-keyfile={pki}/etcd-client.key"]
    served = ["--bind-address=0.0.0.0", "--secure-port=6443", f"--advertise-address={addresses.NODE_ADDRESS}"]
    served += [f"--service-cluster-ip-range={addresses.SERVICES}", f"--cert-dir={layout.data}/apiserver"]
    served += [f"--tls-cert-file={pki}/apiserver.crt", f"--tls-private-key-file={pki}/apiserver.key"]
    who = [f"--client-ca-file={pki}/ca.crt", "--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction"]
    who += ["--service-account-issuer=https://kubernetes.default.svc.cluster.local"]
    who += [
        f"--service-account-key-file={pki}/service-accounts.pub",
        f"--service-account-signing-key-file={pki}/service-accounts.key",
    ]
    node = [f"--kubelet-client-certificate={pki}/apiserver-kubelet.crt", f"--kubelet-client-key={pki}/apiserver-kubelet.key"]
    node += [
        f"--kubelet-certificate-authority={pki}/ca.crt",
        "--kubelet-preferred-address-types=InternalIP",
        "--allow-privileged=true",
    ]
    aggregation = [
        f"--requestheader-client-ca-file={pki}/front-proxy-ca.crt",
        "--requestheader-allowed-names=front-proxy-client",
    ]
    aggregation += ["--requestheader-extra-headers-prefix=X-Remote-Extra-", "--requestheader-group-headers=X-Remote-Group"]
    aggregation += ["--requestheader-username-headers=X-Remote-User", "--enable-aggregator-routing=true"]
    aggregation += [f"--proxy-client-cert-file={pki}/front-proxy.crt", f"--proxy-client-key-file={pki}/front-proxy.key"]
    audit = [f"--audit-log-path={layout.logs}/audit.log", f"--audit-policy-file={layout.conf}/audit.yaml"]
    audit += ["--audit-log-maxsize=200", "--audit-log-maxbackup=2"]
    return Command("kube-apiserver", ["kube-apiserver", *storage, *served, *who, *node, *aggregation, *audit])


def _client(layout: Layout, name: str) -> list[str]:
    own = f"{layout.pki}/{name}.kubeconfig"
    login = [f"--kubeconfig={own}", f"--authentication-kubeconfig={own}", f"--authorization-kubeconfig={own}"]
    return [*login, "--bind-address=127.0.0.1", "--leader-elect=false", *QUERIES]


def _controllers(layout: Layout) -> Command:
    pki = layout.pki
    signing = [f"--service-account-private-key-file={pki}/service-accounts.key", f"--root-ca-file={pki}/ca.crt"]
    signing += [f"--cluster-signing-cert-file={pki}/ca.crt", f"--cluster-signing-key-file={pki}/ca.key"]
    rest = ["--use-service-account-credentials", "--node-monitor-grace-period=60s"]
    return Command(
        "kube-controller-manager", ["kube-controller-manager", *_client(layout, "controller-manager"), *signing, *rest]
    )


def _scheduler(layout: Layout) -> Command:
    return Command("kube-scheduler", ["kube-scheduler", *_client(layout, "scheduler")])


def answers(layout: Layout, path: str = "/readyz") -> bool:
    """Whether the API server answers this path with a status of 2xx, to its administrator."""
    context = ssl.create_default_context(cafile=str(layout.pki / "ca.crt"))
    context.load_cert_chain(layout.pki / "admin.crt", layout.pki / "admin.key")
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
    try:
        opener.open(addresses.API + path, timeout=5).close()
    except (urllib.error.URLError, OSError):
        return False
    return True


def kubectl(layout: Layout, *arguments: str, stdin: str = "") -> str:
    """Runs kubectl as the administrator. Returns what it printed.

    Raises:
        subprocess.CalledProcessError: kubectl failed.
    """
    command = [str(layout.programs / "kubectl"), *arguments]
    done = subprocess.run(command, env=layout.environment(), input=stdin, capture_output=True, text=True, check=True)
    return done.stdout


def start(layout: Layout, processes: Processes) -> None:
    """Starts the control plane and waits until it makes what a namespace needs.

    Raises:
        MachineError: A process ended or is late; with the end of its log.
    """
    (layout.conf / "audit.yaml").write_text(AUDIT)
    processes.start(_etcd(layout))
    processes.start(_api_server(layout))
    processes.wait("kube-apiserver", lambda: answers(layout), 90)
    processes.start(_controllers(layout))
    processes.start(_scheduler(layout))
    account = "/api/v1/namespaces/default/serviceaccounts/default"
    processes.wait("kube-controller-manager", lambda: answers(layout, account), 60)
    wait_until(
        lambda: processes.pid("kube-scheduler") is not None, 5, f"kube-scheduler ended:\n{processes.log('kube-scheduler')}"
    )
