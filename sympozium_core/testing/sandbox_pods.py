"""Part of `sandbox.SandboxContract`: how a pod starts, what its containers find, and what is said of them."""

from __future__ import annotations

import asyncio

import pytest

from sympozium_core import names
from sympozium_core.contracts.plan import Container, PodPlan, Resources
from sympozium_core.errors import Permanent
from sympozium_core.testing.sandbox_bench import Bench, agent, container, shell

_TELL_ENVIRONMENT = "env >&2; sleep 2; exit 1"
"""Stays for a while: until every container of the pod is there."""


class Pods:
    async def test_a_pod_runs_and_ends_with_its_code(self, bench: Bench) -> None:
        pod_id, status = await bench.run(agent("exit 7"))
        assert status.containers["agent"].state == "ended"
        assert status.containers["agent"].exit_code == 7
        assert not status.containers["agent"].out_of_memory
        assert pod_id in bench.changes

    async def test_a_running_pod_is_observed_as_such(self, bench: Bench) -> None:
        pod_id = await bench.start(agent("sleep 60", container("skill-one", shell("exit 0"))))
        status = await bench.until(
            pod_id, lambda status: status.state == "running" and status.containers["skill-one"].state == "ended"
        )
        assert status.containers["agent"].state == "running"
        assert status.containers["agent"].exit_code is None
        assert not status.message
        assert await bench.pods() == [pod_id]

    async def test_message_is_the_end_of_standard_error(self, bench: Bench) -> None:
        script = "i=0; while [ $i -lt 3000 ]; do echo line $i >&2; i=$((i+1)); done; echo the last words >&2; exit 3"
        _, status = await bench.run(agent(script))
        message = status.containers["agent"].message
        assert message.rstrip().endswith("line 2999\nthe last words")
        assert len(message.encode()) <= 2048

    async def test_the_worst_container_explains_the_end(self, bench: Bench) -> None:
        skill = container("skill-bad", shell('echo broken >&2; >"$workspace/told"; exit 9'))
        _, status = await bench.run(agent('until [ -e "$workspace/told" ]; do sleep 0.05; done; sleep 1', skill))
        worst = status.worst()
        assert worst is not None
        assert (worst.exit_code, worst.message.strip()) == (9, "broken")

    async def test_an_unknown_pod_is_absent_and_may_be_ended(self, bench: Bench) -> None:
        assert (await bench.sandbox.observe("never-was")).state == "absent"
        await bench.sandbox.stop("never-was", grace=1)
        await bench.sandbox.remove("never-was")
        assert await bench.pods() == []

    async def test_a_second_start_leaves_the_pod_alone(self, bench: Bench) -> None:
        plan = bench.fit(agent('echo once >>"$workspace/count"; sleep 0.2; cat "$workspace/count" >&2; exit 1'))
        pod_id = bench.new_id()
        await asyncio.gather(*(bench.sandbox.start(pod_id, plan) for _ in range(3)))
        await bench.until(pod_id, lambda status: status.state == "ended")
        await bench.sandbox.start(pod_id, plan)
        status = await bench.sandbox.observe(pod_id)
        assert (status.state, status.containers["agent"].message) == ("ended", "once\n")

    async def test_no_container_sees_the_volume_of_another(self, bench: Bench) -> None:
        look = '>"$ipc/$me"; >"$workspace/$me"; until [ -e "$workspace/$other" ]; do sleep 0.05; done; ls "$ipc" >&2; sleep 1; exit 1'
        skill = container("skill-one", shell(f"me=one other=agent; {look}"))
        _, status = await bench.run(agent(f"me=agent other=one; {look}", skill))
        seen = {name: set(each.message.split()) for name, each in status.containers.items()}
        assert {"agent", "one"} & seen["agent"] == {"agent"}
        assert {"agent", "one"} & seen["skill-one"] == {"one"}

    async def test_the_workspace_is_shared(self, bench: Bench) -> None:
        skill = container(
            "skill-one",
            shell('while ! [ -e "$workspace/asked" ]; do sleep 0.01; done; echo yes >"$workspace/answer"; sleep 1'),
        )
        script = '[ "$PWD" = "$workspace" ] || exit 4; echo ? >"$workspace/asked"; while ! [ -e answer ]; do sleep 0.01; done'
        _, status = await bench.run(agent(script, skill))
        assert status.containers["agent"].exit_code == 0

    async def test_nothing_of_the_servers_environment_is_handed_down(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        secret = "sk-never-to-be-seen"
        for name in ("OPENAI_API_KEY", "SYMPOZIUM_DATA_DIR", "AWS_SECRET_ACCESS_KEY", "SOMETHING_ELSE"):
            monkeypatch.setenv(name, secret)
        others = [container(name, shell(_TELL_ENVIRONMENT)) for name in ("bridge", "skill-one")]
        pod_id = await bench.start(agent(f"sleep 1; {_TELL_ENVIRONMENT}", *others))
        status = await bench.until(
            pod_id, lambda status: bool(status.containers) and all(each.message for each in status.containers.values())
        )
        for name, each in status.containers.items():
            assert secret not in each.message
            assert f"{names.ENV_POD}={pod_id}" in each.message.splitlines(), name
        seen = status.containers["agent"].message
        assert "token-of" not in seen
        assert names.ENV_BUS_CREDENTIAL not in seen

    async def test_the_plans_environment_cannot_replace_the_drivers(self, bench: Bench) -> None:
        plain = container("agent", shell('echo "$MINE $SYMPOZIUM_POD" >&2; exit 1'))
        hostile = Container(**{**vars(plain), "env": {"MINE": "$(HOME) $$", names.ENV_POD: "other"}})
        pod_id, status = await bench.run(PodPlan((hostile,)))
        assert status.containers["agent"].message == f"$(HOME) $$ {pod_id}\n"

    async def test_a_bad_pod_id_is_refused(self, bench: Bench) -> None:
        for pod_id in ("", "../up", "a/b", "Upper", "x" * 64, ".", "-a"):
            with pytest.raises(Permanent):
                await bench.sandbox.start(pod_id, bench.fit(agent("exit 0")))
            assert pod_id not in await bench.sandbox.pods()

    @pytest.mark.parametrize(
        "plan",
        [
            PodPlan((container("../agent", ("true",)),)),
            PodPlan((container("agent", ("true",)), container("agent", ("true",)))),
            PodPlan((container("agent", ("true",)), container("skill-one", ()))),
        ],
    )
    async def test_a_bad_plan_is_refused_and_leaves_nothing(self, bench: Bench, plan: PodPlan) -> None:
        with pytest.raises(Permanent):
            await bench.start(plan)
        assert (await bench.sandbox.observe(bench.pod_ids[-1])).state == "absent"
        assert await bench.pods() == []

    async def test_twenty_pods_at_once(self, bench: Bench) -> None:
        started = await asyncio.gather(*(bench.start(agent("sleep 300")) for _ in range(20)))
        await asyncio.gather(*(bench.until(pod_id, lambda status: status.state == "running") for pod_id in started))
        assert await bench.pods() == sorted(started)
        await asyncio.gather(*(bench.sandbox.remove(pod_id) for pod_id in started))
        assert await bench.pods() == []

    async def test_too_much_memory_is_told_as_such(self, bench: Bench) -> None:
        command = ("python3", "-S", "-c", "x = bytearray(b'1') * (1 << 30); print(len(x))")
        bounds = Resources(memory=128 * 1024 * 1024)
        _, status = await bench.run(PodPlan((container("agent", command, resources=bounds),)))
        assert status.containers["agent"].exit_code != 0
        assert status.containers["agent"].out_of_memory
