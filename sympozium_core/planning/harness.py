"""The program in the agent's container: which one an instance names, whether it can be had here, and what of a run it leaves undone. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sympozium_core.contracts.harness import Ability
from sympozium_core.contracts.plan import Container, Resources
from sympozium_core.errors import Cause
from sympozium_core.names import NATIVE_TOOLS, RUNNER
from sympozium_core.planning.images import admitted, why_not
from sympozium_core.planning.inputs import HarnessSource, SandboxFacts
from sympozium_core.planning.mandatory import parts_of
from sympozium_core.planning.policy import EffectivePolicy

_WITHOUT: Mapping[Ability, str] = {
    "context": "does not shorten its conversation: a long run may end when the model takes no more",
    "native-tools": "has no file tools of its own: the agent is not offered them",
}
"""What it means for every run that an ability is missing; what is missing and changes nothing for a run is not said."""


def harness_name(instance: Mapping[str, Any]) -> str:
    """Of an instance in normal form."""
    return instance["spec"].get("harness") or RUNNER


def harness_faults(harness: HarnessSource, sandbox: SandboxFacts) -> list[Cause]:
    """Why the agent's program cannot be had here."""
    if harness.problem:
        return [Cause("", f"the instance's harness {harness.name!r} cannot be used: {harness.problem}", harness.hint)]
    if harness.name == RUNNER:
        return []
    if sandbox.on_this_machine:
        if harness.command:
            return []
        brings = f"only as container image {harness.image!r}, which needs a cluster" if harness.image else "in no way at all"
        hint = "name another harness in spec.harness of the instance, or run on a cluster"
        return [Cause("", f"the instance's harness {harness.name!r} brings its program {brings}", hint)]
    if harness.image:
        return []
    hint = "name another harness in spec.harness of the instance, or run embedded"
    return [Cause("", f"the instance's harness {harness.name!r} has no container image, and can only run embedded", hint)]


def harness_denials(harness: HarnessSource, policy: EffectivePolicy, sandbox: SandboxFacts) -> list[Cause]:
    """What policies do not let be: its image, where images are started."""
    if sandbox.on_this_machine or not harness.image:
        return []
    return [
        Cause("", *why_not(harness.image, f"the instance's harness {harness.name!r}", part))
        for part in parts_of(policy)
        if not admitted(harness.image, part)
    ]


def agent_container(harness: HarnessSource, sandbox: SandboxFacts, resources: Resources) -> Container:
    """The container of a harness that has no faults."""
    image = "" if sandbox.on_this_machine else harness.image
    command = harness.image_command if image else harness.command
    return Container("agent", "agent", command=command, image=image, resources=resources, workspace=True, skills=True)


def harness_notes(harness: HarnessSource, run: Mapping[str, Any], sandbox: SandboxFacts) -> list[str]:
    """What the user should know."""
    found = [f"harness {harness.name} {because}" for ability, because in _WITHOUT.items() if ability not in harness.abilities]
    asked = (run["spec"].get("toolPolicy") or {}).get("allow") or ()
    if "native-tools" not in harness.abilities and (wanted := [tool for tool in NATIVE_TOOLS if tool in asked]):
        found.append(f"the run asks for {', '.join(wanted)}, which harness {harness.name} does not have")
    if "resume" not in harness.abilities and not sandbox.keeps_workspace:
        found.append(
            f"harness {harness.name} begins again when its pod is lost, and is not told that files in /workspace are gone"
        )
    return found
