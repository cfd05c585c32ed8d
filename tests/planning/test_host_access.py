"""What of its node a skill may touch: by policy, by name, and in one container."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sympozium_core.contracts.plan import HostAccess, HostMount
from sympozium_core.errors import Refused
from sympozium_core.names import Reason
from sympozium_core.planning.inputs import RunInputs, SandboxFacts, SkillSource
from sympozium_core.planning.plan import make_plan

Make = Callable[..., RunInputs]
Skill = Callable[..., SkillSource]
NAMED = {"template": "Permissive", "sandboxPolicy": {"hostAccess": ["probe"]}}
PROC = {"hostPath": "/proc", "mountPath": "/host/proc"}


def refused(given: RunInputs, reason: str = Reason.INFRASTRUCTURE_ERROR) -> str:
    with pytest.raises(Refused) as caught:
        make_plan(given)
    assert caught.value.reason == reason
    return str(caught.value)


def test_a_skill_that_the_policy_names_has_it_in_its_container_alone(
    inputs: Make, cluster: SandboxFacts, a_skill: Skill
) -> None:
    asked = {"hostAccess": {"enabled": True, "runAsRoot": True, "mounts": [PROC]}}
    plan = make_plan(inputs(skills=(a_skill("probe", asked),), sandbox=cluster, policy=NAMED))
    assert [container.host for container in plan.pod.containers] == [
        None,
        None,
        HostAccess((HostMount("/proc", "/host/proc", True),), run_as_root=True),
    ]


@pytest.mark.parametrize("access", [{"enabled": False, "runAsRoot": True}, {"mounts": []}, {}])
def test_who_asks_for_nothing_needs_nothing(
    inputs: Make, cluster: SandboxFacts, a_skill: Skill, access: dict[str, Any]
) -> None:
    plan = make_plan(inputs(skills=(a_skill("probe", {"hostAccess": access}),), sandbox=cluster))
    assert plan.pod.containers[-1].host is None


@pytest.mark.parametrize("access", [{"enabled": True}, {"privileged": True}, {"mounts": [PROC]}])
def test_without_the_policys_word_nobody_has_it(
    inputs: Make, cluster: SandboxFacts, a_skill: Skill, access: dict[str, Any]
) -> None:
    said = refused(inputs(skills=(a_skill("probe", {"hostAccess": access}),), sandbox=cluster), Reason.POLICY_DENIED)
    assert "skill 'probe' asks for sidecar.hostAccess, and policy" in said
    assert "add probe to sandboxPolicy.hostAccess" in said
    other = {"template": "Permissive", "sandboxPolicy": {"hostAccess": ["other"], "allowHostMounts": True}}
    assert "does not name it" in refused(
        inputs(skills=(a_skill("probe", {"hostAccess": access}),), sandbox=cluster, policy=other), Reason.POLICY_DENIED
    )


@pytest.mark.parametrize("field", ["hostNetwork", "hostPID"])
def test_what_would_be_the_agents_too_nobody_has(inputs: Make, cluster: SandboxFacts, a_skill: Skill, field: str) -> None:
    said = refused(inputs(skills=(a_skill("probe", {"hostAccess": {field: True}}),), sandbox=cluster, policy=NAMED))
    assert f"sidecar.hostAccess.{field}" in said
    assert "would be the whole pod's" in said


def test_a_name_is_not_enough_for_a_pack_that_a_tenant_wrote(inputs: Make, cluster: SandboxFacts, a_skill: Skill) -> None:
    skill = a_skill("probe", {"hostAccess": {"runAsRoot": True}})
    skill.pack.setdefault("metadata", {})["namespace"] = "tenant"  # type: ignore[attr-defined]  # a dict
    said = refused(inputs(skills=(skill,), sandbox=cluster, policy=NAMED), Reason.POLICY_DENIED)
    assert "its SkillPack is one of namespace 'tenant'" in said


@pytest.mark.parametrize(
    "mount", [{"hostPath": "proc", "mountPath": "/host"}, {"hostPath": "/a/../b", "mountPath": "/host"}, {"hostPath": "/", "mountPath": "/ipc"}, {"hostPath": "/", "mountPath": "/"}]
)  # fmt: skip
def test_nothing_of_the_pods_own_is_covered(inputs: Make, cluster: SandboxFacts, a_skill: Skill, mount: dict[str, str]) -> None:
    skill = a_skill("probe", {"hostAccess": {"mounts": [mount]}})
    assert "(sidecar.hostAccess.mounts)" in refused(inputs(skills=(skill,), sandbox=cluster, policy=NAMED))


def test_this_machine_gives_none(inputs: Make, a_skill: Skill) -> None:
    skill = a_skill("probe", {"hostAccess": {"runAsRoot": True}})
    assert "which sandbox 'bubblewrap' does not have" in refused(inputs(skills=(skill,), policy=NAMED))
