"""What the control plane may do on a cluster, from the table that its roles are made of."""

from __future__ import annotations

from collections.abc import Iterable

from tables import code, page, table

from sympozium_core.installation.rbac import account
from sympozium_core.installation.rights import AT_HOME, EVERYWHERE, Right
from sympozium_core.installation.roles import ROLES


def rights() -> str:
    parts = ["What `sympozium install` gives to whom."]
    for title, tables in (("In every namespace", EVERYWHERE), ("In sympozium-system", AT_HOME)):
        parts.append(f"## {title}")
        for component, found in tables.items():
            parts += [f"### ServiceAccount {account(component)}: {title.lower()}", _table(found)]
    parts += ["## Roles for people", "ClusterRoles, to be bound in a namespace."]
    for name, found in ROLES.items():
        parts += [f"### sympozium-{name}", _table(found)]
    return page("Rights", "sympozium_core/installation/rights.py", *parts)


def _table(found: Iterable[Right]) -> str:
    return table(["May", "What", "Why"], ([_list(right.verbs), _what(right), right.why] for right in found))


def _list(words: Iterable[str]) -> str:
    return ", ".join(map(code, words))


def _what(right: Right) -> str:
    named = f" named {_list(right.names)}" if right.names else ""
    return _list(_resource(resource, right.group) for resource in right.resources) + named


def _resource(plural: str, group: str) -> str:
    """``agentruns.sympozium.ai/status``."""
    kind, slash, part = plural.partition("/")
    return (f"{kind}.{group}" if group else kind) + slash + part
