"""Admission in the write path of a real store, with the lookups that the server uses."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from sympozium_core import names
from sympozium_core.contracts.cluster import Forbidden, Invalid
from sympozium_core.errors import Cause
from sympozium_core.hooks import hookimpl
from sympozium_core.planning.inputs import SandboxFacts
from sympozium_core.registry.relay import Source
from sympozium_core.resources import kinds
from sympozium_core.resources.kinds import AGENT_RUN, SYMPOZIUM_INSTANCE, SYMPOZIUM_POLICY


async def test_a_run_is_stamped_with_its_requester_and_held_until_it_is_cleaned_up(world: Any) -> None:
    await world.instance()
    forged = {"username": "root", "groups": ["system:masters"]}
    run = await world.run(requestedBy=forged)
    assert run["spec"]["requestedBy"] == {"username": "alice", "groups": ["developers"]}
    assert run["metadata"]["finalizers"] == [names.FINALIZER_RUN]
    assert run["metadata"]["labels"][names.LABEL_INSTANCE] == "agent"


async def test_a_forged_status_is_dropped(world: Any) -> None:
    await world.instance()
    run = await world.alice.create(AGENT_RUN, {**world.run_object(), "status": {"phase": "Succeeded"}})
    assert "status" not in run


async def test_what_the_user_wrote_is_stored_as_it_was_spelt(world: Any) -> None:
    await world.instance()
    obj = world.run_object()
    obj["spec"]["input"] = obj["spec"].pop("task")
    run = await world.alice.create(AGENT_RUN, obj)
    assert run["spec"]["input"] == "Do it."
    assert "task" not in run["spec"]


async def test_a_missing_instance_is_named(world: Any) -> None:
    with pytest.raises(Forbidden) as refused:
        await world.run()
    assert refused.value.causes[0].field == "spec.instanceRef"
    assert "'agent'" in str(refused.value)


async def test_a_missing_policy_refuses_runs_and_warns_about_the_instance(world: Any) -> None:
    await world.instance(policy="nowhere")
    assert any("nowhere" in warning for warning in world.warnings)
    with pytest.raises(Forbidden, match="nowhere"):
        await world.run()


async def test_an_invalid_object_is_refused_with_every_cause(world: Any) -> None:
    await world.instance()
    with pytest.raises(Invalid) as refused:
        await world.run(timeout="soon", agentID="x", cleanup="OnFailure")
    assert {cause.field for cause in refused.value.causes} >= {"spec.timeout", "spec.agentID", "spec.cleanup"}


async def test_a_policy_is_found_in_the_namespace_before_the_built_in_one(world: Any) -> None:
    metadata = {"name": "permissive", "namespace": "default"}
    policy = {"apiVersion": names.API_VERSION, "kind": "SympoziumPolicy", "metadata": metadata}
    await world.alice.create(SYMPOZIUM_POLICY, {**policy, "spec": {"modelPolicy": {"allowedModels": ["claude*"]}}})
    await world.instance()
    with pytest.raises(Forbidden, match=r"gpt-4o"):
        await world.run()


@pytest.mark.parametrize("policy", ["default", ""])
async def test_the_default_policy_refuses_a_sandbox_that_does_not_isolate(world: Any, policy: str) -> None:
    await world.instance(**({"policy": policy} if policy else {"policy": "default"}))
    assert (await world.run())["metadata"]["name"] == "run"
    assert any("approval" in warning for warning in world.warnings)
    world.facts = SandboxFacts("process", frozenset())
    other = world.run_object()
    other["metadata"]["name"] = "other"
    with pytest.raises(Forbidden, match="does not isolate"):
        await world.alice.create(AGENT_RUN, other)


async def test_nothing_but_cancel_changes_after_creation(world: Any) -> None:
    await world.instance()
    await world.run()
    for spec in ({"task": "Something else."}, {"timeout": "1h"}, {"skills": ["shell"]}, {"toolPolicy": {"allow": ["*"]}}):
        with pytest.raises(Invalid, match="cannot be changed"):
            await world.alice.patch(AGENT_RUN, "default", "run", {"spec": spec})
    changed = await world.alice.patch(AGENT_RUN, "default", "run", {"spec": {"cancel": True}})
    assert changed["spec"]["cancel"] is True
    with pytest.raises(Invalid, match="taken back"):
        await world.alice.patch(AGENT_RUN, "default", "run", {"spec": {"cancel": False}})


async def test_the_requester_cannot_be_rewritten(world: Any) -> None:
    await world.instance()
    await world.run()
    with pytest.raises(Invalid, match="cannot be changed"):
        await world.alice.patch(AGENT_RUN, "default", "run", {"spec": {"requestedBy": {"username": "root"}}})


async def test_only_the_controller_writes_a_runs_status(world: Any) -> None:
    await world.instance()
    await world.run()
    forged = {"status": {"phase": "Succeeded", "result": "all is well"}}
    with pytest.raises(Forbidden, match="controller"):
        await world.alice.patch(AGENT_RUN, "default", "run", forged, subresource="status")
    written = await world.controller.patch(AGENT_RUN, "default", "run", forged, subresource="status")
    assert written["status"]["phase"] == "Succeeded"


async def test_a_finalizer_can_always_go_even_when_the_instance_has_gone(world: Any) -> None:
    await world.instance()
    await world.run()
    await world.alice.delete(SYMPOZIUM_INSTANCE, "default", "agent")
    await world.alice.delete(AGENT_RUN, "default", "run")
    await world.controller.patch(AGENT_RUN, "default", "run", {"metadata": {"finalizers": None}})
    assert (await world.alice.list(AGENT_RUN, "default")).items == []


class Objector:
    @hookimpl
    def sympozium_review_run(self, run: dict[str, Any], instance: dict[str, Any]) -> list[Cause]:
        return [Cause("metadata.namespace", "not on a Friday", "wait")]


class Breaker:
    @hookimpl
    def sympozium_review_run(self, run: dict[str, Any], instance: dict[str, Any]) -> list[Cause]:
        raise RuntimeError("out of order")


async def test_plugins_refuse_and_one_that_fails_refuses_too(world: Any) -> None:
    await world.instance()
    world.relay.add(Source("objector", "x:y"), Objector())
    world.relay.add(Source("breaker", "x:z"), Breaker())
    with pytest.raises(Forbidden) as refused:
        await world.run()
    text = str(refused.value)
    assert "not on a Friday" in text
    assert "breaker" in text
    assert "out of order" in text


async def test_references_that_are_not_there_yet_are_warnings(world: Any) -> None:
    await world.instance(
        provider={"name": "openai", "model": "gpt-4o", "apiKeySecret": "later"},
        skills=["no-such-skill"],
        observability={"enabled": True},
    )
    text = "\n".join(world.warnings)
    for part in ("later", "no-such-skill", "observability"):
        assert part in text


async def test_a_dry_run_decides_the_same_and_stores_nothing(world: Any) -> None:
    await world.instance()
    assert (await world.alice.create(AGENT_RUN, copy.deepcopy(world.run_object()), dry_run=True))["spec"]["requestedBy"][
        "username"
    ] == "alice"
    assert (await world.alice.list(AGENT_RUN, "default")).items == []
    with pytest.raises(Forbidden):
        await world.alice.create(AGENT_RUN, world.run_object(toolPolicy={"allow": ["x"]}, instanceRef="nobody"), dry_run=True)


@pytest.mark.parametrize(
    ("kind", "spec", "fragment"),
    [
        ("SympoziumSchedule", {"instanceRef": "agent", "schedule": "0 9 * * *", "task": "x"}, "do not fire"),
        ("PersonaPack", {"personas": [{"name": "a", "systemPrompt": "b"}]}, "make nothing"),
        ("SympoziumPolicy", {"imagePolicy": {"allowedRegistries": ["a"]}}, "imagePolicy"),
        ("SympoziumPolicy", {"networkPolicy": {"allowDNS": True}}, "have no DNS"),
        ("SympoziumPolicy", {"networkPolicy": {"allowEventBus": False}}, "always reaches it"),
        ("SympoziumPolicy", {"sandboxPolicy": {"seccompProfile": {"type": "Unconfined"}}}, "RuntimeDefault"),
    ],
)
async def test_what_does_not_act_yet_is_said(world: Any, kind: str, spec: dict[str, Any], fragment: str) -> None:
    metadata = {"name": "later", "namespace": "default"}
    await world.alice.create(
        kinds.find(kind), {"apiVersion": names.API_VERSION, "kind": kind, "metadata": metadata, "spec": spec}
    )
    assert any(fragment in warning for warning in world.warnings)


async def test_a_policy_is_mandatory_from_the_system_namespace_alone(world: Any) -> None:
    def policy(namespace: str) -> dict[str, Any]:
        metadata = {"name": "strict", "namespace": namespace}
        spec = {"mandatory": {}, "modelPolicy": {"allowedModels": ["none-such"]}}
        return {"apiVersion": names.API_VERSION, "kind": "SympoziumPolicy", "metadata": metadata, "spec": spec}

    kind = kinds.find("SympoziumPolicy")
    with pytest.raises(Forbidden, match=f"spec.mandatory: acts in namespace {names.SYSTEM_NAMESPACE} alone"):
        await world.alice.create(kind, policy("default"))
    await world.instance()
    await world.alice.create(AGENT_RUN, world.run_object(), dry_run=True)
    await world.alice.create(kind, policy(names.SYSTEM_NAMESPACE))
    with pytest.raises(Forbidden, match="policy strict does not allow model"):
        await world.alice.create(AGENT_RUN, world.run_object())


async def test_an_instance_whose_fields_all_act_is_not_warned_of(world: Any) -> None:
    await world.instance(memory={"enabled": True})
    assert world.warnings == []


async def test_a_memory_backend_that_is_not_installed_is_said_with_those_that_are(world: Any) -> None:
    await world.instance(memory={"backend": "vectors"})
    (warning,) = world.warnings
    assert warning.startswith("spec.memory.backend: no plugin named 'vectors' is installed in sympozium.memories; installed: ")
    assert "sqlite" in warning
    assert warning.endswith("; runs are refused")


@pytest.mark.parametrize(
    ("memory", "warned"),
    [
        ({"backend": "sqlite"}, False),
        ({"maxSizeKB": 10}, False),
        ({"enabled": False, "backend": "vectors"}, False),
        ({"backend": "vectors"}, True),
    ],
)
async def test_who_changes_the_backend_is_told_where_the_notes_are(world: Any, memory: dict[str, Any], warned: bool) -> None:
    made = await world.instance(memory={"enabled": True})
    assert world.warnings == []
    await world.alice.replace(SYMPOZIUM_INSTANCE, {**made, "spec": {**made["spec"], "memory": memory}})
    told = (
        "spec.memory.backend: notes that 'sqlite' has kept stay in the volume, and are not found until the field names it again"
    )
    assert (told in world.warnings) == warned
