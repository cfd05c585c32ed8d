"""Everything of an installation, in the order in which it is applied."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sympozium_core.contracts.cluster import Object
from sympozium_core.installation import bootstrap, bus, certmanager, crds, deployments, inventory, network, rbac, roles
from sympozium_core.installation.admission import admission
from sympozium_core.installation.namespace import namespace
from sympozium_core.installation.options import Options
from sympozium_core.installation.rights import BOOTSTRAP, CONTROLLER, GATEWAY, WEBHOOK


@dataclass(frozen=True)
class Stage:
    """Objects that are applied together; what comes after waits until they work."""

    title: str
    objects: Sequence[Object]


def stages(options: Options) -> list[Stage]:
    found = [
        Stage("namespace and resource definitions", [namespace(options), *crds.definitions(options)]),
        Stage(
            "accounts, rights and network policies",
            [
                *rbac.accounts(options, (BOOTSTRAP, CONTROLLER, GATEWAY, WEBHOOK)),
                *roles.user_roles(options),
                *network.policies(options),
            ],
        ),
        Stage("keys and certificates", [*certmanager.certificates(options), bootstrap.job(options)]),
        Stage("event bus", bus.server(options)),
        Stage(
            "control plane",
            [*deployments.controller(options), *deployments.gateway(options), *deployments.webhook(options)],
        ),
        Stage("admission", admission(options)),
    ]
    objects = [obj for stage in found for obj in stage.objects]
    return [stage for stage in (*found, Stage("inventory", [inventory.inventory(options, objects)])) if stage.objects]


def everything(options: Options) -> list[Object]:
    return [obj for stage in stages(options) for obj in stage.objects]
