"""Looks up what admission, planning and the gateway need to know about a run: one place that knows where instances, policies and skills are found."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import cached_property
from typing import Any

from sympozium_core import names
from sympozium_core.contracts.builtin_kinds import SECRET
from sympozium_core.contracts.cluster import Forbidden, NotFound, ResourceType
from sympozium_core.contracts.skill import Skill
from sympozium_core.errors import Cause, Refused
from sympozium_core.planning.egress import names_in
from sympozium_core.planning.inputs import RunInputs, SandboxFacts, skill_refs
from sympozium_core.planning.plan import SHELL_SKILL
from sympozium_core.planning.policy import DEFAULT_POLICY, EffectivePolicy, effective_policy
from sympozium_core.planning.skills import LEGACY_PREFIX, FoundSkill, attach
from sympozium_core.processes.addresses import Addresses
from sympozium_core.processes.shared_reads import Reader
from sympozium_core.registry import calls
from sympozium_core.registry.catalogue import installed
from sympozium_core.registry.drivers import Drivers
from sympozium_core.registry.relay import Relay
from sympozium_core.resources import load
from sympozium_core.resources.builtin import builtin_policy
from sympozium_core.resources.kinds import SKILL_PACK, SYMPOZIUM_INSTANCE, SYMPOZIUM_POLICY
from sympozium_core.sidecar.interpreter import python_command

ChooseSandbox = Callable[[], Awaitable[SandboxFacts]]


class Directory:
    """Implements `admission.lookup.Lookup`, and gathers the inputs of a plan. Reads through the cluster port, so it is never behind."""

    def __init__(
        self,
        cluster: Reader,
        skills: Drivers[Skill],
        sandbox: ChooseSandbox,
        relay: Relay,
        commands: Mapping[str, tuple[str, ...]],
    ) -> None:
        self._cluster = cluster
        self._skills = skills
        self._relay = relay
        self._commands = commands
        self._sandbox = sandbox
        self._addresses = Addresses()

    # What is installed is looked up once: a server knows the packages that were there when it first asked.

    @cached_property
    def _bridge_hooks(self) -> tuple[str, ...]:
        return tuple(entry.value for entry in installed([names.GROUP_BRIDGE_HOOKS]))

    @cached_property
    def _skill_packages(self) -> frozenset[str]:
        return frozenset(self._skills.names())

    async def sandbox(self) -> SandboxFacts:
        return await self._sandbox()

    async def instance(self, namespace: str, name: str) -> Mapping[str, Any] | None:
        return await self._normal(SYMPOZIUM_INSTANCE, namespace, name)

    async def policy(self, namespace: str, name: str) -> EffectivePolicy | None:
        places = dict.fromkeys((namespace, names.SYSTEM_NAMESPACE))
        for found in await asyncio.gather(*(self._get(SYMPOZIUM_POLICY, place, name) for place in places)):
            if found is not None:
                return effective_policy(name, load.normalise(found)["spec"])
        builtin = builtin_policy(name)
        return effective_policy(name, load.normalise(builtin)["spec"]) if builtin is not None else None

    async def secret_exists(self, namespace: str, name: str) -> bool:
        try:
            return await self._get(SECRET, namespace, name) is not None
        except Forbidden:
            return True

    async def skill_pack(self, namespace: str, name: str) -> Mapping[str, Any] | None:
        found = await self._skill(namespace, name)
        return None if found is None else found.pack

    def hooks(self, run: Mapping[str, Any], instance: Mapping[str, Any]) -> list[Cause]:
        return calls.review_run(self._relay, run, instance)

    async def gather(self, run: Mapping[str, Any]) -> RunInputs:
        """Everything that a plan is made of, as it is now. Raises Refused when the instance or its policy is gone."""
        namespace, name = run["metadata"]["namespace"], run["spec"]["instanceRef"]
        instance = await self.instance(namespace, name)
        if instance is None:
            raise Refused(
                [Cause("spec.instanceRef", f"there is no SympoziumInstance {name!r} any more")],
                reason=names.Reason.INFRASTRUCTURE_ERROR,
            )
        policy_name = instance["spec"].get("policyRef") or DEFAULT_POLICY
        policy = await self.policy(namespace, policy_name)
        if policy is None:
            raise Refused([Cause("", f"instance {name!r} names policy {policy_name!r}, which does not exist")])
        wanted = {
            (reference.get("skillPackRef") or "").removeprefix(LEGACY_PREFIX) for reference in skill_refs(run, instance)
        } | {SHELL_SKILL}
        found = {skill: await self._skill(namespace, skill) for skill in wanted}
        skills, missing = attach(run, instance, found.get)
        sandbox = await self._sandbox()
        addresses = await self._addresses.of(names_in(policy)) if "egress" in sandbox.features else {}
        return RunInputs(
            run=run,
            instance=instance,
            policy=policy,
            sandbox=sandbox,
            addresses=addresses,
            skills=skills,
            missing_skills=missing,
            agent_command=self._commands["agent"],
            bridge_command=self._commands["bridge"],
            bridge_hooks=self._bridge_hooks,
        )

    async def _skill(self, namespace: str, name: str) -> FoundSkill | None:
        """A SkillPack of the namespace or the system's, else an installed package's. On this machine the package's tool server serves either;
        where there are images, an applied pack means its own."""
        package = self._skills.get(name) if name in self._skill_packages else None
        command = _command(package) if package is not None else ()
        for place in (namespace, names.SYSTEM_NAMESPACE):
            pack = await self._normal(SKILL_PACK, place, name)
            if pack is not None:
                return FoundSkill(pack, command)
        if package is None:
            return None
        return FoundSkill(load.normalise(dict(package.pack())), command, package.module())

    async def _normal(self, kind: ResourceType, namespace: str, name: str) -> Mapping[str, Any] | None:
        found = await self._get(kind, namespace, name)
        return load.normalise(found) if found is not None else None

    async def _get(self, kind: ResourceType, namespace: str, name: str) -> dict[str, Any] | None:
        try:
            return await self._cluster.get(kind, namespace, name)
        except NotFound:
            return None


def _command(package: Skill) -> tuple[str, ...]:
    """How the package's tool server is started on this machine."""
    module = package.module()
    return tuple(python_command(module) if module else package.command())
