"""What the control plane may do, right by right, each with its reason. `rbac` makes the objects of it, the documentation a table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from sympozium_core import names
from sympozium_core.contracts import builtin_kinds as kinds
from sympozium_core.contracts.cluster import Object, ResourceType
from sympozium_core.names import GROUP
from sympozium_core.resources.kinds import (
    AGENT_RUN,
    MCP_SERVER,
    PERSONA_PACK,
    SKILL_PACK,
    SYMPOZIUM_INSTANCE,
    SYMPOZIUM_POLICY,
    SYMPOZIUM_SCHEDULE,
    TOOL_APPROVAL,
)

READ: Final = ("get", "list", "watch")
CONTROLLER, GATEWAY, WEBHOOK, BOOTSTRAP = "controller", "gateway", "webhook", "bootstrap"


@dataclass(frozen=True)
class Right:
    group: str
    resources: tuple[str, ...]
    verbs: tuple[str, ...]
    why: str
    names: tuple[str, ...] = ()
    """The only objects that it is about; empty: any."""

    def rule(self) -> Object:
        """As a rule of a Role."""
        rule: Object = {"apiGroups": [self.group], "resources": list(self.resources), "verbs": list(self.verbs)}
        return {**rule, "resourceNames": list(self.names)} if self.names else rule


def _right(kind: ResourceType, verbs: tuple[str, ...], why: str, *, part: str = "", names: tuple[str, ...] = ()) -> Right:
    return Right(kind.group, (f"{kind.plural}/{part}" if part else kind.plural,), verbs, why, names)


def _ours(verbs: tuple[str, ...], why: str, *found: ResourceType, part: str = "") -> Right:
    return Right(GROUP, tuple(f"{kind.plural}/{part}" if part else kind.plural for kind in found), verbs, why)


_ROLES = tuple(kind.plural for kind in (kinds.ROLE, kinds.CLUSTER_ROLE))
_BINDINGS = tuple(kind.plural for kind in (kinds.ROLE_BINDING, kinds.CLUSTER_ROLE_BINDING))
_WEBHOOKS = tuple(kind.plural for kind in (kinds.MUTATING_WEBHOOK, kinds.VALIDATING_WEBHOOK))
_CERTIFICATES = (names.SECRET_AUTHORITY, names.SECRET_WEBHOOK_TLS, names.SECRET_NATS_TLS)

EVERYWHERE: Final[Mapping[str, tuple[Right, ...]]] = {
    CONTROLLER: (
        _ours(
            READ,
            "plans runs from them",
            *(SYMPOZIUM_INSTANCE, SKILL_PACK, SYMPOZIUM_POLICY, MCP_SERVER, PERSONA_PACK, SYMPOZIUM_SCHEDULE, TOOL_APPROVAL),
        ),
        _ours((*READ, "patch", "delete"), "carries them out; deletes the oldest beyond an instance's history", AGENT_RUN),
        _ours(("create",), "asks who may decide about a call that needs approval", TOOL_APPROVAL),
        _ours(
            ("patch", "update"),
            "says how far they are",
            *(AGENT_RUN, SYMPOZIUM_INSTANCE, TOOL_APPROVAL, MCP_SERVER),
            part="status",
        ),
        _ours(("patch",), "says how many skills each has", SKILL_PACK, part="status"),
        _ours(("update",), "makes them owners of what it makes for them", AGENT_RUN, SYMPOZIUM_INSTANCE, part="finalizers"),
        _right(kinds.JOB, (*READ, "create", "delete"), "one Job per pod of a run"),
        _right(kinds.POD, (*READ, "delete"), "what became of a run's pod; stops it"),
        _right(kinds.EVENT, (*READ, "create", "patch"), "tells the story of a run; reads why its pod does not start"),
        _right(
            kinds.SERVICE,
            (*READ, "create", "update", "delete"),
            "the address of the bus: pods of runs have no DNS; one per MCP server that it runs",
        ),
        _right(kinds.DEPLOYMENT, (*READ, "create", "update", "delete"), "one per MCP server that it runs"),
        _right(kinds.SECRET, ("create", "get", "delete"), "one empty Secret per run with rights: its tokens end with it"),
        _right(
            kinds.SERVICE_ACCOUNT, (*READ, "create", "delete"), "one per run and skill with rights, and one for a run's hooks"
        ),
        _right(kinds.SERVICE_ACCOUNT, ("create",), "the tokens of those", part="token"),
        _right(kinds.CONFIG_MAP, ("get",), "by what a skill's client knows the API server", names=("kube-root-ca.crt",)),
        _right(kinds.CONFIG_MAP, ("create",), "the code of a Python skill that no image has"),
        Right(
            kinds.ROLE.group,
            _ROLES,
            (*READ, "create", "delete", "escalate", "bind"),
            "a run's skills get what their SkillPack declares, which the controller itself does not hold; admission asks "
            "whoever writes or attaches the SkillPack",
        ),
        Right(kinds.ROLE.group, _BINDINGS, (*READ, "create", "delete"), "gives those rights to the run's ServiceAccounts"),
        _right(kinds.NETWORK_POLICY, (*READ, "create", "update", "patch", "delete"), "what a run's pod may reach"),
        _right(kinds.ENDPOINT_SLICE, READ, "where the API server is, for runs whose skills may reach it"),
        _right(
            kinds.PERSISTENT_VOLUME_CLAIM,
            (*READ, "create", "patch", "delete"),
            "an instance's memory; the workspace of a run with hooks",
        ),
        _right(kinds.NAMESPACE, ("get",), "by whose labels a policy is mandatory in it"),
        _right(kinds.STORAGE_CLASS, READ, "whether a volume of it can hold a database"),
        _right(kinds.TOKEN_REVIEW, ("create",), "whose pod connects to the bus"),
        Right(
            kinds.MUTATING_WEBHOOK.group,
            _WEBHOOKS,
            (*READ, "patch", "update"),
            "keeps the certificate authority in them",
            (names.WEBHOOKS,),
        ),
    ),
    GATEWAY: (
        _ours(READ, "whose model call it is", AGENT_RUN),
        _ours(("get",), "which model, by which provider", SYMPOZIUM_INSTANCE, SYMPOZIUM_POLICY),
        _ours(("get",), "where an MCP server is, and what is sent along", MCP_SERVER),
        _right(
            kinds.SECRET,
            ("get",),
            "the key of a run's model, which is in the run's namespace; the headers of an MCP server, which are in the server's",
        ),
    ),
    WEBHOOK: (
        _ours(("get",), "what a run refers to", SYMPOZIUM_INSTANCE, SKILL_PACK),
        _ours(("get", "list"), "the policy of a run, and those that are mandatory", SYMPOZIUM_POLICY),
        _right(kinds.NAMESPACE, ("get",), "by whose labels a policy is mandatory in it"),
        _right(kinds.SUBJECT_ACCESS_REVIEW, ("create",), "whether a writer may do what the control plane would do for him"),
    ),
}
"""In all namespaces, by component."""

AT_HOME: Final[Mapping[str, tuple[Right, ...]]] = {
    CONTROLLER: (
        _right(kinds.LEASE, ("create", "get", "update"), "of several controllers one works"),
        _ours(("create", "update", "delete"), "the SkillPacks of the skill packages that are installed", SKILL_PACK),
        _right(kinds.SECRET, (*READ, "create", "update"), "makes and renews certificates"),
    ),
    BOOTSTRAP: (
        _right(kinds.SECRET, ("create",), "the first keys of the bus, the first certificates"),
        _right(kinds.SECRET, ("get", "update"), "leaves alone what is there", names=(names.SECRET_BUS, *_CERTIFICATES)),
    ),
}
"""In the control plane's own namespace, by component."""
