"""What users may do: asked of the API server on a cluster; embedded there is one user, to whom everything belongs."""

from __future__ import annotations

from sympozium_core.admission.lookup import Access
from sympozium_core.contracts.builtin_kinds import SUBJECT_ACCESS_REVIEW
from sympozium_core.contracts.cluster import Cluster, User


class SingleUser:
    """Implements `admission.lookup.Rights`."""

    async def may(self, user: User, access: Access) -> bool:
        return True


class AccessReviews:
    """Implements `admission.lookup.Rights` by SubjectAccessReviews, never remembered: a right that was taken away is gone at once."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    async def may(self, user: User, access: Access) -> bool:
        resource, _, subresource = access.resource.partition("/")
        attributes = {
            "verb": access.verb,
            "group": access.group,
            "resource": resource,
            "subresource": subresource,
            "namespace": access.namespace,
            "name": access.name,
        }
        spec = {
            "user": user.name,
            "groups": list(user.groups),
            "uid": user.uid,
            "extra": {key: list(values) for key, values in user.extra.items()},
            "resourceAttributes": {key: value for key, value in attributes.items() if value},
        }
        answer = await self._cluster.create(SUBJECT_ACCESS_REVIEW, {"spec": spec})
        return (answer.get("status") or {}).get("allowed") is True
