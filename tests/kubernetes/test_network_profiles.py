"""NetworkPolicies of runs and claims of instances on a real API server: there before a pod, as they should be while one may be, gone afterwards."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from sympozium_core.contracts.builtin_kinds import ENDPOINT_SLICE, NETWORK_POLICY, PERSISTENT_VOLUME_CLAIM, STORAGE_CLASS
from sympozium_core.contracts.cluster import Object
from sympozium_core.contracts.network import network_digest
from sympozium_core.contracts.plan import PodPlan
from sympozium_core.contracts.sandbox import ContainerStatus, PodStatus
from sympozium_core.controllers import network_profiles
from sympozium_core.controllers.network_policies import BASE, Profile
from sympozium_core.resources.kinds import AGENT_RUN, SYMPOZIUM_INSTANCE
from tests.kubernetes.kubectl import Kubectl
from tests.kubernetes.stage import Stage

pytestmark = pytest.mark.usefixtures("crds")

ROOT = Path(__file__).parents[2]
RIGHTS = {"rbac": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]}
OPEN = {"networkPolicy": {"allowedEgress": [{"host": "93.184.216.34", "port": 443}, {"host": "0.0.0.0/0", "port": 53}]}}
BUS_POLICY, API_POLICY = Profile().policy, Profile("api").policy


async def policies(played: Stage) -> dict[str, Object]:
    page = await played.cluster.list(NETWORK_POLICY, played.namespace)
    return {each["metadata"]["name"]: each for each in page.items}


async def are(played: Stage, *names: str) -> None:
    async def so() -> bool:
        return set(await policies(played)) == set(names)

    await played.until(so, f"the policies are {names}, not {set(await policies(played))}")


async def delete(played: Stage, run: Object) -> None:
    name = run["metadata"]["name"]
    await played.cluster.delete(AGENT_RUN, played.namespace, name)

    async def gone() -> bool:
        return not await played.exists(AGENT_RUN, name)

    await played.until(gone, "the run is gone")


async def test_a_namespace_with_an_instance_is_closed_before_any_run(played: Stage) -> None:
    async with played.controller():
        await are(played)
        await played.furnish()
        await are(played, BASE, BUS_POLICY)
        found = await policies(played)
        assert found[BASE]["spec"] == {
            "podSelector": {"matchLabels": {"sympozium.ai/component": "agent-run"}},
            "policyTypes": ["Ingress", "Egress"],
        }
        await played.cluster.delete(SYMPOZIUM_INSTANCE, played.namespace, "agent")
        await are(played)


@pytest.mark.parametrize("furniture", [{}, {"sidecar": RIGHTS}, {"policy": OPEN}, {"sidecar": RIGHTS, "policy": OPEN}])
async def test_the_profile_of_a_pod_is_there_before_the_pod(played: Stage, furniture: dict[str, Any]) -> None:
    seen: list[dict[str, Object]] = []

    async def look(pod: str, plan: PodPlan) -> None:
        found = await policies(played)
        assert BASE in found
        seen.append(found[f"sympozium-{network_digest(plan)}"])

    played.sandbox.before_start = look
    async with played.controller():
        await played.furnish(**furniture)
        run = await played.run()
        pod = await played.running(run)
        (policy,) = seen
        egress = policy["spec"]["egress"]
        assert len(egress) == 1 + ("sidecar" in furniture) + 2 * ("policy" in furniture)
        if "sidecar" in furniture:
            slices = (
                await played.cluster.list(ENDPOINT_SLICE, "default", labels="kubernetes.io/service-name=kubernetes")
            ).items
            addresses = {address for each in slices for endpoint in each["endpoints"] for address in endpoint["addresses"]}
            opened = {to["ipBlock"]["cidr"] for to in egress[1]["to"]}
            assert {f"{address}/32" for address in addresses} == opened
        assert (await played.status(run))["network"] == network_digest(played.sandbox.plans[pod])
        await played.finish(run)


async def test_what_is_there_is_not_written_again(played: Stage) -> None:
    async with played.controller():
        await played.furnish(sidecar=RIGHTS, policy=OPEN)
        await played.finish(await played.run())
        played.cluster.writes.clear()
        runs = [await played.run() for _ in range(5)]
        for run in runs:
            await played.running(run)
            await played.finish(run)
    assert not [write for write in played.cluster.writes if "NetworkPolicy" in write]


async def test_what_somebody_changes_or_deletes_comes_back(played: Stage, here: Kubectl) -> None:
    async with played.controller():
        await played.furnish(sidecar=RIGHTS)
        run = await played.run()
        await played.running(run)
        await are(played, BASE, BUS_POLICY, API_POLICY)
        before = await policies(played)
        wide_open = '{"spec":{"egress":[{}],"ingress":[{}]}}'
        for name in before:
            here("patch", "networkpolicy", name, "--type=merge", "-p", wide_open)
        await played.until(lambda: same_specs(played, before), "what was changed is as before")
        for name in before:
            here("delete", "networkpolicy", name)
        await played.until(lambda: same_specs(played, before), "what was deleted is there again")
        note = '{"metadata":{"annotations":{"sympozium.ai/network":"{}"}}}'
        here("patch", "networkpolicy", API_POLICY, "--type=merge", "-p", note)
        await played.until(lambda: same_notes(played, before), "what it was made of is as before")
        await played.finish(run)


async def same_specs(played: Stage, before: dict[str, Object]) -> bool:
    found = await policies(played)
    return {name: each["spec"] for name, each in found.items()} == {name: each["spec"] for name, each in before.items()}


async def same_notes(played: Stage, before: dict[str, Object]) -> bool:
    found = await policies(played)
    return all(
        found[name]["metadata"].get("annotations") == each["metadata"].get("annotations") for name, each in before.items()
    )


async def test_deleting_the_instance_does_not_open_the_network_of_its_run(played: Stage) -> None:
    async with played.controller():
        await played.furnish(sidecar=RIGHTS)
        run = await played.run(timeout="1h")
        pod = await played.running(run)
        await played.cluster.delete(SYMPOZIUM_INSTANCE, played.namespace, "agent")
    async with played.controller():
        played.sandbox.says(pod, PodStatus("running", {"agent": ContainerStatus("running")}))
        await asyncio.sleep(1)  # whatever would take them away has had its chance
        assert set(await policies(played)) == {BASE, BUS_POLICY, API_POLICY}
        await played.finish(run)
        assert BASE in await policies(played), "the record of the run is still there"
        await delete(played, run)
        await are(played)


async def test_a_profile_that_no_run_needs_goes_after_a_while(played: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network_profiles, "LOOK_AGAIN", 0.2)
    monkeypatch.setattr(network_profiles, "UNUSED", 1.0)
    async with played.controller():
        await played.furnish(sidecar=RIGHTS)
        run, kept = await played.run(), await played.run(cleanup="keep")
        for each in (run, kept):
            await played.running(each)
            await played.finish(each)
        await asyncio.sleep(2)
        assert API_POLICY in await policies(played), "a pod that is kept keeps its walls"
        await delete(played, kept)
        await are(played, BASE, BUS_POLICY)
        again = await played.run()
        await played.running(again)
        assert API_POLICY in await policies(played)
        await played.finish(again)


async def test_the_api_servers_addresses_are_followed(played: Stage) -> None:
    another = f"another-{played.namespace}"
    async with played.controller():
        await played.furnish(sidecar=RIGHTS)
        run = await played.run()
        await played.running(run)

        async def opened() -> set[str]:
            egress = (await policies(played))[API_POLICY]["spec"]["egress"]
            return {to["ipBlock"]["cidr"] for rule in egress for to in rule["to"] if "ipBlock" in to}

        before = await opened()
        # Of the other family, so that nothing is sent there.
        await played.cluster.create(
            ENDPOINT_SLICE,
            {
                "metadata": {"name": another, "namespace": "default", "labels": {"kubernetes.io/service-name": "kubernetes"}},
                "addressType": "IPv6",
                "endpoints": [{"addresses": ["2001:db8::1"]}],
                "ports": [{"name": "https", "port": 6443, "protocol": "TCP"}],
            },
        )
        try:
            await played.until(lambda: includes(opened, "2001:db8::1/128"), "the new address is open")
        finally:
            await played.cluster.delete(ENDPOINT_SLICE, "default", another)

        async def as_before() -> bool:
            return await opened() == before

        await played.until(as_before, "and closed again")
        await played.finish(run)


async def includes(opened: Any, cidr: str) -> bool:
    return cidr in await opened()


async def memory_of(played: Stage) -> Object:
    found = await played.cluster.get(SYMPOZIUM_INSTANCE, played.namespace, "agent")
    told = [each for each in (found.get("status") or {}).get("conditions") or () if each["type"] == "MemoryReady"]
    return dict(told[0]) if told else {}


async def until_memory(played: Stage, reason: str) -> Object:
    async def says() -> bool:
        return bool((await memory_of(played)).get("reason") == reason)

    await played.until(says, f"MemoryReady says {reason}")
    return await memory_of(played)


async def storage_class(played: Stage, name: str, provisioner: str, mode: str = "WaitForFirstConsumer") -> str:
    await played.cluster.create(
        STORAGE_CLASS, {"metadata": {"name": name}, "provisioner": provisioner, "volumeBindingMode": mode}
    )
    return name


async def test_memory_gets_a_claim_that_goes_with_the_instance(played: Stage) -> None:
    made = await storage_class(played, f"local-{played.namespace}", "example.com/local")
    claim = {
        "metadata": {"name": "agent-memory", "namespace": played.namespace},
        "spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": made, "resources": {"requests": {"storage": "1Gi"}}},
    }
    try:
        async with played.controller():
            await played.furnish()
            await asyncio.sleep(0.5)
            assert not await played.exists(PERSISTENT_VOLUME_CLAIM, "agent-memory"), "an instance without memory has no claim"
            await played.cluster.create(PERSISTENT_VOLUME_CLAIM, claim)
            await enable_memory(played)
            told = await until_memory(played, "WaitForFirstConsumer")
            assert told["status"] == "True"
            run = await played.run()
            pod = await played.running(run)
            assert played.sandbox.plans[pod].memory == "agent-memory"
            await played.finish(run)
    finally:
        await played.cluster.delete(STORAGE_CLASS, None, made)


async def test_memory_on_a_network_file_system_is_refused_with_the_reason(played: Stage) -> None:
    made = await storage_class(played, f"nfs-{played.namespace}", "nfs.csi.k8s.io")
    claim = {
        "metadata": {"name": "agent-memory", "namespace": played.namespace},
        "spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": made, "resources": {"requests": {"storage": "1Gi"}}},
    }
    try:
        await played.cluster.create(PERSISTENT_VOLUME_CLAIM, claim)
        async with played.controller():
            await played.furnish(memory={"enabled": True})
            told = await until_memory(played, "NetworkFileSystem")
            assert told["status"] == "False"
            assert "NFS" in told["message"]
            assert made in told["message"]

            async def said() -> bool:
                return any(event.startswith("MemoryNetworkFileSystem: ") for event in await played.events())

            await played.until(said, "an Event says so")
    finally:
        await played.cluster.delete(STORAGE_CLASS, None, made)


async def test_a_claim_is_made_of_the_default_class_and_owned(played: Stage, kubectl: Kubectl) -> None:
    async with played.controller():
        await played.furnish(memory={})
        standard = [
            each["metadata"]["name"]
            for each in kubectl.get("storageclasses")["items"]
            if (each["metadata"].get("annotations") or {}).get("storageclass.kubernetes.io/is-default-class") == "true"
        ]
        if not standard:
            told = await until_memory(played, "NoStorageClass")
            assert "agent-memory" in told["message"]
            return
        await until_memory(played, "WaitForFirstConsumer")
        claim = await played.cluster.get(PERSISTENT_VOLUME_CLAIM, played.namespace, "agent-memory")
        assert claim["spec"]["accessModes"] == ["ReadWriteOnce"]
        await played.cluster.delete(SYMPOZIUM_INSTANCE, played.namespace, "agent")

        async def gone() -> bool:
            return not await played.exists(PERSISTENT_VOLUME_CLAIM, "agent-memory")

        await played.until(gone, "the claim goes with its instance", 60)


async def enable_memory(played: Stage) -> None:
    await played.cluster.patch(SYMPOZIUM_INSTANCE, played.namespace, "agent", {"spec": {"memory": {"enabled": True}}})
