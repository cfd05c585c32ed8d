"""The skills that come with Sympozium, as a run attaches them: on a cluster all can be had, embedded those without rights and Secrets; and what the
seeds and the manifests of release v0.8.0 attach is among them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest
import yaml

from sympozium_core.errors import Refused
from sympozium_core.planning.inputs import RunInputs, SandboxFacts, SkillSource
from sympozium_core.planning.plan import make_plan
from sympozium_core.resources.skill_folder import read_skill_folder
from sympozium_core.sidecar.interpreter import python_command

COMPAT = Path(__file__).parents[1] / "compat"
LATER = {"memory", "web-endpoint", "mcp-bridge"}
"""What brings no package of this kind: memory and web endpoints are the core's own."""
IMAGES = {
    "k8s-ops": "kubectl",
    "incident-response": "kubectl",
    "sre-observability": "kubectl",
    "github-gitops": "git",
    "software-dev": "git",
}
HERE = {"shell", "code-review", "llmfit"}

Make = Callable[..., RunInputs]


def bundled(name: str, **parameters: str) -> SkillSource:
    (point,) = entry_points(group="sympozium.skills", name=name)
    skill = point.load()()
    command = tuple(python_command(skill.module())) if skill.module() else ()
    return SkillSource(name, read_skill_folder(skill.folder()), parameters, command, skill.module())


NAMES = sorted({point.name for point in entry_points(group="sympozium.skills")} - {"mcp", "memory"})
"""Without `mcp`, which the core attaches itself, and `memory`, which needs an instance that has one."""


@pytest.mark.parametrize("name", NAMES)
def test_on_a_cluster_each_can_be_had(inputs: Make, cluster: SandboxFacts, name: str) -> None:
    skill = bundled(name)
    plan = make_plan(inputs(skills=(skill,), sandbox=cluster))
    rights = [identity.skill for identity in plan.identities]
    assert rights == ([name] if skill.sidecar.get("rbac") or skill.sidecar.get("clusterRBAC") else [])
    assert plan.pod.network == ("api" if rights else "bus")
    served = [container for container in plan.pod.containers if container.role == "skill"]
    assert [(container.image, container.variant) for container in served] == (
        [("", IMAGES.get(name, ""))] if skill.module else []
    )
    assert {text.pack for text in plan.pod.skills} == {name}


@pytest.mark.parametrize("name", sorted(HERE))
def test_embedded_those_can_be_had_that_need_nothing(inputs: Make, name: str) -> None:
    assert make_plan(inputs(skills=(bundled(name),))).pod.skills


@pytest.mark.parametrize("name", ["k8s-ops", "incident-response", "sre-observability"])
def test_embedded_a_skill_with_rights_is_refused_with_the_reason(inputs: Make, name: str) -> None:
    with pytest.raises(Refused) as refused:
        make_plan(inputs(skills=(bundled(name),)))
    assert all("RBAC" in cause.message or "rbac" in cause.message for cause in refused.value.causes)
    assert {cause.hint for cause in refused.value.causes} == {"run on a cluster"}


def attached(document: Any) -> Iterator[str]:
    """Names of skills, wherever a manifest has them."""
    if isinstance(document, dict):
        for item in document.get("skills") or () if not isinstance(document.get("skills"), str) else ():
            name = item if isinstance(item, str) else item.get("skillPackRef") if isinstance(item, dict) else None
            if name:
                yield name.removeprefix("skillpack-")
        for value in document.values():
            yield from attached(value)
    elif isinstance(document, list):
        for value in document:
            yield from attached(value)


def test_what_seeds_and_release_attach_is_here() -> None:
    manifests = [*COMPAT.glob("seeds/*.yaml"), *COMPAT.glob("v0.8.0/personas/*.yaml"), *COMPAT.glob("v0.8.0/samples/*.yaml")]
    wanted = {name for file in manifests for document in yaml.safe_load_all(file.read_text()) for name in attached(document)}
    assert {"k8s-ops", "sre-observability", "github-gitops", "llmfit", "code-review"} <= wanted
    assert sorted(wanted - LATER - set(NAMES)) == []


def test_the_seeds_parameters_narrow_the_rights(inputs: Make, cluster: SandboxFacts) -> None:
    plan = make_plan(inputs(skills=(bundled("k8s-ops", namespaces="payments,orders"),), sandbox=cluster))
    (identity,) = plan.identities
    assert (identity.namespaces, identity.cluster_rules) == (("payments", "orders"), ())
