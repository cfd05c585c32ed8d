"""Keeps the NetworkPolicies of runs: there before a pod needs them, as they should be for as long as one may, gone when none can.

In a namespace with instances or runs the policy that denies all of them everything is always there, and beside it the profile that opens the event
bus. Further profiles come with the first run that needs them, are shared by all that need the same, and go when none has for a while. No object of
a user owns them: the deletion of an instance must not open the network of a run that is still going.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from contextlib import suppress

from sympozium_core.clock import Clock
from sympozium_core.contracts.builtin_kinds import ENDPOINT_SLICE, NETWORK_POLICY
from sympozium_core.contracts.cluster import AlreadyExists, Cluster, NotFound, Object, metadata
from sympozium_core.contracts.plan import PodPlan
from sympozium_core.controllers.agentrun.status import status_of
from sympozium_core.controllers.network_policies import (
    BASE,
    BusPlace,
    Profile,
    api_servers,
    base_policy,
    is_as_wanted,
    policy_name,
    profile_of,
    profile_policy,
)
from sympozium_core.errors import Temporary
from sympozium_core.names import COMPONENT_RUN, LABEL_COMPONENT, LABEL_MANAGED_BY, MANAGED_BY
from sympozium_core.reconcile.cache import View
from sympozium_core.reconcile.controller import DONE, Controller, Options, Result
from sympozium_core.reconcile.informer import Informer
from sympozium_core.reconcile.informers import Informers
from sympozium_core.reconcile.key import Key, key_of

SELECTOR = f"{LABEL_MANAGED_BY}={MANAGED_BY},{LABEL_COMPONENT}={COMPONENT_RUN}"
API_SERVICE = "default"
"""Namespace of the Service ``kubernetes``."""
UNUSED = 600.0
"""Seconds for which a profile that no run needs stays: the next run may."""
LOOK_AGAIN = 300.0

log = logging.getLogger(__name__)


class NetworkProfiles:
    """Made before the informers are in step; `ensure` and `controller` need them to be."""

    def __init__(
        self,
        cluster: Cluster,
        informers: Informers,
        *,
        instances: Informer,
        runs: Informer,
        bus: BusPlace,
        clock: Clock,
        waiting: Callable[[], Iterable[PodPlan]] = tuple,
    ) -> None:
        """`waiting` gives the plans of pods that wait for a run."""
        self._cluster, self._instances, self._runs, self._bus, self._clock = cluster, instances, runs, bus, clock
        self._waiting = waiting
        self._policies = informers.of(NETWORK_POLICY, labels=SELECTOR)
        self._api = informers.of(ENDPOINT_SLICE, API_SERVICE, labels="kubernetes.io/service-name=kubernetes")
        self._known: dict[Key, Profile] = {}
        self._needed: dict[Key, float] = {}
        """When (monotonic) each profile was last asked for, or first seen by this process."""
        self._removed: set[Key] = set()
        """What was deleted and is still in the cache."""
        self._writing = asyncio.Lock()
        self._policies.on_change(self._remember)

    async def ensure(self, pod: PodPlan) -> None:
        """The profile of the pod, and what denies the rest, are there when this returns. Raises Temporary, ApiError."""
        profile = Profile.of(pod)
        key = Key(pod.namespace, profile.policy)
        self._known[key], self._needed[key] = profile, self._clock.monotonic()
        wanted = [base_policy(pod.namespace), self._render(pod.namespace, profile)]
        if all(self._is_there(policy) for policy in wanted):
            return
        async with self._writing:
            for policy in wanted:
                await self._put(policy)
                await self._confirm(policy)

    def controller(self) -> Controller:
        """Reconciles namespaces: the name in a key says nothing."""
        controller = Controller(
            "network profiles", self._instances, self._reconcile, options=Options(workers=2, concerns=_comes_or_goes)
        )

        def policy_changed(old: View | None, new: View | None) -> None:
            controller.enqueue(Key(key_of(new or old or {}).namespace, ""))

        def run_changed(old: View | None, new: View | None) -> None:
            if new is None:  # the last one lets its namespace go; for a new one there is `ensure`
                controller.enqueue(Key(key_of(old or {}).namespace, ""))

        def api_changed(old: View | None, new: View | None) -> None:
            for namespace in {key.namespace for key in self._policies.cache.known_keys()}:
                controller.enqueue(Key(namespace, ""))

        self._policies.on_change(policy_changed)
        self._runs.on_change(run_changed)
        self._api.on_change(api_changed)
        return controller

    async def _reconcile(self, key: Key) -> Result:
        namespace = key.namespace
        async with self._writing:
            there = {metadata(policy)["name"]: policy for policy in self._policies.cache.all(namespace)}
            if not self._has_any(namespace):
                await self._remove(namespace, there)
                return DONE
            for policy in (self._render(namespace, Profile()), base_policy(namespace)):
                await self._mend(policy)
            wanted = self._wanted_profiles(namespace, there)
            for policy in wanted.values():
                await self._mend(policy)
            await self._remove(namespace, set(there) - {BASE, *wanted})
        return Result(requeue_after=LOOK_AGAIN) if len(wanted) > 1 else DONE

    def _has_any(self, namespace: str) -> bool:
        """Whether a pod of a run may be in the namespace, or come any moment."""
        if self._instances.cache.all(namespace) or self._runs.cache.all(namespace):
            return True
        return any(plan.namespace == namespace for plan in self._waiting())

    def _wanted_profiles(self, namespace: str, there: Iterable[str]) -> dict[str, Object]:
        """By name: the one that opens the bus, those that runs need, and those that were needed a moment ago."""
        now = self._clock.monotonic()
        used = {Profile().policy, *(Profile.of(plan).policy for plan in self._waiting() if plan.namespace == namespace)}
        used |= {policy_name(digest) for run in self._runs.cache.all(namespace) for digest in _networks_of(run)}
        found = {}
        for name in (*used, *there):
            profile = Profile() if name == Profile().policy else self._known.get(Key(namespace, name))
            if profile is None:
                continue
            recently = now - self._needed.get(Key(namespace, name), now) < UNUSED
            if name in used or recently:
                found[name] = self._render(namespace, profile)
        return found

    def _render(self, namespace: str, profile: Profile) -> Object:
        """Raises Temporary while the API server's addresses are not known and the profile opens them."""
        servers = api_servers(self._api.cache.all())
        if profile.opens_api and not servers:
            raise Temporary("the addresses of the API server are not known: Service kubernetes has no EndpointSlice", after=2.0)
        return profile_policy(namespace, profile, self._bus, servers)

    def _is_there(self, policy: Object) -> bool:
        key = key_of(policy)
        found = self._policies.cache.get(key)
        return found is not None and key not in self._removed and is_as_wanted(found, policy)

    async def _mend(self, policy: Object) -> None:
        if not self._is_there(policy):
            await self._put(policy)

    async def _put(self, policy: Object) -> None:
        meta = metadata(policy)
        try:
            await self._cluster.create(NETWORK_POLICY, policy)
        except AlreadyExists:
            found = await self._cluster.get(NETWORK_POLICY, meta["namespace"], meta["name"])
            if is_as_wanted(found, policy):
                return
            log.info("NetworkPolicy %s/%s is not as it should be: written again", meta["namespace"], meta["name"])
            version = {"resourceVersion": metadata(found)["resourceVersion"]}
            await self._cluster.replace(NETWORK_POLICY, {**policy, "metadata": {**meta, **version}})

    async def _confirm(self, policy: Object) -> None:
        meta = metadata(policy)
        try:
            found = await self._cluster.get(NETWORK_POLICY, meta["namespace"], meta["name"])
        except NotFound:
            found = {}
        if not is_as_wanted(found, policy):
            raise Temporary(f"NetworkPolicy {meta['namespace']}/{meta['name']} does not stay as it was written", after=1.0)
        self._removed.discard(key_of(policy))

    async def _remove(self, namespace: str, policies: Iterable[str]) -> None:
        for name in policies:
            key = Key(namespace, name)
            self._removed.add(key)
            with suppress(NotFound):
                await self._cluster.delete(NETWORK_POLICY, namespace, name)

    def _remember(self, old: View | None, new: View | None) -> None:
        """Of what a policy was made, so that one which somebody deletes can be made again."""
        key = key_of(new or old or {})
        if new is None:
            self._removed.discard(key)
            return
        profile = profile_of(new)
        if profile is not None:
            self._known[key] = profile
            self._needed.setdefault(key, self._clock.monotonic())


def _comes_or_goes(old: View | None, new: View | None) -> bool:
    return old is None or new is None


def _networks_of(run: View) -> list[str]:
    """Digests of the profiles that pods of the run have; none when no pod can be left."""
    status = status_of(run)
    if status.get("cleaned") and run["spec"].get("cleanup") != "keep":
        return []
    return [str(digest) for field in ("network", "hookNetwork") if (digest := status.get(field))]
