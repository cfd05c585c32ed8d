"""From gathered inputs to a RunPlan, or to every reason why this place cannot carry the run out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sympozium_core.contracts.plan import Container, EgressRule, Identity, PodPlan, Resources, RunPlan, SkillText, ToolServer
from sympozium_core.contracts.tool_policy import ToolPolicy, UntoldCall
from sympozium_core.errors import Cause, Refused
from sympozium_core.names import NATIVE_TOOLS, Reason, Tool
from sympozium_core.planning.approvals import approvals_of
from sympozium_core.planning.egress import egress
from sympozium_core.planning.fetching import fetch_policy
from sympozium_core.planning.harness import agent_container, harness_denials, harness_faults, harness_notes
from sympozium_core.planning.identities import identity
from sympozium_core.planning.inputs import RunInputs, SkillSource, default_of, model_of
from sympozium_core.planning.lifecycle import has_hooks, hook_identity, hook_plans
from sympozium_core.planning.limits import limits_of
from sympozium_core.planning.mcp import mcp_section, mcp_servers, with_servers
from sympozium_core.planning.memory import memory_notes, memory_of, without_memory
from sympozium_core.planning.policy import EffectivePolicy, run_tools
from sympozium_core.planning.review import resources_of
from sympozium_core.planning.runtime_class import runtime_class
from sympozium_core.planning.sidecars import amounts, declared_tools, is_served, sidecar, skill_faults, skill_refusals
from sympozium_core.planning.unavailable import notes, unavailable
from sympozium_core.resources import quantities

SHELL_SKILL = "shell"
"""Serves `execute_command` where no skill of the run does: every agent has that tool, if its policy lets it."""

DEFAULT_PROMPT = (
    "You are a helpful assistant. Work step by step, use your tools to find out rather than guess, and answer concisely."
)


def make_plan(inputs: RunInputs) -> RunPlan:
    """Raises Refused: with reason InfrastructureError when a field of the run cannot act here, for nothing is dropped in silence, and with
    PolicyDenied when the policy stands against a skill or the harness of the run."""
    causes = [
        *_model_faults(inputs),
        *skill_faults(inputs),
        *unavailable(inputs),
        *harness_faults(inputs.harness, inputs.sandbox),
    ]
    if causes:
        raise Refused(causes, reason=Reason.INFRASTRUCTURE_ERROR)
    if forbidden := [*skill_refusals(inputs), *harness_denials(inputs.harness, inputs.policy, inputs.sandbox)]:
        raise Refused(forbidden)
    run, spec = inputs.run, inputs.run["spec"]
    tools = run_tools(inputs.policy, run)
    mcp = mcp_servers(inputs)
    skills = without_memory(_attached(inputs.skills, tools), inputs, tools)
    if inputs.mcp_skill is not None and mcp:
        skills = (*skills, inputs.mcp_skill)
    served = tuple(skill for skill in skills if is_served(skill, inputs.sandbox))
    identities = tuple(found for skill in served if (found := identity(skill, run["metadata"]["namespace"])))
    opened, closed = egress(inputs.policy, inputs.addresses) if "egress" in inputs.sandbox.features else ((), ())
    pod = _pod(inputs, skills, identities, opened)
    if mcp:
        pod = with_servers(pod, mcp)
    return RunPlan(
        uid=run["metadata"]["uid"],
        namespace=run["metadata"]["namespace"],
        name=run["metadata"]["name"],
        instance=spec["instanceRef"],
        task=spec["task"],
        system_prompt=spec.get("systemPrompt") or inputs.instance["spec"].get("systemPrompt") or DEFAULT_PROMPT,
        model=model_of(run, inputs.instance),
        tools=tools,
        native_tools=_native_tools(inputs, tools),
        servers=tuple(ToolServer(skill.name, declared_tools(skill)) for skill in served),
        limits=limits_of(run, inputs.instance, inputs.policy),
        sandbox=inputs.sandbox.name,
        harness=inputs.harness.name,
        resumes="resume" in inputs.harness.abilities,
        pod=pod,
        identities=identities,
        hooks=hook_plans(inputs, pod, _within(Resources(), inputs.policy)),
        hook_identity=hook_identity(inputs),
        bridge_hooks=inputs.bridge_hooks,
        fetch=fetch_policy(inputs.policy, tools),
        private_models=inputs.policy.model_private or (),
        mcp=mcp,
        private_mcp=inputs.policy.mcp_private or (),
        prompt_sections=(section,) if (section := mcp_section(inputs)) else (),
        approvals=approvals_of(inputs.policy),
        notes=(
            *notes(inputs),
            *harness_notes(inputs.harness, run, inputs.sandbox),
            *memory_notes(inputs),
            *closed,
        ),
    )


def workspace_claim(uid: str) -> str:
    """Name of the PersistentVolumeClaim with the workspace of a run whose pods share one."""
    return f"run-{uid}"


def _attached(skills: tuple[SkillSource, ...], tools: ToolPolicy) -> tuple[SkillSource, ...]:
    """The skills whose servers start. The implicit shell is the last of `skills`, and left out where its one tool may never be called."""
    if tools.decide(Tool.EXECUTE_COMMAND).action != "deny":
        return skills
    return tuple(skill for skill in skills if skill.name != SHELL_SKILL)


def _native_tools(inputs: RunInputs, tools: ToolPolicy) -> tuple[str, ...]:
    """Those that the agent's program has, and whose every call the policy allows."""
    if "native-tools" not in inputs.harness.abilities:
        return ()
    return tuple(tool for tool in NATIVE_TOOLS if tools.decide(tool, UntoldCall()).action == "allow")


def _within(resources: Resources, policy: EffectivePolicy) -> Resources:
    """What is asked for was admitted; what is usual where nobody asks may be more than the policy lets a run have."""
    cpu = float(quantities.amount(policy.max_cpu)) if policy.max_cpu else resources.cpu
    memory = quantities.whole(policy.max_memory) if policy.max_memory else resources.memory
    return replace(resources, cpu=min(resources.cpu, cpu), memory=min(resources.memory, memory))


def _pod(
    inputs: RunInputs, skills: tuple[SkillSource, ...], identities: tuple[Identity, ...], opened: tuple[EgressRule, ...]
) -> PodPlan:
    run, instance, features = inputs.run, inputs.instance, inputs.sandbox.features
    resources = _within(amounts(resources_of(run, instance)), inputs.policy)
    containers = [
        Container("bridge", "bridge", command=inputs.bridge_command),
        agent_container(inputs.harness, inputs.sandbox, resources),
    ]
    containers += [sidecar(skill, inputs.sandbox, instance) for skill in skills if is_served(skill, inputs.sandbox)]
    texts = [
        SkillText(
            skill.name,
            text["name"],
            text.get("description") or "",
            text["content"],
            text.get("files") or {},
            text.get("binaryFiles") or {},
        )
        for skill in skills
        for text in skill.pack["spec"].get("skills") or []
    ]
    return PodPlan(
        containers=tuple(containers),
        skills=tuple(texts),
        namespace=run["metadata"]["namespace"],
        network="api" if identities else "bus",
        egress=opened,
        runtime_class=runtime_class(run, instance, inputs.policy) if "runtime-classes" in features else "",
        image_pull_secrets=_pull_secrets(run, instance) if "images" in features else (),
        node_selector=_node_selector(run, instance) if "node-selection" in features else {},
        memory=memory_of(inputs),
        workspace_claim=workspace_claim(run["metadata"]["uid"]) if "claims" in features and has_hooks(inputs) else "",
    )


def _pull_secrets(run: Mapping[str, Any], instance: Mapping[str, Any]) -> tuple[str, ...]:
    """The run's and its instance's, each once."""
    references = [*(run["spec"].get("imagePullSecrets") or ()), *(instance["spec"].get("imagePullSecrets") or ())]
    return tuple(dict.fromkeys(name for reference in references if (name := reference.get("name"))))


def _node_selector(run: Mapping[str, Any], instance: Mapping[str, Any]) -> Mapping[str, str]:
    """The run's model says where it can be asked; the instance's selector holds for what it leaves open."""
    own = (run["spec"].get("model") or {}).get("nodeSelector") or {}
    return {**(default_of(instance).get("nodeSelector") or {}), **own}


def _model_faults(inputs: RunInputs) -> list[Cause]:
    model = model_of(inputs.run, inputs.instance)
    instance = inputs.run["spec"]["instanceRef"]
    found = []
    if not model.provider:
        found.append(
            Cause("", f"neither the run nor instance {instance!r} names a provider", "set spec.provider.name on the instance")
        )
    if not model.model:
        found.append(
            Cause("", f"neither the run nor instance {instance!r} names a model", "set spec.provider.model on the instance")
        )
    return found
