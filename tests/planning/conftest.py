from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any, get_args

import pytest

from sympozium_core.contracts.harness import ALL_ABILITIES
from sympozium_core.contracts.sandbox import ALL_PROMISES, Feature
from sympozium_core.planning.inputs import HarnessSource, RunInputs, SandboxFacts, SkillSource
from sympozium_core.planning.policy import effective_policy
from sympozium_core.resources import load

INSTANCE = {
    "apiVersion": "sympozium.ai/v1alpha1",
    "kind": "SympoziumInstance",
    "metadata": {"name": "agent", "namespace": "default"},
    "spec": {
        "provider": {"name": "openai", "model": "gpt-4o", "apiKeySecret": "key"},
        "systemPrompt": "Be brief.",
        "policy": "permissive",
    },
}
RUN = {
    "apiVersion": "sympozium.ai/v1alpha1",
    "kind": "AgentRun",
    "metadata": {"name": "run", "namespace": "default", "uid": "00000000-0000-0000-0000-000000000001"},
    "spec": {"instanceRef": "agent", "task": "Do it."},
}
SHELL = SkillSource(
    "shell",
    {"spec": {"skills": [{"name": "shell", "description": "commands", "content": "# Shell"}]}},
    {},
    ("python", "-m", "shell"),
)
RUNNER = HarnessSource("runner", ALL_ABILITIES, ("python", "-m", "runner"))
ISOLATING = SandboxFacts("bubblewrap", ALL_PROMISES)
SHARED = SandboxFacts("process", frozenset())
CLUSTER = SandboxFacts("kubernetes", ALL_PROMISES, frozenset(get_args(Feature)), keeps_workspace=False)

Make = Callable[..., RunInputs]


def objects(
    run: Mapping[str, Any] | None = None, instance: Mapping[str, Any] | None = None
) -> tuple[dict[str, Any], dict[str, Any]]:
    """A run and its instance in normal form, with these specs merged over the plain ones."""
    wanted_run, wanted_instance = copy.deepcopy(RUN), copy.deepcopy(INSTANCE)
    wanted_run["spec"].update(run or {})  # type: ignore[attr-defined]
    wanted_instance["spec"].update(instance or {})  # type: ignore[attr-defined]
    return load.normalise(wanted_run), load.normalise(wanted_instance)


@pytest.fixture
def cluster() -> SandboxFacts:
    """A runtime that has everything that some runtimes lack."""
    return CLUSTER


def skill(name: str, sidecar: Mapping[str, Any] | None = None, **parameters: str) -> SkillSource:
    """A skill that is found as a SkillPack resource."""
    spec: dict[str, Any] = {"skills": []}
    if sidecar is not None:
        spec["sidecar"] = {"image": f"ghcr.io/acme/{name}:1", **sidecar}
    return SkillSource(name, {"spec": spec}, parameters)


@pytest.fixture
def a_skill() -> Callable[..., SkillSource]:
    return skill


@pytest.fixture
def inputs() -> Make:
    def make(
        run: Mapping[str, Any] | None = None,
        instance: Mapping[str, Any] | None = None,
        policy: Mapping[str, Any] | None = None,
        sandbox: SandboxFacts = ISOLATING,
        skills: tuple[SkillSource, ...] = (SHELL,),
        missing: tuple[str, ...] = (),
        addresses: Mapping[str, tuple[str, ...]] | None = None,
        harness: HarnessSource = RUNNER,
        **more: Any,
    ) -> RunInputs:
        normal_run, normal_instance = objects(run, instance)
        return RunInputs(
            run=normal_run,
            instance=normal_instance,
            policy=effective_policy("p", policy or {"template": "Permissive"}),
            sandbox=sandbox,
            skills=skills,
            missing_skills=missing,
            harness=harness,
            bridge_command=("python", "-m", "bridge"),
            addresses=addresses or {},
            **more,
        )

    return make
