"""The control plane's ServiceAccounts, each with the rights of `rights` and nothing more."""

from __future__ import annotations

from collections.abc import Sequence

from sympozium_core.contracts.builtin_kinds import (
    CLUSTER_ROLE,
    CLUSTER_ROLE_BINDING,
    ROLE,
    ROLE_BINDING,
    SERVICE_ACCOUNT,
)
from sympozium_core.contracts.cluster import Object, ResourceType
from sympozium_core.installation import rights
from sympozium_core.installation.options import Options
from sympozium_core.installation.parts import make
from sympozium_core.installation.rights import Right


def account(component: str) -> str:
    """The name of a component's ServiceAccount, of its roles and of their bindings."""
    return f"sympozium-{component}"


def accounts(options: Options, components: Sequence[str]) -> list[Object]:
    """ServiceAccounts of these components with their roles and bindings."""
    made: list[Object] = []
    for component in components:
        no_token = {"automountServiceAccountToken": False}  # the pods that need one say so
        made.append(make(options, SERVICE_ACCOUNT, account(component), component, no_token))
        for found, role, binding in (
            (rights.EVERYWHERE.get(component, ()), CLUSTER_ROLE, CLUSTER_ROLE_BINDING),
            (rights.AT_HOME.get(component, ()), ROLE, ROLE_BINDING),
        ):
            if found:
                made += _granted(options, component, found, role, binding)
    return made


def _granted(
    options: Options, component: str, found: Sequence[Right], role: ResourceType, binding: ResourceType
) -> list[Object]:
    name = account(component)
    reference = {"apiGroup": role.group, "kind": role.kind, "name": name}
    subject = {"kind": SERVICE_ACCOUNT.kind, "name": name, "namespace": options.namespace}
    return [
        make(options, role, name, component, {"rules": [right.rule() for right in found]}),
        make(options, binding, name, component, {"roleRef": reference, "subjects": [subject]}),
    ]
