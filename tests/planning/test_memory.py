"""Which runs have their instance's memory, and what is said of those that ask for it in vain."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from sympozium_core.contracts.sandbox import ALL_PROMISES
from sympozium_core.errors import Refused
from sympozium_core.planning.inputs import MemoryBackend, RunInputs, SandboxFacts, SkillSource
from sympozium_core.planning.plan import make_plan

Make = Callable[..., RunInputs]
LOCAL = SandboxFacts("bubblewrap", ALL_PROMISES, frozenset(("secrets", "memory")))
PACK = {"spec": {"skills": [], "sidecar": {"mountMemory": True, "mountWorkspace": False}}}
SKILL = SkillSource("memory", PACK, {}, ("python3", "-m", "memory"), "memory", asked_for=False)
MEMORY = {"memory": {"enabled": True, "maxSizeKB": 64}}
LINES = MemoryBackend("lines", "acme_lines.notes:Lines")


def containers(given: RunInputs) -> list[str]:
    return [container.name for container in make_plan(given).pod.containers]


def test_its_sidecar_alone_sees_it_and_knows_its_size(inputs: Make) -> None:
    given = inputs(skills=(SKILL,), instance=MEMORY, sandbox=LOCAL)
    given.instance["metadata"]["uid"] = "4711"
    pod = make_plan(given).pod
    assert [container.name for container in pod.containers if container.memory] == ["skill-memory"]
    assert pod.containers[-1].env["SYMPOZIUM_MEMORY_KB"] == "64"
    assert pod.memory == "4711"


def test_on_a_cluster_it_is_a_claim(inputs: Make, cluster: SandboxFacts) -> None:
    pod = make_plan(inputs(skills=(SKILL,), instance=MEMORY, sandbox=cluster)).pod
    assert pod.memory == "agent-memory"


def test_a_policy_that_lets_none_of_its_tools_be_called_leaves_it_out(inputs: Make) -> None:
    rules = [{"tool": "memory_*", "action": "deny"}]
    policy = {"template": "Permissive", "toolGating": {"rules": rules}}
    assert "skill-memory" not in containers(inputs(skills=(SKILL,), instance=MEMORY, sandbox=LOCAL, policy=policy))
    rules.insert(0, {"tool": "memory_search", "action": "allow"})
    assert "skill-memory" in containers(inputs(skills=(SKILL,), instance=MEMORY, sandbox=LOCAL, policy=policy))


@pytest.mark.parametrize("reason", ["NoStorageClass", "NetworkFileSystem", "ClaimRefused", "VolumeLost"])
def test_a_run_starts_without_a_memory_that_has_no_place_and_says_so(inputs: Make, cluster: SandboxFacts, reason: str) -> None:
    given = inputs(skills=(SKILL,), instance=MEMORY, sandbox=cluster)
    status = {"conditions": [{"type": "MemoryReady", "status": "False", "reason": reason, "message": "no place"}]}
    plan = make_plan(replace(given, instance={**given.instance, "status": status}))
    assert plan.pod.memory == ""
    assert "skill-memory" not in [container.name for container in plan.pod.containers]
    assert "the run has no memory: no place" in plan.notes


def test_a_claim_that_waits_for_its_volume_is_waited_for(inputs: Make, cluster: SandboxFacts) -> None:
    given = inputs(skills=(SKILL,), instance=MEMORY, sandbox=cluster)
    status = {"conditions": [{"type": "MemoryReady", "status": "False", "reason": "Pending", "message": "soon"}]}
    assert make_plan(replace(given, instance={**given.instance, "status": status})).pod.memory == "agent-memory"


def test_without_the_package_it_is_said(inputs: Make) -> None:
    assert "the run has no memory: no skill 'memory' is installed" in make_plan(inputs(instance=MEMORY, sandbox=LOCAL)).notes


@pytest.mark.parametrize(
    ("instance", "sandbox", "said"),
    [
        ({}, LOCAL, r"instance 'agent' has none \(set spec.memory: \{enabled: true\} on the instance\)"),
        ({"memory": {"enabled": False}}, LOCAL, "instance 'agent' has none"),
        (MEMORY, SandboxFacts("other", ALL_PROMISES), "sandbox 'other' has no place for it"),
    ],
)
def test_who_asks_for_it_by_name_and_cannot_have_it_is_told(
    inputs: Make, instance: dict[str, Any], sandbox: SandboxFacts, said: str
) -> None:
    with pytest.raises(Refused, match=said):
        make_plan(inputs(skills=(replace(SKILL, asked_for=True),), instance=instance, sandbox=sandbox))


def test_its_sidecar_is_told_which_backend_keeps_the_notes(inputs: Make) -> None:
    pod = make_plan(inputs(skills=(replace(SKILL, backend=LINES),), instance=MEMORY, sandbox=LOCAL)).pod
    told = {container.name: container.env.get("SYMPOZIUM_MEMORY_BACKEND") for container in pod.containers}
    assert told == {"bridge": None, "agent": None, "skill-memory": "lines=acme_lines.notes:Lines"}


def test_a_backend_that_cannot_be_had_is_named_with_those_that_can(inputs: Make) -> None:
    missing = MemoryBackend(
        "lines", problem="no plugin named 'lines' is installed; installed: sqlite", hint="pip install PACKAGE"
    )
    with pytest.raises(Refused) as refused:
        make_plan(inputs(skills=(replace(SKILL, backend=missing),), instance=MEMORY, sandbox=LOCAL))
    (cause,) = refused.value.causes
    assert str(cause) == (
        "spec.memory.backend: the memory of instance 'agent': no plugin named 'lines' is installed; installed: sqlite (pip install PACKAGE)"
    )


def test_a_pack_with_an_image_of_its_own_cannot_be_given_a_backend(inputs: Make, cluster: SandboxFacts) -> None:
    pack = {"spec": {"skills": [], "sidecar": {"image": "acme/memory:1", "mountMemory": True}}}
    of_an_image = replace(SKILL, pack=pack, module="", backend=LINES)
    assert "skill-memory" in containers(inputs(skills=(of_an_image,), instance=MEMORY, sandbox=cluster))
    named = {"memory": {**MEMORY["memory"], "backend": "lines"}}
    with pytest.raises(
        Refused, match=r"spec.memory.backend: instance 'agent' names backend 'lines', and its SkillPack 'memory' is of"
    ):
        make_plan(inputs(skills=(of_an_image,), instance=named, sandbox=cluster))
    assert "skill-memory" in containers(inputs(skills=(of_an_image,), instance=named, sandbox=LOCAL)), (
        "the package serves it here"
    )
