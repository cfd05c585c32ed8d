"""The package as the control plane sees it: the rights that it asks for, and the tools that it speaks of."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import entry_points

from sympozium_skill_k8s_ops import K8sOpsSkill

from sympozium_core.planning.identities import identity
from sympozium_core.planning.inputs import SkillSource
from sympozium_core.resources.skill_folder import read_skill_folder
from sympozium_core.testing.tool_client import ToolClient

PACK = read_skill_folder(K8sOpsSkill().folder())
LOOKING = {"k8s_get", "k8s_describe", "k8s_logs", "k8s_events", "k8s_top"}


def test_the_entry_point_and_the_pack_have_one_name() -> None:
    (point,) = entry_points(group="sympozium.skills", name="k8s-ops")
    assert point.load() is K8sOpsSkill
    assert PACK["metadata"]["name"] == "k8s-ops"


def test_rights_that_are_narrowed_to_reading_change_nothing() -> None:
    found = identity(SkillSource("k8s-ops", PACK, {"rights": "read", "namespaces": "payments"}), "team")
    assert found is not None
    assert (found.cluster_rules, found.namespaces) == ((), ("payments",))
    assert {verb for rule in found.rules for verb in rule.verbs} == {"get", "list", "watch"}
    assert "pods/exec" not in {resource for rule in found.rules for resource in rule.resources}


def test_with_rights_to_read_only_what_looks_is_offered(serve: Callable[..., ToolClient]) -> None:
    assert {tool.name for tool in serve(SKILL_RIGHTS="read").manifest().tools} == LOOKING
    assert {tool.name for tool in serve().manifest().tools} > LOOKING
