"""Lifecycle hooks: programs of the user's own that run before and after the agent, each in a pod of its own, with rights that all of them share.

What a run declares replaces the whole of what its instance declares.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, get_args

from sympozium_core.contracts.plan import Container, HookPhase, HookPlan, Identity, PodPlan, Resources
from sympozium_core.contracts.sandbox import Feature
from sympozium_core.errors import Cause
from sympozium_core.planning.identities import access_rules, account_name
from sympozium_core.planning.images import admitted, why_not
from sympozium_core.planning.inputs import RunInputs, SandboxFacts, default_of
from sympozium_core.planning.policy import EffectivePolicy
from sympozium_core.resources import durations

CONTAINER = "hook"
DEFAULT_TIMEOUT = 300.0
"""Seconds."""
MAX_HOOKS = 8
"""Of each phase: each is a pod, and they run one after another."""
RESERVED = (
    *("AGENT_RUN_ID", "AGENT_RUN_NAME", "AGENT_NAMESPACE", "INSTANCE_NAME", "HOOK_NAME", "HOOK_PHASE"),
    *("AGENT_PHASE", "AGENT_REASON", "AGENT_EXIT_CODE", "AGENT_RESULT"),
)
"""What a hook is told by its environment; the second line in postRun alone."""
PREFIX = "SYMPOZIUM_"
PHASES: tuple[HookPhase, ...] = get_args(HookPhase)

Objects = tuple[Mapping[str, Any], Mapping[str, Any]]


@dataclass(frozen=True)
class Declared:
    """What holds for a run. The one who reads a cause has written the run, or has to ask whoever wrote its instance."""

    lifecycle: Mapping[str, Any]
    own: bool

    def hooks(self) -> Iterator[tuple[HookPhase, int, Mapping[str, Any]]]:
        for phase in PHASES:
            for index, hook in enumerate(self.lifecycle.get(phase) or ()):
                yield phase, index, hook

    @property
    def rights(self) -> Sequence[Mapping[str, Any]]:
        return self.lifecycle.get("rbac") or ()

    def cause(self, path: str, what: str, hint: str) -> Cause:
        if self.own:
            return Cause(f"spec.lifecycle.{path}", what, hint)
        return Cause("", f"the instance's agents.default.lifecycle.{path}: {what}", hint)


def declared(run: Mapping[str, Any], instance: Mapping[str, Any]) -> Declared:
    """Of a run and its instance in normal form."""
    own = run["spec"].get("lifecycle")
    return Declared(own, True) if own is not None else Declared(default_of(instance).get("lifecycle") or {}, False)


def lifecycle_faults(found: Declared, sandbox: SandboxFacts) -> list[Cause]:
    """Why these hooks cannot be, whatever a policy says."""
    causes = [
        found.cause(phase, f"has {number} hooks", f"at most {MAX_HOOKS}: let one do the work of several")
        for phase in PHASES
        if (number := len(found.lifecycle.get(phase) or ())) > MAX_HOOKS
    ]
    seen: set[tuple[str, str]] = set()
    for phase, index, hook in found.hooks():
        place, name = f"{phase}[{index}]", hook["name"]
        if (phase, name) in seen:
            causes.append(found.cause(f"{place}.name", f"{name!r} is the name of two hooks", "give each a name of its own"))
        seen.add((phase, name))
        if "images" not in sandbox.features and not hook.get("command"):
            causes.append(
                found.cause(
                    f"{place}.command",
                    f"hook {name!r} is only an image, and sandbox {sandbox.name!r} runs none",
                    "give the command to run from this machine's programs, such as [sh, -c, 'git clone …'], or run on a cluster",
                )
            )
        causes += _environment_faults(found, place, hook)
    return causes + _rights_faults(found, sandbox)


def _environment_faults(found: Declared, place: str, hook: Mapping[str, Any]) -> list[Cause]:
    return [
        found.cause(f"{place}.env[{index}].name", f"{variable['name']} is Sympozium's own", "choose another name")
        for index, variable in enumerate(hook.get("env") or ())
        if variable["name"] in RESERVED or variable["name"].startswith(PREFIX)
    ]


def _rights_faults(found: Declared, sandbox: SandboxFacts) -> list[Cause]:
    needed: Feature = "identities"
    if found.rights and needed not in sandbox.features:
        return [
            found.cause("rbac", f"sandbox {sandbox.name!r} has no Kubernetes identities to give rights to", "run on a cluster")
        ]
    return [
        found.cause(f"rbac[{index}]", f"has no {' and no '.join(missing)}", 'every rule has all three; the core group is ""')
        for index, rule in enumerate(found.rights)
        if (missing := [key for key in ("apiGroups", "resources", "verbs") if not rule.get(key)])
    ]


def denials(found: Declared, policy: EffectivePolicy, sandbox: SandboxFacts) -> list[Cause]:
    """What of these hooks one policy does not let be."""
    causes = []
    if "images" in sandbox.features:
        causes += [
            found.cause(f"{phase}[{index}].image", *why_not(hook["image"], f"hook {hook['name']!r}", policy))
            for phase, index, hook in found.hooks()
            if not admitted(hook["image"], policy)
        ]
    return causes + [
        found.cause(
            f"rbac[{index}].resources",
            f"policy {policy.name} denies hooks any right to {denied}, and this rule names {named}",
            f"leave it out; lifecyclePolicy.deniedResources is {', '.join(policy.denied_resources)}",
        )
        for index, rule in enumerate(found.rights)
        for denied in policy.denied_resources
        if (named := _names(rule, denied))
    ]


def denied_by_now(hook: HookPlan, identity: Identity | None, policies: Iterable[EffectivePolicy]) -> str:
    """Why a hook that was admitted may not start any more, as the policies are now; empty when it may."""
    image = hook.pod.containers[0].image
    for policy in policies:
        if image and not admitted(image, policy):
            return f"policy {policy.name} does not allow image {image!r} any more"
        for rule in identity.rules if identity is not None else ():
            named = {"apiGroups": rule.api_groups, "resources": rule.resources}
            if denied := next((each for each in policy.denied_resources if _names(named, each)), ""):
                return f"policy {policy.name} denies hooks any right to {denied} by now"
    return ""


def _names(rule: Mapping[str, Any], denied: str) -> str:
    """The resource of a rule that is, or has in it, what is denied: ``pods`` with all below it, ``pods/exec``, ``deployments.apps`` of one group,
    ``*``. Empty when none is."""
    resource, _, part = denied.lower().partition("/")
    resource, _, group = resource.partition(".")
    if group and not {group, "*"} & {each.lower() for each in rule.get("apiGroups") or ()}:
        return ""
    for named in rule.get("resources") or ():
        mine, _, below = named.lower().partition("/")
        # `*` as a whole is every resource with all that is below it; `pods` does not have `pods/exec` in it.
        reaches = not part or (mine == "*" and not below) or below in (part, "*")
        if reaches and ("*" in (resource, mine) or mine == resource):
            return str(named)
    return ""


def hook_identity(inputs: RunInputs) -> Identity | None:
    """The rights that all hooks of the run have, in its own namespace; None where none are declared."""
    found = declared(inputs.run, inputs.instance)
    if not found.rights or not any(found.hooks()):
        return None
    return Identity("", access_rules(found.rights), (), (inputs.run["metadata"]["namespace"],))


def hook_plans(inputs: RunInputs, agent: PodPlan, resources: Resources) -> tuple[HookPlan, ...]:
    """In the order in which they run. A hook's pod is where the agent's is, and reaches nothing but the API server, and that with rights alone."""
    identity = hook_identity(inputs)
    base = replace(
        agent,
        skills=(),
        network="api-only" if identity is not None else "none",
        egress=(),
        memory="",
        account=account_name(inputs.run["metadata"]["uid"], "") if identity is not None else "",
    )
    images = "images" in inputs.sandbox.features
    return tuple(
        HookPlan(
            hook["name"],
            phase,
            durations.seconds(hook["timeout"]) if hook.get("timeout") else DEFAULT_TIMEOUT,
            replace(
                base,
                containers=(
                    Container(
                        CONTAINER,
                        "hook",
                        command=tuple(hook.get("command") or ()),
                        args=tuple(hook.get("args") or ()),
                        image=hook["image"] if images else "",
                        env=_environment(inputs, phase, hook),
                        resources=resources,
                        workspace=True,
                        kubernetes=identity is not None,
                    ),
                ),
            ),
        )
        for phase, _, hook in declared(inputs.run, inputs.instance).hooks()
    )


def _environment(inputs: RunInputs, phase: HookPhase, hook: Mapping[str, Any]) -> Mapping[str, str]:
    metadata = inputs.run["metadata"]
    return {
        **{variable["name"]: variable["value"] for variable in hook.get("env") or ()},
        "AGENT_RUN_ID": metadata["uid"],
        "AGENT_RUN_NAME": metadata["name"],
        "AGENT_NAMESPACE": metadata["namespace"],
        "INSTANCE_NAME": inputs.run["spec"]["instanceRef"],
        "HOOK_NAME": hook["name"],
        "HOOK_PHASE": phase,
    }


def has_hooks(inputs: RunInputs) -> bool:
    return any(declared(inputs.run, inputs.instance).hooks())


def notes(inputs: RunInputs) -> list[str]:
    """What the user should know of hooks in this place."""
    found = declared(inputs.run, inputs.instance)
    said = []
    if "images" not in inputs.sandbox.features:
        images = sorted({hook["image"] for _, _, hook in found.hooks()})
        if images:
            said.append(f"hooks run this machine's programs here, so their images are not used: {', '.join(images)}")
    if found.rights and not has_hooks(inputs):
        said.append("the lifecycle declares rights and no hook that could use them")
    return said
