"""ClusterRoles for people, to be bound in a namespace: the first three are part of Kubernetes' own ``view``, ``edit`` and ``admin``."""

from __future__ import annotations

from sympozium_core.contracts.builtin_kinds import CLUSTER_ROLE
from sympozium_core.contracts.cluster import Object
from sympozium_core.installation.options import Options
from sympozium_core.installation.parts import make
from sympozium_core.installation.rights import READ, Right
from sympozium_core.names import GROUP
from sympozium_core.resources.kinds import (
    AGENT_RUN,
    MCP_SERVER,
    OURS,
    PERSONA_PACK,
    SKILL_PACK,
    SYMPOZIUM_INSTANCE,
    SYMPOZIUM_POLICY,
    SYMPOZIUM_SCHEDULE,
    TOOL_APPROVAL,
)

_WRITE = ("create", "update", "patch", "delete", "deletecollection")
_AGENTS = tuple(kind.plural for kind in (SYMPOZIUM_INSTANCE, AGENT_RUN, PERSONA_PACK, SYMPOZIUM_SCHEDULE, MCP_SERVER))
_APPROVALS = (TOOL_APPROVAL.plural,)
_RULES = (SKILL_PACK.plural, SYMPOZIUM_POLICY.plural)

_VIEW = (Right(GROUP, tuple(kind.plural for kind in OURS), READ, "sees everything of Sympozium"),)
_EDIT = (*_VIEW, Right(GROUP, _AGENTS, _WRITE, "sets agents up and runs them"))
_ADMIN = (
    *_EDIT,
    Right(GROUP, _RULES, _WRITE, "says what agents may do"),
    Right(GROUP, (SKILL_PACK.plural,), ("use",), "attaches SkillPacks that have rights"),
    Right(GROUP, _APPROVALS, ("delete", "deletecollection"), "clears away"),
)
_APPROVER = (
    Right(GROUP, _APPROVALS, (*READ, "patch", "update", "approve"), "decides whether a tool may be called"),
    Right(GROUP, (AGENT_RUN.plural,), READ, "sees whose call it is"),
)
ROLES = {"view": _VIEW, "edit": _EDIT, "admin": _ADMIN, "approver": _APPROVER}
_AGGREGATED = ("view", "edit", "admin")
"""Who approves is chosen by name: whoever may start a run must not be able to approve what it does by that alone."""


def user_roles(options: Options) -> list[Object]:
    made = []
    for name, rights in ROLES.items():
        role = make(options, CLUSTER_ROLE, f"sympozium-{name}", "roles", {"rules": [right.rule() for right in rights]})
        if name in _AGGREGATED:
            role["metadata"]["labels"][f"rbac.authorization.k8s.io/aggregate-to-{name}"] = "true"
        made.append(role)
    return made
