"""PersonaPack: a team of agents that is installed and removed as one.

Normal form: the v0.8.0 spelling. What else `spelling` brings into it: `agentConfigs` (to `personas`) and `policy` (to `policyRef`). The
`skills` of a persona are names in every spelling; their parameters are the pack's `skillParams`.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from sympozium_core.resources.conditions import Condition
from sympozium_core.resources.execution import AccessControl, AgentSandbox, Lifecycle, ToolPolicy
from sympozium_core.resources.fields import CronLine, Duration, LabelName, ObjectName, SecretName, Text
from sympozium_core.resources.instance import AuthReference
from sympozium_core.resources.strictness import Loose, Resource, Strict


class PersonaSchedule(Strict):
    """When the persona works on its own: by `cron`, or each `interval`; `cron` wins where both are given."""

    type: Literal["heartbeat", "scheduled", "sweep"] = "heartbeat"
    interval: Duration | None = None
    cron: CronLine | None = None
    task: Text


class PersonaMemory(Strict):
    enabled: bool = True
    seeds: list[Text] = []
    """What the agent remembers from its first run on."""


class PersonaWebEndpoint(Strict):
    enabled: bool
    hostname: str | None = None


class Persona(Strict):
    """One agent of the team; becomes the SympoziumInstance ``<pack>-<name>``."""

    name: LabelName
    display_name: str | None = None
    system_prompt: Text
    model: Text | None = None
    skills: list[ObjectName] = []
    """Names of SkillPacks."""
    tool_policy: ToolPolicy | None = None
    schedule: PersonaSchedule | None = None
    memory: PersonaMemory | None = None
    channels: list[Text] = []
    """Types of channels; their Secrets are the pack's `channelConfigs`."""
    web_endpoint: PersonaWebEndpoint | None = None
    lifecycle: Lifecycle | None = None


class PersonaPackSpec(Strict):
    personas: list[Persona]
    enabled: bool = False
    """Whether the team works; otherwise the pack is an entry of the catalogue."""
    description: str | None = None
    category: str | None = None
    version: str | None = None
    auth_refs: list[AuthReference] = []
    policy_ref: ObjectName | None = None
    base_url: Annotated[Text | None, Field(alias="baseURL")] = None
    exclude_personas: list[str] = []
    skill_params: dict[str, dict[str, str]] = {}
    """Parameters of each SkillPack, by its name."""
    task_override: str | None = None
    """The team's objective, put before the task of every schedule."""
    channel_configs: dict[str, SecretName] = {}
    """The Secret of each type of channel."""
    channel_access_control: dict[str, AccessControl] = {}
    agent_sandbox: AgentSandbox | None = None


class InstalledPersona(Loose):
    name: str
    instance_name: str
    schedule_name: str | None = None


class PersonaPackStatus(Loose):
    phase: str | None = None
    persona_count: int | None = None
    installed_count: int | None = None
    installed_personas: list[InstalledPersona] | None = None
    conditions: list[Condition] | None = None


class PersonaPack(Resource):
    """A team of agents."""

    spec: PersonaPackSpec
    status: PersonaPackStatus | None = None
