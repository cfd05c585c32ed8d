"""Part of `sandbox.SandboxContract`: how a pod starts, what its containers find, and what is said of them."""

from __future__ import annotations

import asyncio
import json
import stat
import time

import pytest

from sympozium_core import names
from sympozium_core.contracts.plan import PodPlan, Resources, SkillText
from sympozium_core.contracts.sandbox import Sandbox
from sympozium_core.errors import Permanent
from sympozium_core.testing.sandbox_bench import Bench, agent, container, shell


class Pods:
    async def test_check_is_quick_and_gives_a_reason(self, driver: Sandbox) -> None:
        begun = time.monotonic()
        availability = await driver.check()
        assert time.monotonic() - begun < 5
        assert availability.usable, availability.reason
        assert availability.reason
        assert "\n" not in availability.reason

    async def test_a_pod_runs_and_ends_with_its_code(self, bench: Bench) -> None:
        pod_id, status = await bench.run(agent("exit 7"))
        assert status.containers["agent"].state == "ended"
        assert status.containers["agent"].exit_code == 7
        assert not status.containers["agent"].out_of_memory
        assert pod_id in bench.changes

    async def test_a_signal_is_a_negative_code(self, bench: Bench) -> None:
        _, status = await bench.run(agent("kill -KILL $$"))
        assert status.containers["agent"].exit_code == -9

    async def test_a_running_pod_is_observed_as_such(self, bench: Bench) -> None:
        pod_id = await bench.start(agent("sleep 60", container("skill-one", shell("exit 0"))))
        status = await bench.until(pod_id, lambda status: status.containers["skill-one"].state == "ended")
        assert status.state == "running"
        assert status.containers["agent"].state == "running"
        assert status.containers["agent"].exit_code is None
        assert await bench.sandbox.pods() == [pod_id]

    async def test_message_is_the_end_of_standard_error(self, bench: Bench) -> None:
        script = (
            "i=0; while [ $i -lt 3000 ]; do echo line $i >&2; i=$((i+1)); done; echo not this; echo the last words >&2; exit 3"
        )
        _, status = await bench.run(agent(script))
        message = status.containers["agent"].message
        assert message.rstrip().endswith("the last words")
        assert "not this" not in message
        assert len(message.encode()) <= 2048

    async def test_the_worst_container_explains_the_end(self, bench: Bench) -> None:
        _, status = await bench.run(agent("exit 0", container("skill-bad", shell("echo broken >&2; exit 9"))))
        worst = status.worst()
        assert worst is not None
        assert (worst.exit_code, worst.message.strip()) == (9, "broken")

    async def test_an_unknown_pod_is_absent_and_may_be_ended(self, bench: Bench) -> None:
        assert (await bench.sandbox.observe("never-was")).state == "absent"
        await bench.sandbox.stop("never-was", grace=1)
        await bench.sandbox.remove("never-was")
        assert await bench.sandbox.pods() == []

    async def test_a_second_start_leaves_the_pod_alone(self, bench: Bench) -> None:
        plan = agent('echo once >>"$workspace/count"; sleep 0.2')
        pod_id = await bench.start(plan)
        await asyncio.gather(*(bench.sandbox.start(pod_id, plan) for _ in range(3)))
        await bench.until(pod_id, lambda status: status.state == "ended")
        await bench.sandbox.start(pod_id, plan)
        assert (await bench.sandbox.observe(pod_id)).state == "ended"
        assert bench.workspace(pod_id).joinpath("count").read_text() == "once\n"

    async def test_each_container_has_its_own_volume(self, bench: Bench) -> None:
        script = 'cd "$ipc" && mkdir -p tools && ls >tools/seen && echo "$me" >tools/me'
        pod_id, status = await bench.run(agent(f"me=agent; {script}", container("skill-one", shell(f"me=one; {script}"))))
        assert status.worst() is None
        assert (bench.volume(pod_id) / "tools/me").read_text() == "agent\n"
        assert (bench.volume(pod_id, "skill-one") / "tools/me").read_text() == "one\n"
        assert {"input", "output", "control", "tools"} <= set((bench.volume(pod_id) / "tools/seen").read_text().split())
        assert "tools" in (bench.volume(pod_id, "skill-one") / "tools/seen").read_text().split()

    async def test_the_workspace_is_shared(self, bench: Bench) -> None:
        skill = container(
            "skill-one", shell('while ! [ -e "$workspace/asked" ]; do sleep 0.01; done; echo yes >"$workspace/answer"')
        )
        script = 'pwd >"$workspace/where"; echo ? >"$workspace/asked"; while ! [ -e "$workspace/answer" ]; do sleep 0.01; done'
        _, status = await bench.run(agent(script, skill))
        assert status.worst() is None

    async def test_skills_can_be_read(self, bench: Bench) -> None:
        skill = SkillText("pack-a", "how-to", "About it", "First: ä.\n")
        pod_id, status = await bench.run(agent('cat "$skills/pack-a/how-to.md" >"$workspace/copy"', skills=(skill,)))
        assert status.worst() is None
        assert (bench.workspace(pod_id) / "copy").read_text(encoding="utf-8") == "First: ä.\n"

    async def test_the_bridge_gets_credential_and_volumes(self, bench: Bench) -> None:
        script = f'cp "${names.ENV_BUS_CREDENTIAL}" "${names.ENV_VOLUMES}/agent/input/copy"; echo ${names.ENV_MODEL_LISTEN} >&2; exit 1'
        pod_id, status = await bench.run(PodPlan((container("bridge", shell(script)), container("agent", shell("exit 0")))))
        credential = json.loads((bench.volume(pod_id) / "input/copy").read_text())
        assert credential == {"address": "unix:///nowhere/bus.sock", "token": f"token-of-{pod_id}", "pod": pod_id}
        assert status.containers["bridge"].message.strip() in ("unix", "127.0.0.1:0", "127.0.0.1:4180")
        files = [path for path in bench.folder(pod_id).rglob("credential*") if path.is_file()]
        assert [stat.S_IMODE(path.stat().st_mode) for path in files] == [0o600]

    async def test_nothing_of_the_servers_environment_is_handed_down(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        secret = "sk-never-to-be-seen"
        for name in ("OPENAI_API_KEY", "SYMPOZIUM_DATA_DIR", "AWS_SECRET_ACCESS_KEY", "SOMETHING_ELSE"):
            monkeypatch.setenv(name, secret)
        plan = PodPlan(
            (
                container("bridge", shell('env >"$SYMPOZIUM_VOLUMES/agent/output/bridge"')),
                container("agent", shell('env >"$ipc/output/env"')),
                container("skill-one", shell('env >"$ipc/tools/env"')),
            )
        )
        pod_id, status = await bench.run(plan)
        assert status.worst() is None
        seen = [bench.volume(pod_id) / "output/bridge", bench.volume(pod_id) / "output/env"]
        for path in (*seen, bench.volume(pod_id, "skill-one") / "tools/env"):
            text = path.read_text()
            assert secret not in text
            assert f"{names.ENV_POD}={pod_id}" in text.splitlines()
        assert "token-of" not in seen[1].read_text()
        assert names.ENV_BUS_CREDENTIAL not in seen[1].read_text()

    async def test_the_plans_environment_cannot_replace_the_drivers(self, bench: Bench) -> None:
        plain = container("agent", shell('echo "$MINE $SYMPOZIUM_POD" >"$ipc/output/env"'))
        hostile = type(plain)(**{**vars(plain), "env": {"MINE": "given", names.ENV_POD: "other"}})
        pod_id, _ = await bench.run(PodPlan((hostile,)))
        assert (bench.volume(pod_id) / "output/env").read_text() == f"given {pod_id}\n"

    @pytest.mark.parametrize("pod_id", ["", "../up", "a/b", "Upper", "x" * 64, ".", "-a"])
    async def test_a_bad_pod_id_is_refused(self, bench: Bench, pod_id: str) -> None:
        with pytest.raises(Permanent):
            await bench.sandbox.start(pod_id, agent("exit 0"))
        assert await bench.sandbox.pods() == []

    @pytest.mark.parametrize(
        "plan",
        [
            PodPlan((container("agent", ()),)),
            PodPlan((container("../agent", ("true",)),)),
            PodPlan((container("agent", ("true",)), container("agent", ("true",)))),
            PodPlan((container("agent", ("true",)),), skills=(SkillText("..", "x", "", ""),)),
            PodPlan((container("agent", ("true",)),), skills=(SkillText("p", "../../x", "", ""),)),
        ],
    )
    async def test_a_bad_plan_is_refused_and_leaves_nothing(self, bench: Bench, plan: PodPlan) -> None:
        with pytest.raises(Permanent):
            await bench.start(plan)
        assert (await bench.sandbox.observe(bench.pod_ids[-1])).state == "absent"
        assert await bench.sandbox.pods() == []

    async def test_twenty_pods_at_once(self, bench: Bench) -> None:
        plan = agent('echo up >"$ipc/output/.up" && mv "$ipc/output/.up" "$ipc/output/up"; sleep 60')
        started = await asyncio.gather(*(bench.start(plan) for _ in range(20)))
        await asyncio.gather(*(bench.file(bench.volume(pod_id) / "output/up") for pod_id in started))
        assert await bench.sandbox.pods() == sorted(started)
        await asyncio.gather(*(bench.sandbox.remove(pod_id) for pod_id in started))
        assert await bench.sandbox.pods() == []

    async def test_too_much_memory_is_told_as_such(self, bench: Bench) -> None:
        command = ("python3", "-S", "-c", "x = bytearray(b'1') * (1 << 30); print(len(x))")
        bounds = Resources(memory=128 * 1024 * 1024)
        _, status = await bench.run(PodPlan((container("agent", command, resources=bounds),)))
        assert status.containers["agent"].exit_code != 0
        assert status.containers["agent"].out_of_memory

    async def test_one_file_has_a_bounded_size(self, bench: Bench) -> None:
        script = 'head -c 5000000 /dev/zero >"$workspace/big"'
        pod_id, status = await bench.run(agent(script, resources=Resources(file_size=1_000_000)))
        assert status.containers["agent"].exit_code
        assert not status.containers["agent"].out_of_memory
        assert (bench.workspace(pod_id) / "big").stat().st_size <= 1_000_000
