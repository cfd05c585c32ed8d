"""RunPlan: everything that is decided about a run before anything of it starts, as frozen data.

Made by `sympozium_core.planning` (pure), changed by hooks through typed patches, rendered by a sandbox driver, read by the bridge. It has a
JSON form (`to_json`; back again: `plan_reading`), because the bridge gets its part over the bus and the status stamps its digest.
"""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

from sympozium_core.contracts.approvals import Approvals
from sympozium_core.contracts.fetching import FetchPolicy
from sympozium_core.contracts.mcp import McpServer
from sympozium_core.contracts.tool_policy import ToolPolicy
from sympozium_core.names import RUNNER

Role = Literal["agent", "bridge", "skill", "hook"]
Network = Literal["bus", "api", "api-only", "none"]
HookPhase = Literal["preRun", "postRun"]


def _no_items() -> Mapping[str, Any]:
    return MappingProxyType({})


@dataclass(frozen=True)
class Limits:
    """Bounds of one run. Seconds, bytes and counts."""

    timeout: float = 600.0
    max_turns: int = 50
    max_tool_calls: int = 200
    max_fetches: int = 100
    max_tokens: int = 2**31 - 1
    """Of questions and answers of all model calls together; as it stands, none to speak of."""
    context_bytes: int = 400_000
    """When the conversation grows beyond this, the runner replaces old tool results by placeholders."""
    tool_result_bytes: int = 8_000
    """What of one tool result reaches the model; the rest is cut and said to be."""
    result_bytes: int = 1_048_576
    """The answer of the run; a longer one is kept as an artifact with its head in the status."""
    max_attempts: int = 3


@dataclass(frozen=True)
class ModelRef:
    """Which model, by reference only: the gateway finds the endpoint and the key from the instance, the plan holds neither."""

    provider: str
    model: str
    base_url: str = ""
    secret: str = ""
    """Name of the Secret in the run's namespace; empty for a provider without a key."""


@dataclass(frozen=True)
class DeclaredTool:
    """A tool that a SkillPack declares for its sidecar (`sidecar.tools[]`)."""

    name: str
    description: str
    parameters: Mapping[str, Any] = field(default_factory=_no_items)
    exec: tuple[str, ...] = ()
    subcommand: str = ""
    input_mode: Literal["args", "stdin"] = "args"
    positional_args: tuple[str, ...] = ()


@dataclass(frozen=True)
class ToolServer:
    """A sidecar that serves tools over its own volume; in skill order, which decides who gets an untargeted call."""

    name: str
    declared: tuple[DeclaredTool, ...] = ()


@dataclass(frozen=True)
class Resources:
    cpu: float = 1.0
    """Cores."""
    memory: int = 512 * 1024 * 1024
    """Bytes."""
    processes: int = 256
    file_size: int = 1024 * 1024 * 1024
    """Bytes that one file may have."""


@dataclass(frozen=True)
class AccessRule:
    """What a skill's own identity may do with the Kubernetes API, as in a Role."""

    api_groups: tuple[str, ...]
    resources: tuple[str, ...]
    verbs: tuple[str, ...]
    resource_names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Identity:
    """A ServiceAccount of one run and one skill, with rights that live as long as the run. Its token reaches that skill's container alone."""

    skill: str
    """Empty: of the run's lifecycle hooks, all together."""
    rules: tuple[AccessRule, ...] = ()
    """Rights in each of `namespaces`."""
    cluster_rules: tuple[AccessRule, ...] = ()
    """Rights in the whole cluster."""
    namespaces: tuple[str, ...] = ()
    """Never empty where `rules` are: the run's own, or those that `skillConfig.<skill>.namespaces` narrows it to."""


@dataclass(frozen=True)
class EgressRule:
    """One destination beyond the event bus that the policy lists."""

    host: str
    """As the policy writes it: a name, an address or a CIDR."""
    cidrs: tuple[str, ...]
    """What the name stood for when the run was planned: pods have no DNS, so the name is an entry in their hosts file."""
    port: int | None = None
    """TCP; None: every port."""


@dataclass(frozen=True)
class SecretKey:
    """One value of a Secret in the pod's namespace."""

    secret: str
    key: str


@dataclass(frozen=True)
class HostMount:
    """A file or folder of the node that one container sees."""

    host_path: str
    mount_path: str
    read_only: bool = True


@dataclass(frozen=True)
class HostAccess:
    """What one container may touch of its node."""

    mounts: tuple[HostMount, ...] = ()
    run_as_root: bool = False
    privileged: bool = False


@dataclass(frozen=True)
class Container:
    name: str
    role: Role
    command: tuple[str, ...] = ()
    """Command line on this machine (embedded) or in the image; empty means the image's own."""
    args: tuple[str, ...] = ()
    """What follows the command, or the image's own."""
    image: str = ""
    variant: str = ""
    """Where no image is named: which of Sympozium's images for Python skills, such as ``kubectl``; empty: the plain one."""
    env: Mapping[str, str] = field(default_factory=_no_items)
    secret_env: Mapping[str, SecretKey] = field(default_factory=_no_items)
    """Further variables, whose values the runtime takes from Secrets."""
    code: str = ""
    """SHA-256 of the archive with the program that `command` runs; empty where the image has it."""
    code_volume: str = ""
    """The ConfigMap of the pod's namespace that holds it."""
    resources: Resources = Resources()
    workspace: bool = False
    """Sees the run's /workspace."""
    skills: bool = False
    """Sees /skills, read-only."""
    secret: str = ""
    """A Secret of the pod's namespace that this container alone sees, read-only, below `secret_path`."""
    secret_path: str = ""
    memory: bool = False
    """Sees the instance's memory, at `names.MEMORY_FOLDER`."""
    host: HostAccess | None = None
    kubernetes: bool = False
    """Gets a Kubernetes token of its own at the usual place, once the run's identities exist: from the bridge, or from Kubernetes itself where
    the pod has an `account`."""


@dataclass(frozen=True)
class SkillText:
    """Instructions for the model, mounted read-only below ``/skills``."""

    pack: str
    name: str
    description: str
    content: str
    files: Mapping[str, str] = field(default_factory=_no_items)
    """What they refer to, by its path beside them."""
    binary_files: Mapping[str, str] = field(default_factory=_no_items)
    """The same in base64."""

    @property
    def path(self) -> str:
        """Where the instructions are, below ``/skills``."""
        alone = not self.files and not self.binary_files
        return f"{self.pack}/{self.name}.md" if alone else f"{self.pack}/{self.name}/SKILL.md"

    def written(self) -> Iterator[tuple[str, bytes, bool]]:
        """Every file with its path below ``/skills``, its content, and whether it is a program."""
        yield self.path, self.content.encode("utf-8", "replace"), False
        for name, text in self.files.items():
            yield f"{self.pack}/{self.name}/{name}", text.encode("utf-8", "replace"), text.startswith("#!")
        for name, encoded in self.binary_files.items():
            data = base64.b64decode(encoded)
            yield f"{self.pack}/{self.name}/{name}", data, data.startswith((b"#!", b"\x7fELF"))


@dataclass(frozen=True)
class PodPlan:
    """What a sandbox driver needs: for an agent's pod nothing of the run itself, so that it may be started before its run is known; or the pod of a
    hook, which has one container of that role, no bridge, and is its run's alone."""

    containers: tuple[Container, ...]
    skills: tuple[SkillText, ...] = ()
    namespace: str = ""
    """Where the pod lives; a runtime without namespaces keeps it apart by nothing but its id."""
    network: Network = "bus"
    """What the pod reaches besides `egress`: ``bus``, the event bus and nothing else; ``api``, the Kubernetes API server too; ``api-only``, that
    alone; ``none``, nothing."""
    egress: tuple[EgressRule, ...] = ()
    runtime_class: str = ""
    image_pull_secrets: tuple[str, ...] = ()
    node_selector: Mapping[str, str] = field(default_factory=_no_items)
    memory: str = ""
    """By what the runtime knows the instance's memory: a PersistentVolumeClaim, whose pods are kept on one node where it can be mounted on only
    one; on one machine the instance's UID. Empty for a pod without."""
    workspace_claim: str = ""
    """PersistentVolumeClaim that is /workspace, for a run whose pods share it; empty: a volume that goes with the pod, or that `workspace_of` hands on."""
    account: str = ""
    """ServiceAccount whose token Kubernetes mounts into the containers that have `kubernetes`; empty for a pod whose bridge hands tokens out."""

    @property
    def digest(self) -> str:
        """Equal for pods that may stand in for each other."""
        return digest(to_json(self))


@dataclass(frozen=True)
class HookPlan:
    """A lifecycle hook: a program of its user's that runs before or after the agent, once a run, in a pod of its own."""

    name: str
    phase: HookPhase
    timeout: float
    """Seconds from the start of its container."""
    pod: PodPlan


@dataclass(frozen=True)
class RunPlan:
    uid: str
    namespace: str
    name: str
    instance: str
    task: str
    system_prompt: str
    model: ModelRef
    tools: ToolPolicy
    native_tools: tuple[str, ...]
    """Native tools on offer, after the policy."""
    servers: tuple[ToolServer, ...]
    limits: Limits
    sandbox: str
    """Entry point name of the sandbox driver."""
    pod: PodPlan
    harness: str = RUNNER
    """Entry point name of the program in the agent's container, or the core's own."""
    resumes: bool = True
    """That program goes on with the conversation of an earlier attempt; else it begins again, and is answered from the record."""
    prompt_sections: tuple[str, ...] = ()
    """What hooks add to the system prompt, in order of the plugins' names."""
    identities: tuple[Identity, ...] = ()
    """Of the skills that declare rights; at most one a skill."""
    hooks: tuple[HookPlan, ...] = ()
    """In the order in which they run; no concern of the agent's pod."""
    hook_identity: Identity | None = None
    """Of the hooks, where the lifecycle declares rights."""
    bridge_hooks: tuple[str, ...] = ()
    """Entry points (``module:attribute``) of the hook plugins that the bridge loads."""
    fetch: FetchPolicy | None = None
    """What the gateway may fetch for the run; None: nothing, and the tool is not offered."""
    private_models: tuple[str, ...] = ()
    """CIDRs beside the public addresses at which its model may be asked."""
    mcp: tuple[McpServer, ...] = ()
    """Its MCP servers, all behind the tool server `names.MCP_SERVER`."""
    private_mcp: tuple[str, ...] = ()
    """CIDRs beside the public addresses at which they may be asked."""
    approvals: Approvals = field(default_factory=Approvals)
    """Of the calls for which `tools` says ask."""
    notes: tuple[str, ...] = ()
    """What the user should know: a field that does not act in this place, a promise that this sandbox cannot keep."""


def to_json(value: Any) -> Any:
    """Any of the dataclasses above as JSON data."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: to_json(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, tuple | list):
        return [to_json(item) for item in value]
    if isinstance(value, Mapping):
        return {key: to_json(item) for key, item in value.items()}
    return value


def digest(value: Any) -> str:
    """SHA-256 of the canonical JSON form, 16 hex digits: enough to tell plans apart, short enough to read."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
