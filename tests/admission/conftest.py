"""A store with admission and the lookups that the server uses, and rights that a test hands out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from sympozium_core import names
from sympozium_core.admission.lookup import Access
from sympozium_core.admission.reviewer import CONTROL_PLANE, Reviewer
from sympozium_core.contracts.cluster import Cluster, User
from sympozium_core.contracts.sandbox import ALL_PROMISES
from sympozium_core.contracts.skill import Skill
from sympozium_core.embedded.store import Store
from sympozium_core.planning.inputs import SandboxFacts
from sympozium_core.processes.directory import Directory
from sympozium_core.registry.drivers import Drivers
from sympozium_core.registry.relay import Relay
from sympozium_core.resources import kinds
from sympozium_core.resources.kinds import AGENT_RUN, SYMPOZIUM_INSTANCE

ALICE = User("alice", ("developers",))
CONTROLLER = User(f"{CONTROL_PLANE}controller")


class GrantedRights:
    """Implements `Rights`: everything, or what was granted; a grant without a namespace or a name holds for all of them, as RBAC has it."""

    def __init__(self) -> None:
        self.everything = True
        self.granted: set[Access] = set()
        self.asked: list[Access] = []

    def only(self, *granted: Access) -> None:
        self.everything = False
        self.granted = set(granted)

    async def may(self, user: User, access: Access) -> bool:
        self.asked.append(access)
        return self.everything or any(self._covers(grant, access) for grant in self.granted)

    def _covers(self, grant: Access, access: Access) -> bool:
        return (
            grant.verb in ("*", access.verb)
            and grant.group in ("*", access.group)
            and grant.resource in ("*", access.resource)
            and grant.namespace in ("", access.namespace)
            and grant.name in ("", access.name)
        )


def instance_object(**spec: Any) -> dict[str, Any]:
    provider = {"name": "openai", "model": "gpt-4o"}
    return resource("SympoziumInstance", "agent", {"provider": provider, "policy": "permissive", **spec})


def run_object(**spec: Any) -> dict[str, Any]:
    return resource("AgentRun", "run", {"instanceRef": "agent", "task": "Do it.", **spec})


def resource(kind: str, name: str, spec: dict[str, Any], namespace: str = "default") -> dict[str, Any]:
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": names.API_VERSION, "kind": kind, "metadata": metadata, "spec": spec}


class World:
    """A store with admission; `warnings` has what the writers were told, `relay` the hook plugins."""

    def __init__(self, store: Store) -> None:
        self.warnings: list[str] = []
        self.relay = Relay()
        self.rights = GrantedRights()
        self.alice: Cluster = store.as_user(ALICE, self.warnings.append)
        self.controller: Cluster = store.as_user(CONTROLLER)
        self.facts = SandboxFacts("bubblewrap", ALL_PROMISES)
        skills: Drivers[Skill] = Drivers(names.GROUP_SKILLS, Skill)
        directory = Directory(self.controller, skills, self._facts, self.relay, {"agent": (), "bridge": ()})
        self.reviewer = Reviewer(directory, self.rights)

    instance_object = staticmethod(instance_object)
    run_object = staticmethod(run_object)
    resource = staticmethod(resource)

    async def _facts(self) -> SandboxFacts:
        return self.facts

    async def instance(self, **spec: Any) -> dict[str, Any]:
        return await self.alice.create(SYMPOZIUM_INSTANCE, instance_object(**spec))

    async def run(self, **spec: Any) -> dict[str, Any]:
        return await self.alice.create(AGENT_RUN, run_object(**spec))


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = await Store.open(tmp_path / "store.db", kinds=kinds.ALL)
    yield opened
    await opened.close()


@pytest.fixture
def world(store: Store) -> World:
    made = World(store)
    store.use_admission(made.reviewer)
    return made
