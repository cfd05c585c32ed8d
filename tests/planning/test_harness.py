"""The program in the agent's container: what a plan makes of the one that an instance names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from sympozium_core.contracts.harness import ALL_ABILITIES
from sympozium_core.contracts.plan import to_json
from sympozium_core.contracts.plan_reading import run_plan_from_json
from sympozium_core.errors import Refused
from sympozium_core.planning.inputs import HarnessSource, RunInputs, SandboxFacts
from sympozium_core.planning.mandatory import both
from sympozium_core.planning.plan import make_plan
from sympozium_core.planning.policy import effective_policy

Make = Callable[..., RunInputs]
BOTH = HarnessSource("acme", ALL_ABILITIES, ("acme-agent",), "ghcr.io/acme/agent:1", ("serve",))
HERE = replace(BOTH, image="", image_command=())
IMAGE = replace(BOTH, command=(), image_command=())


def agent(plan: Any) -> Any:
    return next(each for each in plan.pod.containers if each.role == "agent")


def test_it_is_started_by_its_command_here_and_by_its_image_on_a_cluster(inputs: Make, cluster: SandboxFacts) -> None:
    here, there = (make_plan(inputs(harness=BOTH, **place)) for place in ({}, {"sandbox": cluster}))
    assert (agent(here).image, agent(here).command) == ("", ("acme-agent",))
    assert (agent(there).image, agent(there).command) == ("ghcr.io/acme/agent:1", ("serve",))
    assert agent(make_plan(inputs(harness=IMAGE, sandbox=cluster))).command == (), "the image's own"
    assert here.harness == there.harness == "acme"
    assert run_plan_from_json(to_json(here)) == here
    assert agent(here).workspace
    assert agent(here).skills


def test_the_cores_own_is_in_the_image_of_the_installation(inputs: Make, cluster: SandboxFacts) -> None:
    for place in ({}, {"sandbox": cluster}):
        plan = make_plan(inputs(**place))
        assert (agent(plan).image, agent(plan).command, plan.harness) == ("", ("python", "-m", "runner"), "runner")


@pytest.mark.parametrize(
    ("harness", "on_a_cluster", "because"),
    [
        (HERE, True, "'acme' has no container image, and can only run embedded"),
        (IMAGE, False, "'acme' brings its program only as container image 'ghcr.io/acme/agent:1', which needs a cluster"),
        (HarnessSource("acme"), False, "'acme' brings its program in no way at all"),
        (HarnessSource("acme", problem="it is not installed; there are runner", hint="h"), False, "there are runner (h)"),
        (HarnessSource("acme", problem="it is not installed; there are runner", hint="h"), True, "there are runner (h)"),
    ],
)
def test_one_that_cannot_be_had_is_refused(
    inputs: Make, cluster: SandboxFacts, harness: HarnessSource, on_a_cluster: bool, because: str
) -> None:
    place = {"sandbox": cluster} if on_a_cluster else {}
    with pytest.raises(Refused) as refused:
        make_plan(inputs(harness=harness, **place))
    assert because in str(refused.value)


def test_its_image_comes_from_where_the_policies_say(inputs: Make, cluster: SandboxFacts) -> None:
    def policy(*allowed: str) -> dict[str, Any]:
        return {"imagePolicy": {"allowedRegistries": list(allowed)}}

    given = inputs(harness=BOTH, sandbox=cluster, policy=policy("ghcr.io/acme"))
    assert agent(make_plan(given)).image
    for denied in (policy("ghcr.io/acme-other"), policy()):
        with pytest.raises(Refused, match=r"does not allow image 'ghcr\.io/acme/agent:1' of the instance's harness 'acme'"):
            make_plan(inputs(harness=BOTH, sandbox=cluster, policy=denied))
    mandatory = replace(given, policy=both(given.policy, [effective_policy("all", policy("registry.example.com"))]))
    with pytest.raises(Refused, match="policy all does not allow image"):
        make_plan(mandatory)
    assert make_plan(inputs(harness=BOTH, policy=policy())), "no image is started here"


def test_what_it_cannot_do_is_not_offered_or_said(inputs: Make, cluster: SandboxFacts) -> None:
    bare = replace(BOTH, abilities=frozenset())
    plan = make_plan(inputs(harness=bare, run={"toolPolicy": {"allow": ["read_file", "execute_command"]}}))
    assert plan.native_tools == ()
    assert not plan.resumes
    assert make_plan(inputs()).resumes
    assert [note for note in plan.notes if note.startswith("harness acme has no file tools of its own")]
    assert [note for note in plan.notes if "the run asks for read_file, which harness acme does not have" in note]
    assert [note for note in plan.notes if "does not shorten its conversation" in note]
    assert not [note for note in plan.notes if "/workspace are gone" in note], "here the files stay"
    elsewhere = make_plan(inputs(harness=bare, sandbox=cluster))
    assert [note for note in elsewhere.notes if "/workspace are gone" in note]
    whole = make_plan(inputs(harness=BOTH, sandbox=cluster))
    assert "read_file" in whole.native_tools
    assert not [note for note in whole.notes if "acme" in note]
