"""The volume that an instance's memory lives on: the PersistentVolumeClaim ``<instance>-memory``, made where it is missing.

The instance owns it: whoever deletes an instance deletes its memory, as with everything that Kubernetes makes for an object. A claim that somebody
else has made under that name is used as it is, and outlives the instance. Whatever backend keeps the notes relies on locks, which are not
to be relied on over a network file system (https://www.sqlite.org/howtocorrupt.html, section 2.1), so a claim on one is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sympozium_core.clock import Clock
from sympozium_core.contracts.builtin_kinds import PERSISTENT_VOLUME_CLAIM, STORAGE_CLASS
from sympozium_core.contracts.cluster import AlreadyExists, Cluster, Forbidden, Invalid, NotFound, Object, metadata
from sympozium_core.names import LABEL_INSTANCE, LABEL_MANAGED_BY, MANAGED_BY
from sympozium_core.planning.factory import label_value
from sympozium_core.planning.memory import memory_claim, wants_memory
from sympozium_core.reconcile.cache import View
from sympozium_core.reconcile.informers import Informers
from sympozium_core.reconcile.owner import owner_reference
from sympozium_core.resources.kinds import SYMPOZIUM_INSTANCE

SIZE = "1Gi"
REMEMBERED = 60.0
"""Seconds."""
SELECTOR = f"{LABEL_MANAGED_BY}={MANAGED_BY},{LABEL_INSTANCE}"
DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"
NETWORK_FILE_SYSTEMS: Mapping[str, str] = {
    "efs.csi.aws.com": "Amazon EFS",
    "fsx.csi.aws.com": "Amazon FSx",
    "file.csi.azure.com": "Azure Files",
    "kubernetes.io/azure-file": "Azure Files",
    "filestore.csi.storage.gke.io": "Google Filestore",
    "lustre.csi.storage.gke.io": "Lustre",
    "cephfs.csi.ceph.com": "CephFS",
    "kubernetes.io/cephfs": "CephFS",
    "kubernetes.io/glusterfs": "GlusterFS",
    "kubernetes.io/quobyte": "Quobyte",
    "smb.csi.k8s.io": "SMB",
    "manila.csi.openstack.org": "OpenStack Manila",
    "nasplugin.csi.alibabacloud.com": "Alibaba Cloud NAS",
    "csi.juicefs.com": "JuiceFS",
}
"""By the provisioner of a StorageClass."""
_ENDINGS: Mapping[str, str] = {
    "nfs": "NFS",
    "nfs.csi.k8s.io": "NFS",
    "nfs-subdir-external-provisioner": "NFS",
    ".cephfs.csi.ceph.com": "CephFS",
    ".manila.csi.openstack.org": "OpenStack Manila",
}
"""Provisioners that operators prefix with a name of their own."""


@dataclass(frozen=True)
class Ready:
    """The condition ``MemoryReady`` of an instance."""

    ready: bool
    reason: str
    message: str


def network_file_system(provisioner: str) -> str:
    """What kind of network file system a provisioner makes; empty for one that is not known to."""
    by_ending = (kind for ending, kind in _ENDINGS.items() if provisioner.endswith(ending))
    return NETWORK_FILE_SYSTEMS.get(provisioner) or next(by_ending, "")


def claim_of(instance: View) -> Object:
    meta = instance["metadata"]
    return {
        "apiVersion": PERSISTENT_VOLUME_CLAIM.api_version,
        "kind": PERSISTENT_VOLUME_CLAIM.kind,
        "metadata": {
            "name": memory_claim(meta["name"]),
            "namespace": meta["namespace"],
            "labels": {LABEL_MANAGED_BY: MANAGED_BY, LABEL_INSTANCE: label_value(meta["name"])},
            "ownerReferences": [owner_reference(SYMPOZIUM_INSTANCE, instance, block=False)],
        },
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": SIZE}}},
    }


class MemoryClaims:
    """Remembers for a while what it found: an instance is looked at with each change of its runs."""

    def __init__(self, cluster: Cluster, informers: Informers, clock: Clock) -> None:
        self._cluster, self._clock = cluster, clock
        self._known: dict[str, tuple[int, float, Ready]] = {}
        """By UID: the generation that was looked at, until when (monotonic) the answer holds, the answer."""
        self.informer = informers.of(PERSISTENT_VOLUME_CLAIM, labels=SELECTOR)
        self.informer.on_change(self._claim_changed)

    async def ensure(self, instance: View) -> Ready | None:
        """Makes the claim where it is missing and fits; None for an instance without memory. Raises ApiError."""
        if not wants_memory(instance):
            return None
        uid, generation = str(instance["metadata"]["uid"]), int(instance["metadata"].get("generation") or 0)
        known = self._known.get(uid)
        if known is not None and known[0] == generation and self._clock.monotonic() < known[1]:
            return known[2]
        found = await _ensure(self._cluster, instance)
        self._known[uid] = generation, self._clock.monotonic() + REMEMBERED, found
        return found

    def forget(self, instance: View) -> None:
        """The instance is gone."""
        self._known.pop(str(instance["metadata"]["uid"]), None)

    def _claim_changed(self, old: View | None, new: View | None) -> None:
        self._known.clear()  # the claim of an instance that was deleted may have been taken for its successor's


async def _ensure(cluster: Cluster, instance: View) -> Ready:
    wanted = claim_of(instance)
    name = metadata(wanted)["name"]
    found = await _find(cluster, wanted)
    classes = (await cluster.list(STORAGE_CLASS)).items
    used = _class_of(found, classes) if found is not None else _default(classes)
    if kind := network_file_system(str((used or {}).get("provisioner") or "")):
        return Ready(False, "NetworkFileSystem", _refusal(name, used or {}, kind, exists=found is not None))
    if found is None and used is None:
        return Ready(
            False,
            "NoStorageClass",
            f"the cluster has no default StorageClass for claim {name}: make one the default, or make the claim yourself",
        )
    if found is None:
        try:
            found = await cluster.create(PERSISTENT_VOLUME_CLAIM, wanted)
        except AlreadyExists:
            found = await cluster.get(PERSISTENT_VOLUME_CLAIM, metadata(wanted)["namespace"], name)
        except (Forbidden, Invalid) as error:
            return Ready(False, "ClaimRefused", error.message)
    return _state(found, waits=(used or {}).get("volumeBindingMode") == "WaitForFirstConsumer")


async def _find(cluster: Cluster, wanted: Object) -> Object | None:
    try:
        return await cluster.get(PERSISTENT_VOLUME_CLAIM, metadata(wanted)["namespace"], metadata(wanted)["name"])
    except NotFound:
        return None


def _class_of(claim: Mapping[str, Any], classes: Iterable[Object]) -> Object | None:
    name = claim["spec"].get("storageClassName")
    return next((each for each in classes if metadata(each)["name"] == name), None)


def _default(classes: Iterable[Object]) -> Object | None:
    """The newest of those that say they are the default, as the API server chooses."""
    found = [each for each in classes if (metadata(each).get("annotations") or {}).get(DEFAULT_CLASS) == "true"]
    return max(found, key=lambda each: str(metadata(each).get("creationTimestamp") or ""), default=None)


def _refusal(claim: str, storage_class: Object, kind: str, *, exists: bool) -> str:
    return (
        f"claim {claim} {'is' if exists else 'would be'} on StorageClass {metadata(storage_class)['name']!r}, which is {kind}: the "
        "locks that a memory relies on do not hold on a network file system, and it would be damaged. Make the claim yourself on a class of block or local volumes"
    )


def _state(claim: Mapping[str, Any], *, waits: bool) -> Ready:
    name, phase = metadata(claim)["name"], str((claim.get("status") or {}).get("phase") or "Pending")
    if metadata(claim).get("deletionTimestamp"):
        return Ready(False, "Terminating", f"claim {name} is being deleted")
    if phase == "Bound":
        return Ready(True, "Bound", f"claim {name}")
    if phase == "Lost":
        return Ready(False, "VolumeLost", f"the volume of claim {name} is gone")
    if waits:
        return Ready(True, "WaitForFirstConsumer", f"claim {name} gets its volume with the first run that uses it")
    return Ready(False, "Pending", f"claim {name} has no volume yet: kubectl describe pvc {name}")
