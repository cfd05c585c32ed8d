"""The Kubernetes API as the control plane uses it: a port with two implementations and one contract suite.

Objects are plain dicts in their JSON form. Implementations: the REST client in `sympozium_core.cluster` (a real cluster, or the
embedded REST face) and the store in `sympozium_core.embedded`. Semantics are those of the Kubernetes API conventions.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from sympozium_core.errors import Cause, SympoziumError

Object = dict[str, Any]
PatchType = Literal["merge", "json"]
Propagation = Literal["Background", "Foreground", "Orphan"]


@dataclass(frozen=True)
class ResourceType:
    """A kind and where it lives. `group` is empty for the core kinds."""

    group: str
    version: str
    kind: str
    plural: str
    namespaced: bool = True
    short_names: tuple[str, ...] = ()
    singular: str = ""
    status: bool = True
    """Has a status subresource: a main write never changes status, a status write never changes anything else."""

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def resource(self) -> str:
        """``agentruns.sympozium.ai``, the name that permissions and messages use."""
        return f"{self.plural}.{self.group}" if self.group else self.plural


@dataclass(frozen=True)
class User:
    """Who asks, as the API server authenticated them."""

    name: str
    groups: tuple[str, ...] = ()
    uid: str = ""
    extra: Mapping[str, tuple[str, ...]] = field(default_factory=dict, hash=False)
    """What the authenticator knows beyond; asked about and impersonated together with the rest."""


@dataclass(frozen=True)
class ListPage:
    items: list[Object]
    resource_version: str
    continue_token: str = ""


@dataclass(frozen=True)
class WatchEvent:
    """`type` BOOKMARK carries an object with nothing but its resourceVersion."""

    type: Literal["ADDED", "MODIFIED", "DELETED", "BOOKMARK"]
    object: Object


class ApiError(SympoziumError):
    """An answer of the API server that is not a success. `code` is the HTTP status, `reason` the Kubernetes one."""

    code = 500
    reason = "InternalError"

    def __init__(self, message: str, *, causes: Sequence[Cause] = (), hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.causes = tuple(causes)


class NotFound(ApiError):
    code, reason = 404, "NotFound"


class AlreadyExists(ApiError):
    code, reason = 409, "AlreadyExists"


class Conflict(ApiError):
    """The object changed since it was read, or a precondition does not hold."""

    code, reason = 409, "Conflict"


class Invalid(ApiError):
    """The object breaks its schema or a rule on its fields; `causes` has each."""

    code, reason = 422, "Invalid"


class BadRequest(ApiError):
    code, reason = 400, "BadRequest"


class Forbidden(ApiError):
    """Not allowed: missing rights, or an admission refusal with its causes."""

    code, reason = 403, "Forbidden"


class Unauthorized(ApiError):
    code, reason = 401, "Unauthorized"


class Gone(ApiError):
    """A resourceVersion or continue token too old to serve: list again."""

    code, reason = 410, "Expired"


class TooLarge(ApiError):
    code, reason = 413, "RequestEntityTooLarge"


class Unavailable(ApiError):
    """The server cannot be reached or is overloaded; trying again may help."""

    code, reason = 503, "ServiceUnavailable"


API_ERRORS: tuple[type[ApiError], ...] = (
    NotFound, AlreadyExists, Conflict, Invalid, BadRequest, Forbidden, Unauthorized, Gone, TooLarge, Unavailable,
)  # fmt: skip


class Cluster(Protocol):
    """Every method raises `ApiError`. `namespace` is None for cluster-scoped kinds, and in `list` and `watch` for all namespaces.

    What comes back is the caller's own: changing it changes nothing else.
    """

    async def get(self, kind: ResourceType, namespace: str | None, name: str) -> Object: ...

    async def list(
        self,
        kind: ResourceType,
        namespace: str | None = None,
        *,
        labels: str = "",
        fields: str = "",
        limit: int = 0,
        continue_token: str = "",
    ) -> ListPage:
        """`labels` and `fields` are Kubernetes selectors (fields: metadata.name, metadata.namespace and status.phase)."""

    async def create(self, kind: ResourceType, obj: Object, *, dry_run: bool = False) -> Object:
        """Raises AlreadyExists; honours generateName; refuses a resourceVersion."""

    async def replace(
        self, kind: ResourceType, obj: Object, *, subresource: Literal["", "status"] = "", dry_run: bool = False
    ) -> Object:
        """Needs metadata.name; with metadata.resourceVersion raises Conflict when the object has moved on.

        Custom resources are not replaced blindly: without a resourceVersion, Invalid.
        """

    async def patch(
        self,
        kind: ResourceType,
        namespace: str | None,
        name: str,
        patch: Any,
        *,
        type: PatchType = "merge",
        subresource: Literal["", "status"] = "",
        dry_run: bool = False,
    ) -> Object:
        """RFC 7386 merge patch or RFC 6902 JSON patch; a resourceVersion in a merge patch is a precondition."""

    async def delete(
        self,
        kind: ResourceType,
        namespace: str | None,
        name: str,
        *,
        uid: str = "",
        resource_version: str = "",
        propagation: Propagation = "Background",
        grace: int | None = None,
    ) -> Object:
        """Returns the object as it was left: with a deletionTimestamp when finalizers hold it.

        `grace` is the seconds in which a Pod may end (None: its own; 0: whoever runs it is not asked); other kinds have no use for it.
        """

    def watch(
        self,
        kind: ResourceType,
        namespace: str | None = None,
        *,
        resource_version: str,
        labels: str = "",
        fields: str = "",
        timeout: float = 0,
    ) -> AsyncGenerator[WatchEvent, None]:
        """Events after `resource_version`, in order, with bookmarks; ends after `timeout` seconds (0: when closed). Raises Gone."""

    async def close(self) -> None: ...


Followed = Callable[[Mapping[str, Any] | None, Mapping[str, Any] | None], None]
"""Told (None, new) of an object that appears, (old, new) of one that changes, (old, None) of one that is gone; from the event loop's thread.

It never awaits. What it is told is shared, so never to be changed, at any depth.
"""


class Follow(Protocol):
    def __call__(self, kind: ResourceType, changed: Followed, *, labels: str = "") -> AbstractAsyncContextManager[None]:
        """Tells of all objects of a kind with these labels, in every namespace, for as long as the context is open.

        Opened, it has told of all that there was. It survives every failure of the cluster, and nothing is told twice or missed; raises
        Temporary when it cannot begin.
        """


@dataclass(frozen=True)
class Review:
    """One write on its way to the store, given to admission. Mirrors `admission.k8s.io/v1` AdmissionRequest."""

    operation: Literal["CREATE", "UPDATE", "DELETE"]
    kind: ResourceType
    namespace: str | None
    name: str
    user: User
    object: Object | None
    old_object: Object | None = None
    subresource: str = ""
    dry_run: bool = False


@dataclass(frozen=True)
class Verdict:
    """What admission says: either refusal (causes not empty) or the object to store, with warnings for the writer."""

    object: Object | None = None
    causes: tuple[Cause, ...] = ()
    warnings: tuple[str, ...] = ()
    invalid: bool = False
    """True when the causes are faults of the object (422), False when a rule forbids it (403)."""

    def refusal(self, kind: ResourceType, name: str) -> ApiError | None:
        """The error that says every cause to who wrote the object called `name`; None for what is admitted."""
        if not self.causes:
            return None
        text = "; ".join(str(cause) for cause in self.causes)
        if self.invalid:
            return Invalid(f'{kind.kind} "{name}" is invalid: {text}', causes=self.causes)
        return Forbidden(f'{kind.resource} "{name}" is forbidden: {text}', causes=self.causes)


class Admission(Protocol):
    async def review(self, review: Review) -> Verdict: ...


@dataclass(frozen=True)
class Warnings:
    """Collects the warnings of one write, as a client shows them."""

    texts: list[str] = field(default_factory=list)


def metadata(obj: Mapping[str, Any]) -> dict[str, Any]:
    """The object's metadata; an empty dict when it has none."""
    found = obj.get("metadata")
    return found if isinstance(found, dict) else {}
