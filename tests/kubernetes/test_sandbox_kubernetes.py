"""The sandbox driver `kubernetes` on a real cluster: the contract of sandboxes, and what only pods have."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sympozium_sandbox_kubernetes import presence
from sympozium_sandbox_kubernetes.driver import KubernetesSandbox

from sympozium_core import names
from sympozium_core.cluster.client import ClusterClient
from sympozium_core.contracts.builtin_kinds import JOB, POD
from sympozium_core.contracts.plan import PodPlan
from sympozium_core.contracts.sandbox import ALL_PROMISES, PodStatus, Sandbox
from sympozium_core.testing.sandbox import SandboxContract
from sympozium_core.testing.sandbox_bench import UP, agent, container, eventually, marked, remains, shell, sign
from tests.kubernetes.kubectl import Kubectl
from tests.kubernetes.machine.layout import Layout
from tests.kubernetes.manifests import pod, pod_spec
from tests.kubernetes.pod_bench import AUTHORITY, BUS, PodBench

pytestmark = pytest.mark.timeout(180)
FOREVER = "while :; do sleep 0.05; done"


@pytest.fixture
def driver(python_image: str, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    for name in (names.ENV_RUNNER_IMAGE, names.ENV_SKILL_IMAGE):
        monkeypatch.setenv(name, python_image)
    return KubernetesSandbox()


@pytest.fixture
async def bench(driver: Sandbox, kubeconfig: Path, kubectl: Kubectl, namespace: str, tmp_path: Path) -> AsyncIterator[PodBench]:
    """The driver, opened, with a namespace that admits nothing but restricted pods; afterwards the cluster is searched for what it left."""
    kubectl("label", "namespace", namespace, "pod-security.kubernetes.io/enforce=restricted")
    cluster = ClusterClient.from_kubeconfig(kubeconfig)
    bench = PodBench(driver, tmp_path, cluster, namespace)
    await driver.open(bench.context())
    try:
        for pod_id in await bench.pods():
            await driver.remove(pod_id)
        yield bench
        for pod_id in bench.pod_ids:
            await driver.remove(pod_id)
        assert await bench.pods() == []
        for pod_id in bench.pod_ids:
            await bench.gone(pod_id)
        await eventually(lambda: not remains(bench.pod_ids, tmp_path), "processes are left", within=bench.haste)
    finally:
        await driver.close()
        await cluster.close()


def running(status: PodStatus) -> bool:
    return status.state == "running"


def ended(status: PodStatus) -> bool:
    return status.state == "ended"


class TestKubernetes(SandboxContract):
    expects = ALL_PROMISES

    async def test_a_removal_does_not_wait_for_a_grace(self, bench: PodBench) -> None:  # type: ignore[override]
        """But where a node has begun to end a pod, with the grace that it was told first."""
        pod_id = await bench.start(agent(f"trap '' TERM; {UP}{FOREVER}", sign()))
        await bench.up(pod_id)
        stopping = asyncio.create_task(bench.sandbox.stop(pod_id, grace=5))
        await asyncio.sleep(0)
        await bench.sandbox.remove(pod_id)
        assert (await bench.sandbox.observe(pod_id)).state == "absent"
        await stopping
        assert marked(pod_id) == 0


async def test_the_namespace_admits_restricted_pods_alone(bench: PodBench, here: Kubectl, python_image: str) -> None:
    """What lets the other tests of this file show that every pod is one."""
    loose = {"name": "main", "image": python_image, "command": ["true"]}
    assert "violates PodSecurity" in here.apply_refused(pod("loose", pod_spec(loose)))


class TestWhyAPodDoesNotStart:
    async def test_its_image_is_nowhere(self, bench: PodBench) -> None:
        plain = container("agent", shell("exit 0"))
        missing = replace(plain, image="localhost/absent:1")
        message = await bench.refused(PodPlan((missing,)), "localhost/absent:1")
        assert message.startswith(("ErrImagePull: ", "ImagePullBackOff: "))

    async def test_its_runtime_class_is_not_there(self, bench: PodBench) -> None:
        plan = replace(agent("exit 0"), runtime_class="kata-nowhere")
        message = await bench.refused(plan, "kata-nowhere")
        assert message.startswith("FailedCreate: ")

    async def test_the_quota_is_used_up_and_it_starts_when_there_is_room(self, bench: PodBench, here: Kubectl) -> None:
        here("create", "quota", "none", "--hard=pods=0")
        await eventually(lambda: "hard" in here.get("quota", "none")["status"], "the quota is in force")
        pod_id = await bench.start(agent("exit 6"))
        status = await bench.until(pod_id, lambda status: "exceeded quota" in status.message)
        assert status.message.startswith("FailedCreate: ")
        assert {each.state for each in status.containers.values()} == {"waiting"}
        here("delete", "quota", "none")
        status = await bench.until(pod_id, ended)
        assert (status.containers["agent"].exit_code, status.message) == (6, "")

    async def test_no_node_fits(self, bench: PodBench) -> None:
        plan = replace(agent("exit 0"), node_selector={"example.com/none": "such"})
        assert (await bench.refused(plan, "node")).startswith("Unschedulable: 0/")

    async def test_its_secret_is_not_there(self, bench: PodBench) -> None:
        skill = replace(container("skill-one", shell("sleep 60")), secret="absent", secret_path="/secrets/absent")
        assert (await bench.refused(agent("exit 0", skill), "absent")).startswith("FailedMount: ")

    async def test_its_program_is_not_in_the_image(self, bench: PodBench) -> None:
        _, status = await bench.run(PodPlan((container("agent", ("/no/such/program",)),)))
        assert "/no/such/program" in status.containers["agent"].message
        assert status.containers["agent"].exit_code


class TestLosses:
    async def test_an_eviction_is_no_failure_of_the_runs(self, bench: PodBench) -> None:
        pod_id = await bench.start(agent(f"trap 'exit 3' TERM; {UP}{FOREVER}", sign()))
        await bench.up(pod_id)
        (found,) = await bench.of_pod(POD, pod_id)
        client: Any = bench.cluster
        eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": found["metadata"]["name"]}}
        await client.create_subresource(POD, bench.namespace, found["metadata"]["name"], "eviction", eviction)
        status = await bench.until(pod_id, ended)
        assert status.lost
        assert status.message.startswith("EvictionByEvictionAPI: ")
        await self._only_one_pod(bench, pod_id)

    @pytest.mark.parametrize("how", [(), ("--force", "--grace-period=0")])
    async def test_a_pod_that_somebody_deletes_is_lost(self, bench: PodBench, here: Kubectl, how: tuple[str, ...]) -> None:
        pod_id = await bench.start(agent(f"trap 'exit 3' TERM; {UP}{FOREVER}", sign()))
        await bench.up(pod_id)
        (found,) = await bench.of_pod(POD, pod_id)
        await asyncio.to_thread(here, "delete", "pod", found["metadata"]["name"], "--wait=false", *how)
        status = await bench.until(pod_id, ended)
        assert status.lost
        assert status.message == "Deleted: the pod was deleted by somebody else"
        assert all(each.state == "ended" for each in status.containers.values())
        await self._only_one_pod(bench, pod_id, found["metadata"]["uid"])
        assert (await bench.sandbox.observe(pod_id)).state == "ended"

    async def test_filling_a_volume_is_the_pods_own_doing(self, bench: PodBench) -> None:
        bench.patience = 150  # a node measures volumes once a minute
        _, status = await bench.run(agent("dd if=/dev/zero of=/tmp/much bs=1M count=300; sleep 300"))
        assert not status.lost
        assert status.message.startswith("Evicted: ")
        assert "tmp-agent" in status.message

    async def test_a_pod_that_went_while_nobody_looked_is_lost(self, bench: PodBench, here: Kubectl) -> None:
        pod_id = await bench.start(agent(FOREVER))
        await bench.until(pod_id, running)
        await bench.sandbox.close()
        (found,) = await bench.of_pod(POD, pod_id)
        await asyncio.to_thread(here, "delete", "pod", found["metadata"]["name"], "--grace-period=1")
        await asyncio.to_thread(here.wait, "condition=Failed", f"job/{pod_id}")
        await bench.sandbox.open(bench.context())
        status = await bench.sandbox.observe(pod_id)
        assert (status.state, status.lost, list(status.containers)) == ("ended", True, ["agent"])

    async def _only_one_pod(self, bench: PodBench, pod_id: str, uid: str = "") -> None:
        """The Job has given up: no Pod will come from it any more. `uid` is of one that may still be on its way out."""
        async with asyncio.timeout(bench.patience):
            while True:
                (job,) = await bench.of_pod(JOB, pod_id)
                if any(each["type"] == "Failed" for each in job["status"].get("conditions") or ()):
                    break
                await asyncio.sleep(0.1)
        assert {each["metadata"]["uid"] for each in await bench.of_pod(POD, pod_id)} <= {uid}


class TestAnotherController:
    async def test_it_goes_on_with_the_pods_of_the_one_before(self, bench: PodBench) -> None:
        pod_id = await bench.start(agent(f"trap 'echo bye >&2; exit 5' TERM; {UP}{FOREVER}", sign()))
        await bench.up(pod_id)
        await bench.sandbox.close()
        assert marked(pod_id) > 0
        second = KubernetesSandbox()
        await second.open(bench.context())
        try:
            assert running(await second.observe(pod_id))
            assert pod_id in await second.pods()
            await second.start(pod_id, bench.fit(agent("exit 0")))
            await second.stop(pod_id, grace=5)
            assert (await second.observe(pod_id)).containers["agent"].exit_code == 5
        finally:
            await second.close()
        await bench.sandbox.open(bench.context())

    async def test_it_learns_of_an_end_that_nobody_saw(self, bench: PodBench, here: Kubectl) -> None:
        pod_id = await bench.start(agent("sleep 2; echo words >&2; exit 4"))
        await bench.sandbox.close()
        await asyncio.to_thread(here.wait, "condition=Failed", f"job/{pod_id}")
        await bench.sandbox.open(bench.context())
        status = await bench.sandbox.observe(pod_id)
        assert (status.state, status.lost) == ("ended", False)
        assert (status.containers["agent"].exit_code, status.containers["agent"].message) == (4, "words\n")

    async def test_a_stop_before_the_pod_is_there_ends_it_too(self, bench: PodBench) -> None:
        pod_id = await bench.start(agent(FOREVER))
        await bench.sandbox.stop(pod_id, grace=0)
        await bench.until(pod_id, lambda status: status.state in ("absent", "ended"))
        await bench.gone(pod_id)
        assert marked(pod_id) == 0


async def test_a_job_in_another_namespace_is_not_believed(bench: PodBench, kubectl: Kubectl) -> None:
    other = f"{bench.namespace}-other"
    kubectl("create", "namespace", other)
    try:
        pod_id = await bench.start(agent(FOREVER))
        await bench.until(pod_id, running)
        (job,) = await bench.of_pod(JOB, pod_id)
        forged = {**job, "metadata": {"name": pod_id, "labels": job["metadata"]["labels"]}, "status": {}}
        del forged["spec"]["selector"]
        forged["spec"]["template"]["metadata"]["labels"] = job["metadata"]["labels"]
        forged["spec"]["template"]["spec"]["containers"][0]["command"] = ["sh", "-c", "exit 9"]
        kubectl.within(other).apply(forged)
        await asyncio.to_thread(kubectl.within(other).wait, "condition=Failed", f"job/{pod_id}")
        assert running(await bench.sandbox.observe(pod_id))
        await bench.sandbox.remove(pod_id)
        assert kubectl.within(other).exists("job", pod_id)
        assert pod_id in await bench.sandbox.pods()
        bench.pod_ids.clear()  # no run has that pod any more: now a sweep may find it anywhere
        await bench.sandbox.remove(pod_id)
        assert not kubectl.within(other).exists("job", pod_id)
    finally:
        kubectl("delete", "namespace", other, "--wait=false")


class TestWhatContainersFind:
    async def test_the_bridge_alone_has_what_the_bus_wants(self, bench: PodBench) -> None:
        show = f"""
import base64, json, os, sys
claims = open(os.environ["{names.ENV_BUS_TOKEN_FILE}"]).read().split(".")[1]
claims = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
seen = {{"aud": claims["aud"], "pod": claims["kubernetes.io"]["pod"]["name"], "ca": open(os.environ["{names.ENV_BUS_CA_FILE}"]).read()}}
seen |= {{name: os.environ[name] for name in ("{names.ENV_BUS_ADDRESS}", "{names.ENV_MODEL_LISTEN}")}}
os.makedirs(os.environ["{names.ENV_SKILLS}"] + "/pack")
open(os.environ["{names.ENV_SKILLS}"] + "/pack/how-to.md", "w").write("First.")
open(os.environ["{names.ENV_CREDENTIALS}"] + "/skill-one/token", "w").write("granted")
open(os.environ["{names.ENV_VOLUMES}"] + "/agent/go", "w").close()
print(json.dumps(seen), file=sys.stderr)
sys.exit(1)
"""
        look = """
until [ -e /ipc/go ]; do sleep 0.1; done
cat /skills/pack/how-to.md >&2
{ touch /skills/mine; ls /var/run/secrets /var/run/sympozium /credentials /volumes; env | grep -i -e token -e BUS; } >&2
sleep 3
exit 1
"""
        skill = "f=/var/run/secrets/kubernetes.io/serviceaccount/token; until [ -e $f ]; do sleep 0.1; done; cat $f >&2; >$f; sleep 1; exit 1"
        one = replace(container("skill-one", shell(skill)), kubernetes=True)
        bridge = container("bridge", (bench.python, "-c", show))
        pod_id = await bench.start(PodPlan((container("agent", shell(look)), one, bridge)))
        status = await bench.until(pod_id, ended)
        (found,) = await bench.of_pod(POD, pod_id)
        assert json.loads(status.containers["bridge"].message) == {
            "aud": [names.BUS_AUDIENCE],
            "pod": found["metadata"]["name"],
            "ca": AUTHORITY,
            names.ENV_BUS_ADDRESS: BUS,
            names.ENV_MODEL_LISTEN: "127.0.0.1:4180",
        }
        seen = status.containers["agent"].message
        assert seen.startswith("First.touch: /skills/mine: Read-only file system\n")
        assert seen.count("No such file or directory") == 4
        assert len(seen.splitlines()) == 5
        granted = status.containers["skill-one"].message
        assert granted.startswith("granted")
        assert "Read-only file system" in granted

    async def test_a_secret_is_in_its_sidecar_and_nowhere_else(self, bench: PodBench, here: Kubectl) -> None:
        here("create", "secret", "generic", "keys", "--from-literal=key=s3cret")
        skill = container("skill-one", shell("cat /secrets/keys/key >&2; sleep 1; exit 1"))
        with_secret = replace(skill, secret="keys", secret_path="/secrets/keys")
        without = replace(skill, name="skill-two")
        pod_id = await bench.start(agent("ls /secrets >&2; sleep 4; exit 1", with_secret, without))
        status = await bench.until(pod_id, ended)
        assert status.containers["skill-one"].message == "s3cret"
        assert "No such file" in status.containers["skill-two"].message
        assert "No such file" in status.containers["agent"].message

    async def test_names_are_known_from_the_hosts_file_alone(self, bench: PodBench, here: Kubectl) -> None:
        here("create", "service", "clusterip", "bus", "--tcp=4222:4222")
        address = here.get("service", "bus")["spec"]["clusterIP"]
        await bench.sandbox.close()
        host = f"bus.{bench.namespace}.svc"
        await bench.sandbox.open(replace(bench.context(), bus_address=f"tls://{host}:4222"))
        script = f"""
import socket, sys, time
began = time.monotonic()
try:
    socket.getaddrinfo("kubernetes.default.svc", 443)
except OSError:
    print(socket.gethostbyname("{host}"), time.monotonic() - began < 4, file=sys.stderr)
sys.exit(1)
"""
        assert await bench.told(PodPlan((container("agent", (bench.python, "-c", script)),))) == f"{address} True\n"

    async def test_gvisor_by_its_runtime_class(self, bench: PodBench) -> None:
        plan = replace(agent("dmesg >&2; exit 1"), runtime_class="gvisor")
        assert "Starting gVisor" in await bench.told(plan)
        assert "gVisor" not in await bench.told(agent("dmesg >&2; exit 1"))

    async def test_pods_of_one_memory_are_put_on_one_node(self, bench: PodBench) -> None:
        plan = replace(agent(FOREVER), memory="alice-memory")
        pods = await asyncio.gather(bench.start(plan), bench.start(plan))
        for pod_id in pods:
            await bench.until(pod_id, running)
        nodes = {(await bench.of_pod(POD, pod_id))[0]["spec"]["nodeName"] for pod_id in pods}
        assert len(nodes) == 1


async def test_check_says_which_cluster_answers(cluster: Layout, python_image: str) -> None:
    environment = {presence.HOST: "127.0.0.1", presence.PORT: "6443", names.ENV_RUNNER_IMAGE: python_image}
    found = await presence.look(environment, account=cluster.pki)
    assert found.usable
    assert found.reason.startswith("Kubernetes v1.")
    assert "127.0.0.1:6443" in found.reason
