"""Looks up what admission, planning and the gateway need to know about a run: one place that knows where instances, policies and skills are found."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

from sympozium_core import names
from sympozium_core.address_guard import common
from sympozium_core.admission.lookup import Governed
from sympozium_core.contracts.builtin_kinds import NAMESPACE, SECRET
from sympozium_core.contracts.cluster import Forbidden, NotFound, ResourceType
from sympozium_core.contracts.skill import Skill
from sympozium_core.errors import Cause, Refused
from sympozium_core.planning.egress import names_in
from sympozium_core.planning.inputs import (
    HarnessSource,
    McpSource,
    MemoryBackend,
    RunInputs,
    SandboxFacts,
    SkillSource,
    skill_refs,
)
from sympozium_core.planning.mandatory import both
from sympozium_core.planning.memory import MEMORY_SKILL, wants_memory
from sympozium_core.planning.plan import SHELL_SKILL
from sympozium_core.planning.policy import DEFAULT_POLICY, EffectivePolicy, effective_policy
from sympozium_core.planning.skills import LEGACY_PREFIX, FoundSkill, attach
from sympozium_core.processes.addresses import Addresses
from sympozium_core.processes.harnesses import Harnesses, harness_drivers
from sympozium_core.processes.memory_backends import MemoryBackends
from sympozium_core.processes.shared_reads import Reader
from sympozium_core.processes.skill_archives import SkillArchives
from sympozium_core.processes.skill_start import folder_command, package_command
from sympozium_core.recent import Recent
from sympozium_core.reconcile.cache import Cache
from sympozium_core.reconcile.informer import Informer
from sympozium_core.reconcile.key import Key
from sympozium_core.registry import calls
from sympozium_core.registry.catalogue import installed
from sympozium_core.registry.drivers import Drivers
from sympozium_core.registry.relay import Relay
from sympozium_core.resources import load
from sympozium_core.resources.builtin import builtin_policy
from sympozium_core.resources.kinds import MCP_SERVER, SKILL_PACK, SYMPOZIUM_INSTANCE, SYMPOZIUM_POLICY
from sympozium_core.resources.label_selector import selects
from sympozium_core.resources.skill_folder import read_skill_folder

MAX_NAMES = 4096
"""Instances of which is remembered what policy they named last."""

ChooseSandbox = Callable[[], Awaitable[SandboxFacts]]


class Directory:
    """Implements `admission.lookup.Lookup`, and gathers the inputs of a plan. Reads through the cluster port, so it is never behind, but for
    what it was told to `follow`."""

    def __init__(
        self,
        cluster: Reader,
        skills: Drivers[Skill],
        sandbox: ChooseSandbox,
        relay: Relay,
        commands: Mapping[str, tuple[str, ...]],
        archives: SkillArchives | None = None,
        harnesses: Harnesses | None = None,
    ) -> None:
        """`archives` are those of a runtime that starts containers from images."""
        self._harnesses = harnesses or Harnesses(harness_drivers(), commands.get("agent", ()))
        self._cluster = cluster
        self.skills = skills
        self._relay = relay
        self._commands = commands
        self._archives = archives
        self._sandbox = sandbox
        self._addresses = Addresses()
        self._memories = MemoryBackends()
        self._policy_names: Recent[str] = Recent(MAX_NAMES)
        self._packs: dict[str, Mapping[str, Any]] = {}
        self._no_command: dict[str, str] = {}
        """Why a package's tool server cannot be started on this machine, by its skill."""
        self._followed: Mapping[ResourceType, Informer] = {}
        self.settle: Callable[[Mapping[str, Any]], Awaitable[None]] | None = None
        """Waits until an MCPServer has been looked at; set by whoever looks at them."""

    def follow(self, informers: Mapping[ResourceType, Informer]) -> None:
        """From now on these kinds are looked up in the informers' caches, which a change reaches a moment after it was made; admission looked at
        the objects themselves. What would be an error because it is not there is read before that is believed."""
        self._followed = informers

    # What is installed is looked up once: a server knows the packages that were there when it first asked.

    @cached_property
    def _bridge_hooks(self) -> tuple[str, ...]:
        return tuple(entry.value for entry in installed([names.GROUP_BRIDGE_HOOKS]))

    @cached_property
    def _skill_packages(self) -> frozenset[str]:
        return frozenset(self.skills.names())

    async def sandbox(self) -> SandboxFacts:
        return await self._sandbox()

    async def governed(self, namespace: str, name: str) -> Governed | None:
        """All are read now, and at the same time: an instance seldom names another policy than it did last."""
        key = f"{namespace}/{name}"
        likely = self._policy_names.get(key)
        ahead = asyncio.ensure_future(self.policy(namespace, likely)) if likely else None
        mandatory = asyncio.ensure_future(self._mandatory(namespace))
        try:
            instance = await self._normal(SYMPOZIUM_INSTANCE, namespace, name)
            if instance is None:
                return None
            policy = instance["spec"].get("policyRef") or DEFAULT_POLICY
            self._policy_names.put(key, policy)
            found = ahead if ahead is not None and policy == likely else self.policy(namespace, policy)
            named = await found
            return Governed(instance, policy, both(named, await mandatory) if named is not None else None)
        finally:
            begun = [task for task in (ahead, mandatory) if task is not None]
            for task in begun:
                task.cancel()
            await asyncio.gather(*begun, return_exceptions=True)

    async def policy(self, namespace: str, name: str) -> EffectivePolicy | None:
        builtin = builtin_policy(name)
        found = await self._nearest(SYMPOZIUM_POLICY, namespace, name, needed=builtin is None)
        if found is not None:
            return effective_policy(name, found["spec"], str(found["metadata"].get("namespace") or ""))
        return effective_policy(name, load.normalise(builtin)["spec"]) if builtin is not None else None

    async def binding(self, run: Mapping[str, Any]) -> list[EffectivePolicy]:
        """The policies that bind a run which was admitted under them, or has to obey them, as they are now. One that is gone is not replaced: what
        is further away than the one that the run began with does not bind it."""
        namespace, stamp = run["metadata"]["namespace"], (run.get("status") or {}).get("effectivePolicy") or {}
        found, mandatory = await asyncio.gather(self.policy(namespace, stamp.get("name", "")), self._mandatory(namespace))
        if found is None or found.namespace not in (namespace, stamp.get("namespace") or names.SYSTEM_NAMESPACE):
            return mandatory
        return [found, *mandatory]

    async def _mandatory(self, namespace: str) -> list[EffectivePolicy]:
        """Those of the control plane's namespace that select this one, by name. The namespace is looked at only where there are any."""
        found = [
            policy
            for policy in await self._policies(names.SYSTEM_NAMESPACE)
            if (policy.get("spec") or {}).get("mandatory") is not None
        ]
        if not found:
            return []
        place = await self._get(NAMESPACE, None, namespace) or {"metadata": {}}
        labels = {**(place["metadata"].get("labels") or {}), names.LABEL_NAMESPACE_NAME: namespace}
        normal = [load.normalise(policy) for policy in sorted(found, key=lambda policy: str(policy["metadata"]["name"]))]
        return [
            effective_policy(policy["metadata"]["name"], policy["spec"], names.SYSTEM_NAMESPACE)
            for policy in normal
            if selects(policy["spec"]["mandatory"]["namespaceSelector"], labels)
        ]

    async def _policies(self, namespace: str) -> Sequence[Mapping[str, Any]]:
        if (cache := self._cache(SYMPOZIUM_POLICY)) is not None:
            return cache.all(namespace)
        return (await self._cluster.list(SYMPOZIUM_POLICY, namespace)).items

    async def mcp_private(self, namespace: str) -> tuple[str, ...]:
        """Ranges of addresses that are open to MCP servers of the namespace before anybody's run asks for them: what some policy there, or of the control
        plane's own, lists, for who writes policies has opened it to somebody; and no more than the mandatory ones leave."""
        listed: dict[str, None] = {}
        for place in dict.fromkeys((namespace, names.SYSTEM_NAMESPACE)):
            for policy in await self._policies(place):
                rules = (policy.get("spec") or {}).get("mcpPolicy") or {}
                listed.update(dict.fromkeys(str(each) for each in rules.get("allowedPrivate") or ()))
        found = tuple(listed)
        for mandatory in await self._mandatory(namespace) if found else ():
            found = found if mandatory.mcp_private is None else common(found, mandatory.mcp_private)
        return found

    async def secret_exists(self, namespace: str, name: str) -> bool:
        try:
            return await self._get(SECRET, namespace, name) is not None
        except Forbidden:
            return True

    async def skill_pack(self, namespace: str, name: str) -> Mapping[str, Any] | None:
        found = await self._skill(namespace, name)
        return None if found is None else found.pack

    def harness(self, instance: Mapping[str, Any]) -> HarnessSource:
        return self._harnesses.of(instance)

    def memory_backend(self, name: str) -> MemoryBackend:
        return self._memories.find(name)

    def hooks(self, run: Mapping[str, Any], instance: Mapping[str, Any]) -> list[Cause]:
        return calls.review_run(self._relay, run, instance)

    async def gather(self, run: Mapping[str, Any]) -> RunInputs:
        """Everything that a plan is made of, as it is now. Raises Refused when the instance or its policy is gone."""
        namespace, name = run["metadata"]["namespace"], run["spec"]["instanceRef"]
        governed, shell = await asyncio.gather(self.governed(namespace, name), self._skill(namespace, SHELL_SKILL))
        if governed is None:
            raise Refused(
                [Cause("spec.instanceRef", f"there is no SympoziumInstance {name!r} any more")],
                reason=names.Reason.INFRASTRUCTURE_ERROR,
            )
        instance, policy_name, policy = governed
        if policy is None:
            raise Refused([Cause("", f"instance {name!r} names policy {policy_name!r}, which does not exist")])
        wanted = {(reference.get("skillPackRef") or "").removeprefix(LEGACY_PREFIX) for reference in skill_refs(run, instance)}
        if wants_memory(instance):
            wanted.add(MEMORY_SKILL)
        wanted.discard(SHELL_SKILL)
        others = await asyncio.gather(*(self._skill(namespace, skill) for skill in wanted))
        found = {SHELL_SKILL: shell, **dict(zip(wanted, others, strict=True))}
        skills, missing = attach(run, instance, found.get)
        sandbox = await self._sandbox()
        if sandbox.on_this_machine:
            skills = tuple(replace(skill, problem=self._no_command.get(skill.name, "")) for skill in skills)
        if wants_memory(instance):
            skills = await asyncio.to_thread(self._with_backend, skills, instance)
        if self._archives is not None:
            skills = await asyncio.to_thread(self._archives.place_all, skills)
        addresses = await self._addresses.of(names_in(policy)) if "egress" in sandbox.features else {}
        mcp = await asyncio.gather(*(self._mcp_source(namespace, each) for each in instance["spec"].get("mcpServers") or []))
        return RunInputs(
            run=run,
            instance=instance,
            policy=policy,
            sandbox=sandbox,
            addresses=addresses,
            harness=self.harness(instance),
            skills=skills,
            missing_skills=missing,
            mcp=tuple(mcp),
            mcp_skill=await self._mcp_skill() if mcp else None,
            bridge_command=self._commands["bridge"],
            bridge_hooks=self._bridge_hooks,
        )

    def _with_backend(self, skills: tuple[SkillSource, ...], instance: Mapping[str, Any]) -> tuple[SkillSource, ...]:
        module = self.skills.get(MEMORY_SKILL).module() if MEMORY_SKILL in self._skill_packages else ""
        return tuple(self._memories.serve(skill, instance, module) if skill.name == MEMORY_SKILL else skill for skill in skills)

    async def _mcp_source(self, namespace: str, binding: Mapping[str, Any]) -> McpSource:
        if binding.get("url"):
            return McpSource(binding)
        found = await self._nearest(MCP_SERVER, namespace, binding["name"], needed=True)
        if found is not None and self.settle is not None:
            await self.settle(found)
            now = await self._get(MCP_SERVER, found["metadata"]["namespace"], binding["name"])
            found = load.normalise(now) if now is not None else None
        return McpSource(binding, found)

    async def _mcp_skill(self) -> SkillSource | None:
        """The installed package's and no SkillPack's: it speaks for all of a run's servers."""
        if names.MCP_SERVER not in self._skill_packages:
            return None
        package = self.skills.get(names.MCP_SERVER)
        pack = await self._pack_of(names.MCP_SERVER, package)
        return SkillSource(names.MCP_SERVER, pack, {}, await self._command(names.MCP_SERVER, package), package.module())

    async def _skill(self, namespace: str, name: str) -> FoundSkill | None:
        """A SkillPack of the namespace or the system's, else an installed package's. On this machine the package's tool server serves either;
        where there are images, an applied pack means its own."""
        package = self.skills.get(name) if name in self._skill_packages else None
        command = await self._command(name, package) if package is not None else ()
        if (pack := await self._nearest(SKILL_PACK, namespace, name, needed=package is None)) is not None:
            return FoundSkill(pack, command, package.module() if package is not None and _of_package(pack) else "")
        if package is None:
            return None
        return FoundSkill(await self._pack_of(name, package), command, package.module())

    async def _command(self, name: str, package: Skill) -> tuple[str, ...]:
        """How the package's tool server is started on this machine; empty, and the reason kept, where its folder names a file that is not there."""
        if command := package_command(package):
            return command
        pack = await self._pack_of(name, package)
        try:
            return folder_command(name, package.folder(), pack)
        except Refused as error:
            self._no_command[name] = str(error)
            return ()

    async def _pack_of(self, name: str, package: Skill) -> Mapping[str, Any]:
        """What an installed package brings, read once. Raises Refused where its folder holds no sound skill."""
        if name not in self._packs:
            self._packs[name] = await asyncio.to_thread(read_skill_folder, package.folder())
        return self._packs[name]

    async def _nearest(self, kind: ResourceType, namespace: str, name: str, *, needed: bool) -> Mapping[str, Any] | None:
        """That of the namespace, else the system's. `needed`: there is nothing else to take."""
        places = tuple(dict.fromkeys((namespace, names.SYSTEM_NAMESPACE)))
        if (cache := self._cache(kind)) is not None:
            seen = next((each for place in places if (each := cache.get(Key(place, name))) is not None), None)
            if seen is not None or not needed:
                return load.normalise(seen) if seen is not None else None
        found = await asyncio.gather(*(self._get(kind, place, name) for place in places))
        return next((load.normalise(each) for each in found if each is not None), None)

    async def _normal(self, kind: ResourceType, namespace: str, name: str) -> Mapping[str, Any] | None:
        cache = self._cache(kind)
        found = cache.get(Key(namespace, name)) if cache is not None else None
        found = found or await self._get(kind, namespace, name)
        return load.normalise(found) if found is not None else None

    def _cache(self, kind: ResourceType) -> Cache | None:
        """Of a kind that is followed, for as long as nothing is known to keep it behind."""
        informer = self._followed.get(kind)
        return informer.cache if informer is not None and informer.synced.is_set() and not informer.problem else None

    async def _get(self, kind: ResourceType, namespace: str | None, name: str) -> dict[str, Any] | None:
        try:
            return await self._cluster.get(kind, namespace, name)
        except NotFound:
            return None


def _of_package(pack: Mapping[str, Any]) -> bool:
    """Whether it was made of an installed package: the control plane's namespace is nobody else's to write in."""
    meta = pack["metadata"]
    return meta.get("namespace") == names.SYSTEM_NAMESPACE and names.ANNOTATION_PACKAGE in (meta.get("annotations") or {})
