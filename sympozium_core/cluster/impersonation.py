"""Asking on behalf of somebody else: https://kubernetes.io/docs/reference/access-authn-authz/user-impersonation/"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import quote

from sympozium_core.contracts.cluster import BadRequest


def impersonation(
    user: str, groups: Sequence[str] = (), *, uid: str = "", extra: Mapping[str, Sequence[str]] | None = None
) -> tuple[tuple[str, str], ...]:
    """The headers that say so. Raises BadRequest without a user: the server would act as ourselves."""
    if not user:
        raise BadRequest("impersonation needs a user")
    headers = [("Impersonate-User", user), *(("Impersonate-Group", group) for group in groups)]
    if uid:
        headers.append(("Impersonate-Uid", uid))
    for key, values in (extra or {}).items():
        headers += [(f"Impersonate-Extra-{quote(key, safe='')}", value) for value in values]
    return tuple(headers)
