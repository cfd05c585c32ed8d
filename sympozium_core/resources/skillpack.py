"""SkillPack: instructions for the model, and the sidecar whose tools they speak of. One spelling only: v0.8.0's, and `sidecar.tools`."""

from __future__ import annotations

import base64
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from sympozium_core.resources.conditions import Condition
from sympozium_core.resources.execution import AccessRule, FreeForm
from sympozium_core.resources.faults import Fault
from sympozium_core.resources.fields import (
    EnvironmentName,
    FileName,
    LabelName,
    Port,
    Quantity,
    RelativePath,
    SecretName,
    Text,
    ToolName,
)
from sympozium_core.resources.strictness import Loose, Resource, Strict

MAX_DESCRIPTION = 2048


class Requirements(Strict):
    """What the instructions take for granted; shown to people, not checked."""

    bins: list[str] = []
    tools: list[str] = []


def _base64(text: str) -> str:
    try:
        base64.b64decode(text, validate=True)
    except ValueError as error:
        raise Fault("is not base64", "what `base64 -w0 FILE` prints") from error
    return text


class Skill(Strict):
    """Instructions, mounted as ``/skills/<pack>/<name>.md``, or with files of their own as ``/skills/<pack>/<name>/SKILL.md``."""

    name: FileName
    description: str = ""
    content: Text
    """Markdown."""
    files: dict[RelativePath, str] = {}
    """What the instructions refer to, by its path beside them: references, scripts, templates. One that begins with ``#!`` can be executed."""
    binary_files: dict[RelativePath, Annotated[str, AfterValidator(_base64)]] = {}
    """The same for what is no text, in base64."""
    requires: Requirements | None = None


class RuntimeRequirements(Strict):
    image: str | None = None
    sandbox: bool | None = None
    min_memory: Quantity | None = None
    min_cpu: Annotated[Quantity | None, Field(alias="minCPU")] = None


class HostMount(Strict):
    host_path: Text
    mount_path: Text
    read_only: bool = True


class HostAccess(Strict):
    """What of the node the sidecar may touch."""

    enabled: bool | None = None
    host_network: bool | None = None
    host_pid: Annotated[bool | None, Field(alias="hostPID")] = None
    privileged: bool | None = None
    run_as_root: bool | None = None
    mounts: list[HostMount] = []


class ContainerPort(Strict):
    name: LabelName
    container_port: Port
    protocol: str | None = None


class SidecarResources(Strict):
    """Requests and limits alike."""

    cpu: Quantity | None = None
    memory: Quantity | None = None


class SidecarTool(Strict):
    """A tool that is offered to the model by itself, and run as a command line in the sidecar."""

    name: ToolName
    description: Annotated[Text, Field(max_length=MAX_DESCRIPTION)]
    exec: Annotated[list[str], Field(min_length=1)]
    """Command and its first arguments."""
    subcommand: str = ""
    input_mode: Literal["args", "stdin"] = "args"
    """How the arguments reach the command: as flags, or as JSON on standard input."""
    positional_args: list[str] = []
    """Parameters that are given without a flag, in this order."""
    parameters: FreeForm = {}
    """JSON Schema of the arguments."""


class SecretKeyReference(Strict):
    name: SecretName
    key: Text


class VariableSource(Strict):
    secret_key_ref: SecretKeyReference


class SidecarVariable(Strict):
    """A variable of the sidecar's environment: its `value`, or one of a Secret's."""

    name: EnvironmentName
    value: str | None = None
    value_from: VariableSource | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if self.value is not None and self.value_from is not None:
            raise Fault(f"{self.name} has both value and valueFrom", "keep one")
        return self


class Sidecar(Strict):
    """The container that serves the skill's tools."""

    image: Text | None = None
    """Not needed for a skill that an installed package serves."""
    command: list[str] = []
    env: list[SidecarVariable] = []
    mount_workspace: bool = True
    mount_memory: bool = False
    """Sees the memory of the instance, at ``/memory``."""
    resources: SidecarResources | None = None
    rbac: list[AccessRule] = []
    """Rights in the run's namespace, for as long as the run lasts."""
    cluster_rbac: Annotated[list[AccessRule], Field(alias="clusterRBAC")] = []
    """Rights in the whole cluster, for as long as the run lasts."""
    secret_ref: SecretName | None = None
    secret_mount_path: str | None = None
    host_access: HostAccess | None = None
    requires_server: bool = False
    ports: list[ContainerPort] = []
    tools: list[SidecarTool] = []


class SkillPackSpec(Strict):
    skills: list[Skill]
    category: str | None = None
    source: str | None = None
    version: str | None = None
    runtime_requirements: RuntimeRequirements | None = None
    sidecar: Sidecar | None = None


class SkillPackStatus(Loose):
    phase: str | None = None
    config_map_name: str | None = None
    skill_count: int | None = None
    conditions: list[Condition] | None = None


class SkillPack(Resource):
    """Instructions for the model, and the tools that they speak of."""

    spec: SkillPackSpec
    status: SkillPackStatus | None = None
