"""What planning reads, gathered beforehand by whoever has a cluster: plain data, so that planning stays a pure function."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sympozium_core.contracts.harness import Ability
from sympozium_core.contracts.plan import ModelRef
from sympozium_core.contracts.sandbox import Feature, Promise
from sympozium_core.planning.policy import EffectivePolicy


@dataclass(frozen=True)
class MemoryBackend:
    """What is to keep an instance's notes: an installed package's, or the reason why there is none."""

    name: str
    value: str = ""
    """Of its entry point: ``module:Class``."""
    problem: str = ""
    hint: str = ""

    @property
    def module(self) -> str:
        return self.value.partition(":")[0]


@dataclass(frozen=True)
class SkillSource:
    """A skill that a run attaches, found as a SkillPack resource or an installed package."""

    name: str
    pack: Mapping[str, Any]
    """The SkillPack in normal form."""
    params: Mapping[str, str]
    command: tuple[str, ...] = ()
    """How an installed package starts its tool server on this machine; empty for none."""
    module: str = ""
    """Python module of that tool server in the image of Sympozium's skills; empty where the pack's own image is meant."""
    code: str = ""
    """SHA-256 of the archive that the module is in, where that image does not have it."""
    problem: str = ""
    """Why the module can be had neither way."""
    backend: MemoryBackend | None = None
    """Of the skill that serves the memory of a run which has one."""
    asked_for: bool = True
    """False for one that every run has, or every run of its instance."""

    @property
    def modules(self) -> tuple[str, ...]:
        """What its tool server imports, as far as that is not for every skill: its own module, and that of the backend."""
        backend = self.backend.module if self.backend is not None else ""
        return tuple(module for module in (self.module, backend) if module)

    @property
    def sidecar(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.pack["spec"].get("sidecar") or {}
        return found


@dataclass(frozen=True)
class McpSource:
    """An MCP server that the run's instance lists."""

    binding: Mapping[str, Any]
    """The entry of `mcpServers` in normal form."""
    server: Mapping[str, Any] | None = None
    """The MCPServer of that name; None where there is none, or the entry has a URL of its own."""


@dataclass(frozen=True)
class HarnessSource:
    """The program that the run's instance has in the agent's container."""

    name: str
    abilities: frozenset[Ability] = frozenset()
    command: tuple[str, ...] = ()
    """How it is started where no image is: on this machine, or, of the core's own runner, in the runner's image; empty for one that is an image only."""
    image: str = ""
    image_command: tuple[str, ...] = ()
    problem: str = ""
    """Why it cannot be had at all."""
    hint: str = ""
    """What to do about the problem."""


@dataclass(frozen=True)
class SandboxFacts:
    """The runtime that would hold the run."""

    name: str
    promises: frozenset[Promise]
    features: frozenset[Feature] = frozenset()
    keeps_workspace: bool = True
    """A later attempt goes on with the /workspace of the one before."""

    @property
    def on_this_machine(self) -> bool:
        """Runs are processes beside the control plane, which has no other machine: what starts images is a cluster's."""
        return "images" not in self.features


@dataclass(frozen=True)
class RunInputs:
    """`run` and `instance` are whole objects in normal form."""

    run: Mapping[str, Any]
    instance: Mapping[str, Any]
    policy: EffectivePolicy
    sandbox: SandboxFacts
    harness: HarnessSource
    skills: tuple[SkillSource, ...] = ()
    missing_skills: tuple[str, ...] = ()
    mcp: tuple[McpSource, ...] = ()
    mcp_skill: SkillSource | None = None
    """What speaks to them; None where it is not installed."""
    bridge_command: tuple[str, ...] = ()
    bridge_hooks: tuple[str, ...] = ()
    """Entry points of the installed plugins that the bridge loads, sorted by name."""
    addresses: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """What the names among the policy's `allowed_egress` stand for now (`egress.names_in` says which); none for one that is nowhere."""


def default_of(instance: Mapping[str, Any]) -> Mapping[str, Any]:
    """``spec.agents.default`` of an instance."""
    found: Mapping[str, Any] = (instance["spec"].get("agents") or {}).get("default") or {}
    return found


def skill_refs(run: Mapping[str, Any], instance: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The skills of a run in order: its own (an empty list is none), else its instance's."""
    own = run["spec"].get("skills")
    return list(own if own is not None else instance["spec"].get("skills") or [])


def model_of(run: Mapping[str, Any], instance: Mapping[str, Any]) -> ModelRef:
    """The run's model, field by field falling back on the instance's. The first authRef counts."""
    own = run["spec"].get("model") or {}
    default = default_of(instance)
    auth = (instance["spec"].get("authRefs") or [{}])[0]
    provider = own.get("provider") or auth.get("provider") or ""
    same_provider = not own.get("provider") or own["provider"] == auth.get("provider")
    return ModelRef(
        provider=provider,
        model=own.get("model") or default.get("model") or "",
        base_url=own.get("baseURL") or ((default.get("baseURL") or "") if same_provider else ""),
        secret=own.get("authSecretRef") or ((auth.get("secret") or "") if same_provider else ""),
    )
