from __future__ import annotations

import pytest

from sympozium_core.controllers.memory_claims import claim_of, network_file_system


@pytest.mark.parametrize(
    ("provisioner", "kind"),
    [
        ("rancher.io/local-path", ""),
        ("ebs.csi.aws.com", ""),
        ("disk.csi.azure.com", ""),
        ("rook-ceph.rbd.csi.ceph.com", ""),
        ("", ""),
        ("nfs.csi.k8s.io", "NFS"),
        ("cluster.local/nfs-subdir-external-provisioner", "NFS"),
        ("example.com/nfs", "NFS"),
        ("efs.csi.aws.com", "Amazon EFS"),
        ("file.csi.azure.com", "Azure Files"),
        ("kubernetes.io/azure-file", "Azure Files"),
        ("rook-ceph.cephfs.csi.ceph.com", "CephFS"),
        ("cephfs.csi.ceph.com", "CephFS"),
    ],
)
def test_network_file_systems_are_known_by_their_provisioner(provisioner: str, kind: str) -> None:
    assert network_file_system(provisioner) == kind


def test_a_claim_is_one_nodes_and_its_instances() -> None:
    claim = claim_of({"metadata": {"name": "agent", "namespace": "team", "uid": "u"}})
    assert claim["metadata"]["name"] == "agent-memory"
    assert claim["spec"]["accessModes"] == ["ReadWriteOnce"]
    (owner,) = claim["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["uid"]) == ("SympoziumInstance", "u")
