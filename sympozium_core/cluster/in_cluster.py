"""The API server of the cluster that this process runs in, as the ServiceAccount of its pod.

Two variables and three files that kubelet puts into every pod, and their meaning is fixed
(https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/), so the library `kubernetes` stays out of the processes of the
control plane: loading it would cost each of them a fifth of a second of processor time and 44 MB.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from sympozium_core.clock import Clock
from sympozium_core.cluster.credentials import token_file
from sympozium_core.cluster.tls import trusting
from sympozium_core.cluster.transport import Transport, tcp_connector
from sympozium_core.errors import Permanent
from sympozium_core.names import DEFAULT_NAMESPACE

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
HOST, PORT = "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"


def account_transport(
    folder: Path = ACCOUNT, environment: Mapping[str, str] = os.environ, *, clock: Clock | None = None
) -> Transport:
    """`folder` holds token, ca.crt and namespace; the token is read again as it is replaced. Raises Permanent outside of a pod."""
    host, port = environment.get(HOST), environment.get(PORT)
    if not host or not port:
        missing = PORT if host else HOST
        raise Permanent(
            f"this process is not in a pod: {missing} is not set", hint="outside of a cluster use a kubeconfig: --context NAME"
        )
    try:
        authority = (folder / "ca.crt").read_text(encoding="ascii", errors="ignore")
        if not (folder / "token").is_file():
            raise FileNotFoundError(2, "No such file or directory", str(folder / "token"))
    except OSError as error:
        raise Permanent(
            f"this pod has no account for the API server: {error.filename}: {error.strerror}",
            hint="its spec needs a serviceAccountName, and automountServiceAccountToken must not be false",
        ) from error
    address = f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"
    try:
        namespace = (folder / "namespace").read_text(encoding="ascii", errors="ignore").strip()
    except OSError:
        namespace = ""
    return Transport(
        address,
        tcp_connector,
        token_file(folder / "token", tls=trusting(authority), clock=clock),
        where=address,
        who=f"the pod's ServiceAccount in namespace {namespace}",
        namespace=namespace or DEFAULT_NAMESPACE,
    )
