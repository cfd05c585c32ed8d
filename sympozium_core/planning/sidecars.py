"""The containers that serve a run's skills, and what of a SkillPack the runtime at hand does not have."""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Mapping
from typing import Any

from sympozium_core.contracts.mount_places import TAKEN, is_free
from sympozium_core.contracts.plan import Container, DeclaredTool, Resources, SecretKey
from sympozium_core.contracts.sandbox import Feature
from sympozium_core.errors import Cause
from sympozium_core.names import (
    CORE_SERVERS,
    ENV_MEMORY_BACKEND,
    ENV_MEMORY_KB,
    ENV_SKILL_PACK,
    ENV_SKILL_TOOLS,
    MCP_SERVER,
    code_volume,
)
from sympozium_core.planning.host_access import host_access, host_faults, host_refusals
from sympozium_core.planning.identities import identity_faults
from sympozium_core.planning.images import admitted, why_not
from sympozium_core.planning.inputs import RunInputs, SandboxFacts, SkillSource
from sympozium_core.planning.mandatory import parts_of
from sympozium_core.planning.memory import backend_faults, memory_faults
from sympozium_core.resources import quantities

SECRETS = "/secrets"
"""Below it a skill finds its Secret, unless its pack names another place."""

_OWN_IMAGE = re.compile(r"sympozium/skill-([a-z0-9-]+):\S+")
"""What an installed package calls an image of Sympozium's that has more than Python; where it comes from, the installation says."""
_NEEDS: Mapping[str, Feature] = {"secretRef": "secrets", "rbac": "identities", "clusterRBAC": "identities"}


def is_served(skill: SkillSource, sandbox: SandboxFacts) -> bool:
    """Whether the skill has a tool server that this runtime can start; what has none is instructions only."""
    return _started_by(skill, sandbox) is not None


def sidecar(skill: SkillSource, sandbox: SandboxFacts, instance: Mapping[str, Any]) -> Container:
    """The container of a skill that `is_served`, for a run of the instance."""
    image, command = _started_by(skill, sandbox) or ("", ())
    code = skill.code if skill.module and not image and "images" in sandbox.features else ""
    declared = skill.sidecar
    variables = declared.get("env") or []
    env = {item["name"]: item.get("value") or "" for item in variables if not item.get("valueFrom")}
    env |= {skill_variable(key): value for key, value in skill.params.items()}
    env[ENV_SKILL_PACK] = skill.name
    if image and (tools := declared.get("tools")):
        env[ENV_SKILL_TOOLS] = json.dumps({"tools": tools}, ensure_ascii=False)
    if declared.get("mountMemory") and (most := (instance["spec"].get("memory") or {}).get("maxSizeKB")):
        env[ENV_MEMORY_KB] = str(most)
    if skill.backend is not None:
        env[ENV_MEMORY_BACKEND] = f"{skill.backend.name}={skill.backend.value}"
    return Container(
        container_name(skill.name),
        "skill",
        command=command,
        image=image,
        variant=_variant(skill) if not image else "",
        code=code,
        code_volume=code_volume(code, str(instance["metadata"].get("uid") or "")) if code else "",
        env=env,
        secret_env={
            item["name"]: _secret_key(item["valueFrom"]["secretKeyRef"]) for item in variables if item.get("valueFrom")
        },
        resources=amounts(declared.get("resources") or {}),
        workspace=declared.get("mountWorkspace") is not False,
        secret=declared.get("secretRef") or "",
        secret_path=posixpath.normpath(path) if (path := _secret_path(skill)) else "",
        memory=bool(declared.get("mountMemory")),
        host=host_access(skill),
        kubernetes=bool(declared.get("rbac") or declared.get("clusterRBAC")),
    )


def _secret_key(reference: Mapping[str, str]) -> SecretKey:
    return SecretKey(reference["name"], reference["key"])


def container_name(skill: str) -> str:
    return f"skill-{skill}"


def skill_variable(parameter: str) -> str:
    """``repo`` becomes ``SKILL_REPO``, as in the original."""
    return "SKILL_" + re.sub(r"[^A-Za-z0-9]", "_", parameter).upper()


def amounts(wanted: Mapping[str, str]) -> Resources:
    """``{cpu, memory}`` quantities over the usual ones."""
    resources: dict[str, float | int] = {}
    if wanted.get("cpu"):
        resources["cpu"] = float(quantities.amount(wanted["cpu"]))
    if wanted.get("memory"):
        resources["memory"] = quantities.whole(wanted["memory"])
    return Resources(**resources)  # type: ignore[arg-type]  # each value has its field's type


def declared_tools(skill: SkillSource) -> tuple[DeclaredTool, ...]:
    return tuple(
        DeclaredTool(
            name=tool["name"],
            description=tool.get("description") or "",
            parameters=tool.get("parameters") or {"type": "object", "properties": {}},
            exec=tuple(tool["exec"]),
            subcommand=tool.get("subcommand") or "",
            input_mode=tool.get("inputMode") or "args",
            positional_args=tuple(tool.get("positionalArgs") or ()),
        )
        for tool in skill.sidecar.get("tools") or []
    )


def skill_faults(inputs: RunInputs) -> list[Cause]:
    """Why a skill of the run cannot be had here."""
    found = [
        Cause(
            "spec.skills",
            f"skill {name!r} is neither a SkillPack in this namespace or the system's nor an installed package",
            "apply its SkillPack, or pip install its package",
        )
        for name in inputs.missing_skills
    ]
    found += [
        Cause("spec.skills", f"{skill.name!r} is the name of a tool server of the core's own", "give the skill another name")
        for skill in inputs.skills
        if skill.name in (*CORE_SERVERS, MCP_SERVER)
    ]
    found += backend_faults(inputs)
    for skill in inputs.skills:
        found += _start_faults(skill, inputs.sandbox)
        found += _missing_features(skill, inputs.sandbox)
        if skill.asked_for:
            found += memory_faults(skill, inputs)
        found += host_faults(skill, inputs.sandbox)
        if "identities" in inputs.sandbox.features:
            found += identity_faults(skill)
        if "secrets" in inputs.sandbox.features:
            found += _secret_faults(skill)
    return found


def skill_refusals(inputs: RunInputs) -> list[Cause]:
    """What of the run's skills its policy does not let it have."""
    return [*_image_refusals(inputs), *(cause for skill in inputs.skills for cause in host_refusals(skill, inputs.policy))]


def _image_refusals(inputs: RunInputs) -> list[Cause]:
    images = [(skill.name, (_started_by(skill, inputs.sandbox) or ("", ()))[0]) for skill in inputs.skills]
    return [
        Cause("spec.skills", *why_not(image, f"skill {skill!r}", policy))
        for policy in parts_of(inputs.policy)
        for skill, image in images
        if image and not admitted(image, policy)
    ]


def _started_by(skill: SkillSource, sandbox: SandboxFacts) -> tuple[str, tuple[str, ...]] | None:
    """Image (empty: the image of Sympozium's own skills, or none at all) and command line; None where nothing serves the skill here."""
    if "images" not in sandbox.features:
        return ("", skill.command) if skill.command else None
    if skill.module:
        # Without -P the directory that it starts in, where agents write, would come first on the path of imports.
        packaged = ("sympozium_core.sidecar.packaged", skill.code) if skill.code else ()
        return "", ("python3", "-P", "-m", *packaged, skill.module)
    image = skill.sidecar.get("image")
    return (image, tuple(skill.sidecar.get("command") or ())) if image else None


def _variant(skill: SkillSource) -> str:
    found = _OWN_IMAGE.fullmatch(str(skill.sidecar.get("image") or "")) if skill.module else None
    return found[1] if found else ""


def _start_faults(skill: SkillSource, sandbox: SandboxFacts) -> list[Cause]:
    if skill.sidecar.get("requiresServer"):
        what = f"skill {skill.name!r} needs a server run (sidecar.requiresServer), which this version does not have"
        return [Cause("spec.skills", what, "use a skill without")]
    if skill.problem:
        return [Cause("spec.skills", f"skill {skill.name!r} cannot be started from its package: {skill.problem}")]
    if not skill.sidecar or is_served(skill, sandbox):
        return []
    if not skill.sidecar.get("image"):
        hint = "install the skill's package where the control plane runs, or name an image in its SkillPack"
        return [
            Cause("spec.skills", f"skill {skill.name!r} has a sidecar, and neither an image nor a package that serves it", hint)
        ]
    return [
        Cause(
            "spec.skills",
            f"skill {skill.name!r} brings its tools only as container image {skill.sidecar.get('image')!r}, which needs a cluster",
            "install the skill's package, or run on a cluster",
        )
    ]


def _missing_features(skill: SkillSource, sandbox: SandboxFacts) -> list[Cause]:
    found = [
        Cause(
            "spec.skills",
            f"skill {skill.name!r} needs sidecar.{field}, which sandbox {sandbox.name!r} does not have",
            "run on a cluster",
        )
        for field, feature in _NEEDS.items()
        if skill.sidecar.get(field) and feature not in sandbox.features
    ]
    return found


def _secret_path(skill: SkillSource) -> str:
    name = skill.sidecar.get("secretRef")
    return (skill.sidecar.get("secretMountPath") or f"{SECRETS}/{name}") if name else ""


def _secret_faults(skill: SkillSource) -> list[Cause]:
    path = _secret_path(skill)
    if not path or is_free(path):
        return []
    return [
        Cause(
            "spec.skills",
            f"skill {skill.name!r} mounts its Secret at {path[:100]!r} (sidecar.secretMountPath)",
            f"an absolute path outside of {', '.join(TAKEN)}",
        )
    ]
