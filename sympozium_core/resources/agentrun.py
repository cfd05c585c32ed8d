"""AgentRun: one execution of an agent, one task in, one answer out. Its spec never changes after creation, but for `cancel`.

Normal form: the v0.8.0 spelling. What else `spelling` brings into it: `agentRef` (to `instanceRef`), `input` (to `task`), `skills: [name]`
and `skillConfig` (to the `params` of each skill). In the status, `output`, `startTime` and `completionTime` say the same as `result`,
`startedAt` and `completedAt` (`spelling.mirrored` writes both).
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from sympozium_core.resources.conditions import Condition
from sympozium_core.resources.execution import (
    FreeForm,
    Lifecycle,
    LocalReference,
    RunAgentSandbox,
    RunLimits,
    RunSandbox,
    SkillReference,
    ToolPolicy,
)
from sympozium_core.resources.fields import Count, Duration, EnvironmentName, ObjectName, OptionalSecretName, Text, Time
from sympozium_core.resources.strictness import Loose, Resource, Strict


class RunModel(Strict):
    """A model for this run alone. Without `provider`, provider, address and key stay those of the instance."""

    provider: Text | None = None
    """Entry point name of the provider, such as ``openai``."""
    model: Text
    """The model's name at the provider, such as ``gpt-4o``."""
    auth_secret_ref: OptionalSecretName | None = None
    """The Secret with the provider's key; an empty string for a provider without one."""
    base_url: Annotated[Text | None, Field(alias="baseURL")] = None
    thinking: str | None = None
    node_selector: dict[str, str] = {}


class Parent(Strict):
    """The run that started this one."""

    run_name: ObjectName
    session_key: str
    spawn_depth: Count


class Requester(Strict):
    """Who asked for the run, as the API server authenticated them; written by admission."""

    username: str
    groups: list[str] = []


class AgentRunSpec(Strict):
    instance_ref: ObjectName
    """The SympoziumInstance that runs, in the same namespace."""
    task: Text
    """What the agent is to do."""
    agent_id: str = "default"
    session_key: str = ""
    """Free; runs of one conversation share it."""
    system_prompt: str | None = None
    """Instead of the instance's."""
    model: RunModel | None = None
    """Instead of the instance's."""
    skills: list[SkillReference] | None = None
    """Instead of the instance's; an empty list for none."""
    tool_policy: ToolPolicy | None = None
    """Narrows what the policy allows, never widens it."""
    timeout: Duration | None = None
    """Of the agent, from its start to its end; then the run fails with reason Timeout. Lifecycle hooks have time limits of their own."""
    limits: RunLimits | None = None
    """Then the run fails with reason BudgetExceeded. At most what the policy allows."""
    cleanup: Literal["delete", "keep"] = "delete"
    """Whether the run's pod goes when it ends, or stays for a look at it."""
    mode: Literal["task", "server"] = "task"
    cancel: bool = False
    """Ends the run within seconds; the only field that may change."""
    requested_by: Requester | None = None
    parent: Parent | None = None
    env: dict[EnvironmentName, str] = {}
    sandbox: RunSandbox | None = None
    agent_sandbox: RunAgentSandbox | None = None
    lifecycle: Lifecycle | None = None
    image_pull_secrets: list[LocalReference] = []


class TokenUsage(Loose):
    input_tokens: int
    output_tokens: int
    total_tokens: int
    tool_calls: int = 0
    duration_ms: int = 0


class EffectivePolicy(Loose):
    """The policy that was in force when the run was admitted; stays in force when the policy is deleted."""

    name: str | None = None
    digest: str | None = None


class HookStatus(Loose):
    """What became of a lifecycle hook."""

    name: str
    phase: str
    """``preRun`` or ``postRun``."""
    state: str
    """``Waiting``, ``Starting``, ``Running``, ``Succeeded``, ``Failed``, or ``Skipped`` for one that never started."""
    exit_code: int | None = None
    started_at: Time | None = None
    finished_at: Time | None = None
    reason: str | None = None
    """Of one that failed, from the closed list of `names.Reason`."""
    message: str | None = None
    """Its last words, or why it does not start."""


class AgentRunStatus(Loose):
    phase: str | None = None
    reason: str | None = None
    """Why the run ended, from the closed list of `names.Reason`."""
    message: str | None = None
    attempt: int | None = None
    pod: str | None = None
    """Id of the attempt's pod, and on a cluster the name of its Job."""
    pod_name: str | None = None
    """Under which name its runtime has that pod, once its agent works: on a cluster the Pod's own."""
    job_name: str | None = None
    queue_position: int | None = None
    """1 is next."""
    effective_policy: EffectivePolicy | None = None
    plan_digest: str | None = None
    harness: str | None = None
    """The program in the agent's container."""
    outcome: FreeForm | None = None
    """What has become of the agent, while postRun hooks run; told when they have ended."""
    hooks: list[HookStatus] | None = None
    """The lifecycle hooks, in the order in which they run."""
    result: str | None = None
    output: str | None = None
    error: str | None = None
    exit_code: int | None = None
    started_at: Time | None = None
    start_time: Time | None = None
    completed_at: Time | None = None
    completion_time: Time | None = None
    token_usage: TokenUsage | None = None
    trace_id: Annotated[str | None, Field(alias="traceID")] = None
    conditions: list[Condition] | None = None


class AgentRun(Resource):
    """One execution of an agent."""

    spec: AgentRunSpec
    status: AgentRunStatus | None = None
