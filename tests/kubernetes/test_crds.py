"""The generated CustomResourceDefinitions as a real API server takes them: accepted whole, of one mind with the models, at home in kubectl."""

from __future__ import annotations

import asyncio
import copy
import json
import random
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from sympozium_core.cluster.client import ClusterClient
from sympozium_core.contracts.cluster import ApiError, BadRequest, Invalid, ResourceType
from sympozium_core.resources import kinds, load
from tests.kubernetes.kubectl import Kubectl

pytestmark = pytest.mark.usefixtures("crds")

ROOT = Path(__file__).parents[2]
EACH_KIND = pytest.mark.parametrize("kind", kinds.OURS, ids=lambda kind: kind.kind)
REFUSED = ("agentrun_sample", "sympoziuminstance_sample")
"""Of release v0.8.0; its own CRDs refuse them too."""
VALUES: tuple[Any, ...] = (None, "", 0, -1, 1.5, "x", "No Good!", [], {}, True, ["a"], {"a": "b"}, "10m", "y" * 300)
MUTANTS = 3000
AT_ONCE = 24


def manifests() -> Iterator[tuple[str, dict[str, Any]]]:
    for folder in ("tests/compat/v0.8.0", "tests/compat/seeds", "deploy/samples", "deploy/policies"):
        for path in sorted((ROOT / folder).rglob("*.yaml")):
            for index, document in enumerate(yaml.safe_load_all(path.read_text(encoding="utf-8"))):
                if document and document["kind"] != "CustomResourceDefinition":
                    yield f"{path.stem}-{index}", document


EVERY_MANIFEST = pytest.mark.parametrize("manifest", [pytest.param(found, id=name) for name, found in manifests()])


@pytest.fixture
async def client(kubeconfig: Path) -> AsyncIterator[ClusterClient]:
    client = ClusterClient.from_kubeconfig(kubeconfig, strict=True)
    yield client
    await client.close()


def resource(kind: ResourceType, namespace: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": kind.api_version,
        "kind": kind.kind,
        "metadata": {"name": name, "namespace": namespace},
        "spec": spec,
    }


@EACH_KIND
def test_every_definition_is_established_and_structural(kubectl: Kubectl, kind: ResourceType) -> None:
    conditions = {one["type"]: one for one in kubectl.get("crd", kind.resource)["status"]["conditions"]}
    assert {name: conditions[name]["status"] for name in ("NamesAccepted", "Established")} == {
        "NamesAccepted": "True",
        "Established": "True",
    }
    assert "NonStructuralSchema" not in conditions, conditions


@EVERY_MANIFEST
def test_kubectl_takes_what_the_models_take(kubectl: Kubectl, manifest: dict[str, Any]) -> None:
    manifest = copy.deepcopy(manifest)
    manifest["metadata"].pop("namespace", None)
    done = kubectl.call("create", "--dry-run=server", "-o", "json", "-f", "-", stdin=json.dumps(manifest))
    assert (done.returncode == 0) == (load.problems(manifest) == []), done.stderr
    if done.returncode == 0:
        assert load.normalise(json.loads(done.stdout))["spec"] == load.normalise(manifest)["spec"]


def test_the_broken_samples_are_refused_by_name() -> None:
    refused = [name.rpartition("-")[0] for name, manifest in manifests() if load.problems(manifest)]
    assert set(refused) == set(REFUSED)


def mutants() -> list[tuple[str, dict[str, Any]]]:
    """Manifests with one value of their spec taken out or replaced; a sample that is the same each time."""
    made = []
    for name, manifest in manifests():
        for path in places(manifest.get("spec", {}), ("spec",)):
            for value in ("taken out", *VALUES):
                mutant = copy.deepcopy(manifest)
                parent: Any = mutant
                for step in path[:-1]:
                    parent = parent[step]
                if value == "taken out":
                    del parent[path[-1]]
                else:
                    parent[path[-1]] = value
                made.append((f"{name}: {path} {value!r}"[:200], mutant))
    return random.Random(4).sample(made, MUTANTS)


def places(value: Any, path: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in items:
        yield (*path, key)
        yield from places(child, (*path, key))


@pytest.mark.timeout(180)
async def test_what_loads_the_api_server_takes(client: ClusterClient) -> None:
    """The other way round is admission's: a schema cannot see everything."""
    slots = asyncio.Semaphore(AT_ONCE)
    loaded = refused = 0
    wrong: list[str] = []

    async def ask(name: str, mutant: dict[str, Any]) -> None:
        nonlocal loaded, refused
        good = load.problems(mutant) == []
        mutant["metadata"] |= {"namespace": "default", "name": "mutant"}
        async with slots:
            try:
                await client.create(kinds.find(mutant["kind"]), mutant, dry_run=True)
                loaded += 1
            except (Invalid, BadRequest) as error:
                refused += 1
                if good:
                    wrong.append(f"{name}: {error}")

    await asyncio.gather(*(ask(*mutant) for mutant in mutants()))
    assert wrong == []
    assert min(loaded, refused) > MUTANTS / 10


RUN = {"instanceRef": "agent", "task": "go"}
RULES: list[tuple[ResourceType, dict[str, Any], str]] = [
    (kinds.AGENT_RUN, {"task": "go"}, "instanceRef is required"),
    (kinds.AGENT_RUN, {"instanceRef": "agent"}, "task is required"),
    (kinds.AGENT_RUN, {**RUN, "agentRef": "another"}, "the same field"),
    (kinds.AGENT_RUN, {**RUN, "model": {"model": "m", "provider": "openai"}}, "authSecretRef goes with provider"),
    (kinds.MCP_SERVER, {"transportType": "stdio", "toolsPrefix": "x", "url": "https://example.com"}, "needs deployment"),
    (kinds.PERSONA_PACK, {"enabled": True}, "personas is required"),
    (
        kinds.PERSONA_PACK,
        {"personas": [{"name": "a", "systemPrompt": "b", "schedule": {"type": "scheduled", "task": "c"}}]},
        "a schedule needs interval",
    ),
    (kinds.SKILL_PACK, {"skills": [{"name": "a", "content": "b"}, {"name": "a", "content": "c"}]}, "Duplicate value"),
    (kinds.SYMPOZIUM_INSTANCE, {"provider": {"name": "openai"}}, "agents.default.model is required"),
    (
        kinds.SYMPOZIUM_INSTANCE,
        {"provider": {"name": "openai", "model": "m"}, "authRefs": [{"provider": "anthropic", "secret": "s"}]},
        "keep one",
    ),
    (
        kinds.SYMPOZIUM_POLICY,
        {"allowedTools": ["read_file"], "toolGating": {"defaultAction": "allow"}},
        "everything else is denied",
    ),
    (
        kinds.SYMPOZIUM_POLICY,
        {
            "sandboxPolicy": {
                "agentSandboxPolicy": {"required": True, "defaultRuntimeClass": "a", "allowedRuntimeClasses": ["b"]}
            }
        },
        "has to be among",
    ),
    (kinds.SYMPOZIUM_SCHEDULE, {"instanceRef": "agent", "schedule": "@daily"}, "task is required"),
]


@pytest.mark.parametrize(("kind", "spec", "message"), RULES, ids=[f"{kind.kind}-{message[:30]}" for kind, _, message in RULES])
async def test_rules_hold_in_the_api_server(
    client: ClusterClient, kind: ResourceType, spec: dict[str, Any], message: str
) -> None:
    with pytest.raises(Invalid, match=message):
        await client.create(kind, resource(kind, "default", "one", spec), dry_run=True)


async def test_rules_can_be_afforded_for_the_largest_run(client: ClusterClient, namespace: str) -> None:
    """The API server ends what its rules cost too much to check."""
    big = {
        **RUN,
        "task": "x" * 600_000,
        "systemPrompt": "y" * 400_000,
        "env": {f"NAME_{number}": "value" * 10 for number in range(500)},
        "skills": [{"skillPackRef": f"skill-{number}", "params": {"a": "b"}} for number in range(200)],
        "toolPolicy": {"allow": [f"tool_{number}" for number in range(1000)]},
    }
    await client.create(kinds.AGENT_RUN, resource(kinds.AGENT_RUN, namespace, "big", big))
    await client.patch(kinds.AGENT_RUN, namespace, "big", {"status": {"phase": "Running"}}, subresource="status")
    await client.patch(kinds.AGENT_RUN, namespace, "big", {"spec": {"cancel": True}})


async def test_an_unknown_field_is_refused_or_warned_of(client: ClusterClient, kubeconfig: Path, namespace: str) -> None:
    run = resource(kinds.AGENT_RUN, namespace, "one", {**RUN, "colour": "red"})
    with pytest.raises(BadRequest, match=r'unknown field "spec\.colour"'):
        await client.create(kinds.AGENT_RUN, run)
    warnings: list[str] = []
    lenient = ClusterClient.from_kubeconfig(kubeconfig, warn=warnings.append)
    created = await lenient.create(kinds.AGENT_RUN, run)
    await lenient.close()
    assert "colour" not in created["spec"]
    assert warnings == ['unknown field "spec.colour"']


async def test_runs_are_selected_by_phase(client: ClusterClient, namespace: str) -> None:
    for name, phase in (("one", "Running"), ("two", "Succeeded")):
        await client.create(kinds.AGENT_RUN, resource(kinds.AGENT_RUN, namespace, name, dict(RUN)))
        await client.patch(kinds.AGENT_RUN, namespace, name, {"status": {"phase": phase}}, subresource="status")
    page = await client.list(kinds.AGENT_RUN, namespace, fields="status.phase=Succeeded")
    assert [item["metadata"]["name"] for item in page.items] == ["two"]
    with pytest.raises(ApiError, match="field label not supported"):
        await client.list(kinds.AGENT_RUN, namespace, fields="spec.task=go")


def test_kubectl_shows_columns_by_short_name(here: Kubectl) -> None:
    here("create", "-f", "-", stdin=json.dumps(resource(kinds.AGENT_RUN, here.namespace, "one", RUN)))
    status = {"status": {"phase": "Failed", "reason": "Timeout", "pod": "run-1", "podName": "run-1-x7k2p", "attempt": 2}}
    here("patch", "run", "one", "--subresource=status", "--type=merge", "-p", json.dumps(status))
    head, row = here("get", "run").splitlines()
    assert head.split() == ["NAME", "INSTANCE", "PHASE", "REASON", "AGE"]
    assert row.split()[:4] == ["one", "agent", "Failed", "Timeout"]
    wide = here("get", "run", "one", "-o", "wide").splitlines()
    assert wide[0].split() == ["NAME", "INSTANCE", "PHASE", "REASON", "POD", "ATTEMPT", "TOKENS", "AGE"]
    assert wide[1].split()[4:6] == ["run-1-x7k2p", "2"]
    assert "one" in here("get", "sympozium")


@EACH_KIND
def test_kubectl_knows_every_kind(kubectl: Kubectl, kind: ResourceType) -> None:
    for word in (kind.plural, kind.singular, *kind.short_names):
        assert kubectl("get", word, "-n", "nowhere", "-o", "name") == ""
    explained = kubectl("explain", f"{kind.plural}.spec", f"--api-version={kind.api_version}")
    assert "FIELDS:" in explained
    assert f"KIND:       {kind.kind}" in explained


def test_kubectl_explains_fields(kubectl: Kubectl) -> None:
    assert "Ends the run within seconds" in kubectl("explain", "run.spec.cancel")
    assert "The same as task." in kubectl("explain", "agentrun.spec.input")


def test_kubectl_describes_with_events(here: Kubectl) -> None:
    here("create", "-f", "-", stdin=json.dumps(resource(kinds.AGENT_RUN, here.namespace, "one", RUN)))
    uid = here.get("run", "one")["metadata"]["uid"]
    involved = {
        "apiVersion": "sympozium.ai/v1alpha1",
        "kind": "AgentRun",
        "name": "one",
        "namespace": here.namespace,
        "uid": uid,
    }
    event = {
        "apiVersion": "v1", "kind": "Event", "metadata": {"name": "one.1", "namespace": here.namespace}, "involvedObject": involved,
        "type": "Normal", "reason": "Planned", "message": "all is planned", "source": {"component": "sympozium"},
        "firstTimestamp": "2026-01-01T00:00:00Z", "lastTimestamp": "2026-01-01T00:00:00Z", "count": 1,
    }  # fmt: skip
    here("create", "-f", "-", stdin=json.dumps(event))
    described = here("describe", "run", "one")
    assert "Instance Ref:" in described
    assert "all is planned" in described
