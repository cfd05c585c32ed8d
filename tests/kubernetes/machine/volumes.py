"""A test fixture, not a storage driver: makes a volume on the node's disk for every claim of the StorageClass `standard`.

Kubernetes itself has no provisioner for local disks. This one asks the API server twice a second, makes a `local` PersistentVolume for each
claim that waits for one, and removes volume and folder when the claim is gone. It limits nothing: a volume may outgrow its size.
"""

from __future__ import annotations

import http.client
import json
import shutil
import ssl
import sys
import time
from pathlib import Path
from typing import Any

from tests.kubernetes.machine.layout import NODE, Layout

PROVISIONER = "sympozium.test/local"
CLASS = {
    "apiVersion": "storage.k8s.io/v1",
    "kind": "StorageClass",
    "metadata": {"name": "standard", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
    "provisioner": PROVISIONER,
    "volumeBindingMode": "WaitForFirstConsumer",
    "reclaimPolicy": "Delete",
}


class ApiServer:
    """The few calls that are needed, over one connection that is kept."""

    def __init__(self, layout: Layout) -> None:
        context = ssl.create_default_context(cafile=str(layout.pki / "ca.crt"))
        context.load_cert_chain(layout.pki / "volumes.crt", layout.pki / "volumes.key")
        self._connection = http.client.HTTPSConnection("127.0.0.1", 6443, timeout=10, context=context)

    def call(self, method: str, path: str, body: object = None) -> Any:
        """Raises OSError or HTTPException when the API server cannot be reached, RuntimeError when it refuses."""
        text = json.dumps(body) if body is not None else None
        try:
            self._connection.request(method, path, text, {"Content-Type": "application/json"})
            answer = self._connection.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException):
            self._connection.close()  # the next call opens it anew
            raise
        if answer.status not in (200, 201, 202, 404, 409):
            raise RuntimeError(f"{method} {path}: {answer.status} {content[:300]!r}")
        return json.loads(content)


def volume_for(claim: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The PersistentVolume that satisfies this claim, in this folder."""
    meta, spec = claim["metadata"], claim["spec"]
    here = {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": [NODE]}]}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": f"pvc-{meta['uid']}", "annotations": {"pv.kubernetes.io/provisioned-by": PROVISIONER}},
        "spec": {
            "capacity": {"storage": spec["resources"]["requests"]["storage"]},
            "accessModes": spec["accessModes"],
            "storageClassName": spec["storageClassName"],
            "persistentVolumeReclaimPolicy": "Delete",
            "volumeMode": "Filesystem",
            "local": {"path": str(folder)},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [here]}},
            "claimRef": {
                **{"apiVersion": "v1", "kind": "PersistentVolumeClaim"},
                **{name: meta[name] for name in ("name", "namespace", "uid", "resourceVersion")},
            },
        },
    }


def waits(claim: dict[str, Any]) -> bool:
    """Whether this claim is ours to satisfy, now: with delayed binding, once the scheduler has chosen a node."""
    notes = claim["metadata"].get("annotations", {})
    return (
        notes.get("volume.kubernetes.io/storage-provisioner") == PROVISIONER
        and claim["status"].get("phase") == "Pending"
        and not claim["spec"].get("volumeName")
        and not claim["metadata"].get("deletionTimestamp")
        and notes.get("volume.kubernetes.io/selected-node", NODE) == NODE
    )


def turn(api: ApiServer, root: Path) -> None:
    """Looks once at all claims and volumes and does what is due."""
    for claim in api.call("GET", "/api/v1/persistentvolumeclaims")["items"]:
        if waits(claim):
            folder = root / claim["metadata"]["uid"]
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(0o777)
            api.call("POST", "/api/v1/persistentvolumes", volume_for(claim, folder))
    for volume in api.call("GET", "/api/v1/persistentvolumes")["items"]:
        ours = volume["metadata"].get("annotations", {}).get("pv.kubernetes.io/provisioned-by") == PROVISIONER
        if ours and volume["status"].get("phase") == "Released":
            api.call("DELETE", f"/api/v1/persistentvolumes/{volume['metadata']['name']}")
            shutil.rmtree(volume["spec"]["local"]["path"], ignore_errors=True)


def serve(layout: Layout) -> None:
    """Works until it is ended; an API server that is away, or refuses, is asked again."""
    api, root = ApiServer(layout), layout.data / "volumes"
    while True:
        try:
            turn(api, root)
        except (OSError, RuntimeError, http.client.HTTPException, ValueError) as error:
            print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
        time.sleep(0.5)
