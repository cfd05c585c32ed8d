"""Addresses in URLs, when an object is written: here and where the control plane is a cluster's."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from sympozium_core.contracts.cluster import Forbidden
from sympozium_core.contracts.sandbox import ALL_FEATURES
from sympozium_core.resources import kinds
from sympozium_core.resources.kinds import AGENT_RUN, SYMPOZIUM_INSTANCE

OBJECTS = {
    "SympoziumInstance": ("spec.provider.baseURL", lambda url: {"provider": {"name": "openai", "model": "m", "baseURL": url}}),
    "PersonaPack": ("spec.baseURL", lambda url: {"personas": [{"name": "a", "systemPrompt": "b"}], "baseURL": url}),
    "MCPServer": ("spec.url", lambda url: {"transportType": "http", "toolsPrefix": "m", "url": url}),
}


@pytest.mark.parametrize("kind", OBJECTS)
@pytest.mark.parametrize(
    ("url", "here", "on_a_cluster"),
    [
        ("https://api.example.com/v1", True, True),
        ("http://10.0.0.7:8080/v1", True, True),
        ("http://127.0.0.1:11434/v1", True, False),
        ("http://localhost:11434/v1", True, False),
        ("http://[::1]:11434/v1", True, False),
        ("http://169.254.169.254/latest/meta-data", False, False),
        ("http://[::ffff:169.254.169.254]/", False, False),
        ("http://[fd00:ec2::254]/", False, False),
        ("http://168.63.129.16/", False, False),
        ("http://0.0.0.0:8080/", False, False),
        ("http://2852039166/", False, False),
    ],
)
async def test_what_nobody_is_asked_at(world: Any, kind: str, url: str, here: bool, on_a_cluster: bool) -> None:
    field, spec = OBJECTS[kind]
    for features, admitted in ((world.facts.features, here), (ALL_FEATURES, on_a_cluster)):
        world.facts = replace(world.facts, features=features)
        made = world.resource(kind, "it", spec(url))
        if admitted:
            await world.alice.create(kinds.find(kind), made, dry_run=True)
        else:
            with pytest.raises(Forbidden, match=field):
                await world.alice.create(kinds.find(kind), made, dry_run=True)


async def test_servers_that_an_instance_names(world: Any) -> None:
    with pytest.raises(Forbidden, match=r"spec.mcpServers\[0\].url"):
        await world.instance(mcpServers=[{"name": "m", "toolsPrefix": "m", "url": "http://169.254.169.254/"}])


async def test_a_private_model_is_said_at_once_and_refused_with_its_run(world: Any) -> None:
    url = "http://10.0.0.7:8080/v1"
    await world.instance(provider={"name": "openai", "model": "m", "baseURL": url})
    assert any("list its range in modelPolicy.allowedPrivate of policy permissive" in warning for warning in world.warnings)
    with pytest.raises(Forbidden, match=r"10\.0\.0\.7:8080/v1 is not public, and its range is not listed"):
        await world.alice.create(AGENT_RUN, world.run_object())
    policy = {"template": "Permissive", "modelPolicy": {"allowedPrivate": ["10.0.0.0/24"]}}
    await world.alice.create(kinds.find("SympoziumPolicy"), world.resource("SympoziumPolicy", "lan", policy))
    world.warnings.clear()
    await world.alice.patch(SYMPOZIUM_INSTANCE, "default", "agent", {"spec": {"policy": "lan"}})
    assert world.warnings == []
    await world.alice.create(AGENT_RUN, world.run_object(), dry_run=True)
    with pytest.raises(Forbidden, match=r"spec.model.baseURL.*10.0.1.7"):
        await world.alice.create(
            AGENT_RUN, world.run_object(model={"model": "m", "baseURL": "http://10.0.1.7/v1"}), dry_run=True
        )
