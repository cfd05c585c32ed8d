"""The API server of a process of the control plane."""

from __future__ import annotations

import os

from sympozium_core.cluster.client import ClusterClient


def own_api_server() -> ClusterClient:
    """As the account of the pod; outside of one, as KUBECONFIG says. Raises Permanent where there is neither."""
    if "KUBECONFIG" in os.environ:
        return ClusterClient.from_kubeconfig()
    return ClusterClient.in_cluster()
