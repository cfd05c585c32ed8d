"""Part of `sandbox_local.LocalSandboxContract`: what is in the folders of a pod, and what becomes of a workspace."""

from __future__ import annotations

import json
import stat
import time
from dataclasses import replace
from pathlib import Path

import pytest

from sympozium_core import names
from sympozium_core.contracts.plan import PodPlan, Resources, SecretKey, SkillText
from sympozium_core.contracts.sandbox import Sandbox
from sympozium_core.errors import Permanent
from sympozium_core.testing.sandbox_bench import UP, Bench, agent, container, marked, shell

_WAIT = "while :; do sleep 0.05; done"


class Folders:
    async def test_check_is_quick_and_gives_a_reason(self, driver: Sandbox) -> None:
        begun = time.monotonic()
        availability = await driver.check()
        assert time.monotonic() - begun < 5
        assert availability.usable, availability.reason
        assert availability.reason
        assert "\n" not in availability.reason

    async def test_a_signal_is_a_negative_code(self, bench: Bench) -> None:
        _, status = await bench.run(agent("kill -KILL $$"))
        assert status.containers["agent"].exit_code == -9

    async def test_standard_output_is_no_part_of_the_message(self, bench: Bench) -> None:
        assert await bench.told(agent("echo not this; echo this >&2; echo nor this; exit 1")) == "this\n"

    async def test_each_container_has_its_own_volume(self, bench: Bench) -> None:
        script = 'cd "$ipc" && mkdir -p tools && ls >tools/seen && echo "$me" >tools/me'
        pod_id, status = await bench.run(agent(f"me=agent; {script}", container("skill-one", shell(f"me=one; {script}"))))
        assert status.worst() is None
        assert (bench.volume(pod_id) / "tools/me").read_text() == "agent\n"
        assert (bench.volume(pod_id, "skill-one") / "tools/me").read_text() == "one\n"
        assert {"input", "output", "control", "tools"} <= set((bench.volume(pod_id) / "tools/seen").read_text().split())
        assert "tools" in (bench.volume(pod_id, "skill-one") / "tools/seen").read_text().split()

    async def test_skills_can_be_read(self, bench: Bench) -> None:
        skill = SkillText("pack-a", "how-to", "About it", "First: ä.\n")
        pod_id, status = await bench.run(agent('cat "$skills/pack-a/how-to.md" >"$workspace/copy"', skills=(skill,)))
        assert status.worst() is None
        assert (bench.workspace(pod_id) / "copy").read_text(encoding="utf-8") == "First: ä.\n"

    async def test_programs_among_the_files_of_a_skill_can_be_executed(self, bench: Bench) -> None:
        skill = SkillText("pack-a", "how-to", "", "x", {"scripts/go.sh": "#!/bin/sh\necho gone\n"}, {"logo": "iVBOR/8="})
        script = '"$skills/pack-a/how-to/scripts/go.sh" >"$workspace/said"; cp "$skills/pack-a/how-to/logo" "$skills/pack-a/how-to/SKILL.md" "$workspace"'
        pod_id, status = await bench.run(agent(script, skills=(skill,)))
        assert status.worst() is None
        assert (bench.workspace(pod_id) / "said").read_text() == "gone\n"
        assert (bench.workspace(pod_id) / "logo").read_bytes() == b"\x89PNG\xff"
        assert (bench.workspace(pod_id) / "SKILL.md").read_text() == "x"

    async def test_a_secret_is_its_containers_alone_and_gone_with_the_pod(self, bench: Bench) -> None:
        bench.secrets["keys"] = {"token": b"s3cret", "raw": b"\xff\x00"}
        script = 'cd "$ipc/tools"; cp "${SYMPOZIUM_SECRET:-/secrets/keys}"/* .; echo "${TOKEN:-none}" >env; touch "${SYMPOZIUM_SECRET:-/secrets/keys}/new"'
        one = replace(container("skill-one", shell(script)), secret="keys", secret_path="/secrets/keys")
        two = replace(container("skill-two", shell(script)), secret_env={"TOKEN": SecretKey("keys", "token")})
        pod_id, _ = await bench.run(PodPlan((one, two)))
        assert {
            file.name: file.read_bytes() for file in (bench.volume(pod_id, "skill-one") / "tools").iterdir() if file.is_file()
        } == {
            "token": b"s3cret",
            "raw": b"\xff\x00",
            "env": b"none\n",
        }
        seen = {
            file.name: file.read_bytes() for file in (bench.volume(pod_id, "skill-two") / "tools").iterdir() if file.is_file()
        }
        assert seen == {"env": b"s3cret\n"}
        kept = [path for path in bench.folder(pod_id).rglob("token") if "volumes" not in path.parts]
        assert [stat.S_IMODE(path.stat().st_mode) for path in kept] == [0o600]
        await bench.sandbox.remove(pod_id)
        assert not [path for path in bench.data_dir.rglob("*") if path.is_file() and b"s3cret" in path.read_bytes()]

    async def test_the_memory_of_an_instance_is_its_pods_and_stays(self, bench: Bench) -> None:
        script = 'cd "${SYMPOZIUM_MEMORY:-/memory}" && cat notes >"$ipc/tools/seen"; echo kept >>notes; echo "${SYMPOZIUM_MEMORY:-none}" >"$ipc/tools/where"'
        remembers = replace(container("skill-one", shell(script)), memory=True)
        for seen in ("", "kept\n"):
            pod_id, _ = await bench.run(PodPlan((remembers,), memory="instance-uid"))
            assert (bench.volume(pod_id, "skill-one") / "tools/seen").read_text() == seen
            await bench.sandbox.remove(pod_id)
        other, _ = await bench.run(PodPlan((remembers,), memory="another-uid"))
        assert (bench.volume(other, "skill-one") / "tools/seen").read_text() == ""
        alone = agent('ls /memory/ >"$workspace/seen" 2>/dev/null; echo "${SYMPOZIUM_MEMORY:-none}" >>"$workspace/seen"')
        pod_id, _ = await bench.run(replace(alone, memory="instance-uid"))
        assert (bench.workspace(pod_id) / "seen").read_text() == "none\n"

    async def test_a_memory_needs_a_place_and_a_plain_name(self, bench: Bench) -> None:
        for name in ("", "../up"):
            with pytest.raises(Permanent, match="no place for the memory"):
                await bench.start(PodPlan((replace(container("skill-one", ("true",)), memory=True),), memory=name))

    async def test_a_secret_or_key_that_is_not_there_is_named(self, bench: Bench) -> None:
        bench.secrets["keys"] = {"token": b"s3cret"}
        with pytest.raises(Permanent, match="no Secret 'other'"):
            await bench.start(
                PodPlan((replace(container("skill-one", ("true",)), secret="other", secret_path="/secrets/other"),))
            )
        variables = {"TOKEN": SecretKey("keys", "tokn")}
        with pytest.raises(Permanent, match=r"Secret 'keys' has no key 'tokn' \(its keys: token\)"):
            await bench.start(PodPlan((replace(container("skill-one", ("true",)), secret_env=variables),)))
        assert await bench.pods() == []

    async def test_the_bridge_gets_credential_and_volumes(self, bench: Bench) -> None:
        script = f'cp "${names.ENV_BUS_CREDENTIAL}" "${names.ENV_VOLUMES}/agent/input/copy"; echo ${names.ENV_MODEL_LISTEN} >&2; exit 1'
        pod_id, status = await bench.run(PodPlan((container("bridge", shell(script)), container("agent", shell("exit 0")))))
        credential = json.loads((bench.volume(pod_id) / "input/copy").read_text())
        assert credential == {"address": "unix:///nowhere/bus.sock", "token": f"token-of-{pod_id}", "pod": pod_id}
        assert status.containers["bridge"].message.strip() in ("unix", "127.0.0.1:0", "127.0.0.1:4180")
        files = [path for path in bench.folder(pod_id).rglob("credential*") if path.is_file()]
        assert [stat.S_IMODE(path.stat().st_mode) for path in files] == [0o600]

    @pytest.mark.parametrize(
        "plan",
        [
            PodPlan((container("agent", ()),)),
            PodPlan((container("agent", ("true",)),), skills=(SkillText("..", "x", "", ""),)),
            PodPlan((container("agent", ("true",)),), skills=(SkillText("p", "../../x", "", ""),)),
        ],
    )
    async def test_a_plan_without_a_command_or_file_names_is_refused(self, bench: Bench, plan: PodPlan) -> None:
        with pytest.raises(Permanent):
            await bench.start(plan)
        assert (await bench.sandbox.observe(bench.pod_ids[-1])).state == "absent"
        assert await bench.pods() == []

    async def test_one_file_has_a_bounded_size(self, bench: Bench) -> None:
        script = 'head -c 5000000 /dev/zero >"$workspace/big"'
        pod_id, status = await bench.run(agent(script, resources=Resources(file_size=1_000_000)))
        assert status.containers["agent"].exit_code
        assert not status.containers["agent"].out_of_memory
        assert (bench.workspace(pod_id) / "big").stat().st_size <= 1_000_000

    async def test_one_containers_end_spares_the_others(self, bench: Bench) -> None:
        script = f'(setsid sh -c "{_WAIT}" &) ; {UP}{_WAIT}'
        pod_id = await bench.start(agent("sleep 0.2", container("skill-one", shell(script))))
        await bench.until(pod_id, lambda status: status.containers["agent"].state == "ended")
        assert (await bench.sandbox.observe(pod_id)).containers["skill-one"].state == "running"
        assert marked(pod_id) >= 2

    async def test_a_removed_pod_leaves_no_folder(self, bench: Bench) -> None:
        pod_id, _ = await bench.run(agent('echo left >"$workspace/file"'))
        await bench.sandbox.remove(pod_id)
        assert not bench.folder(pod_id).exists()

    async def test_a_workspace_goes_on_in_the_next_pod(self, bench: Bench) -> None:
        first, _ = await bench.run(agent('mkdir "$workspace/d"; echo kept >"$workspace/d/file"'))
        await bench.sandbox.remove(first, keep_workspace=True)
        assert await bench.pods() == [first]
        second = await bench.start(agent('cat "$workspace/d/file" >"$workspace/seen"'), workspace_of=first)
        await bench.until(second, lambda status: status.state == "ended")
        assert (bench.workspace(second) / "seen").read_text() == "kept\n"
        await bench.sandbox.remove(second)
        await bench.sandbox.remove(first)
        assert await bench.pods() == []

    async def test_a_workspace_is_taken_from_a_pod_that_runs(self, bench: Bench) -> None:
        first = await bench.start(agent(f'echo kept >"$workspace/file"; {UP}{_WAIT}'))
        await bench.file(bench.workspace(first) / "up")
        second = await bench.start(agent('cat "$workspace/file"'), workspace_of=first)
        status = await bench.until(second, lambda status: status.state == "ended")
        assert status.worst() is None
        assert marked(first) == 0
        assert (await bench.sandbox.observe(first)).state == "ended"

    async def test_an_earlier_pod_without_a_workspace_gives_an_empty_one(self, bench: Bench) -> None:
        pod_id = await bench.start(agent('[ -z "$(ls -A "$workspace")" ]'), workspace_of=bench.new_id())
        status = await bench.until(pod_id, lambda status: status.state == "ended")
        assert status.worst() is None

    async def test_a_hostile_tree_is_removed_and_nothing_else(self, bench: Bench, tmp_path: Path) -> None:
        outside = tmp_path / "outside"
        outside.mkdir()
        (outside / "precious").write_text("stays")
        make = "import os\nfor _ in range(1500):\n os.mkdir('deep-folder'); os.chdir('deep-folder')"
        script = f"""cd "$workspace"; python3 -S -c "{make}"; mkdir locked; >locked/file; mkfifo pipe
            ln -s {outside} link; ln -s {outside} locked/link; ln -s / root; chmod 0 locked; chmod 0 "$ipc/output"; exit 0"""
        pod_id, status = await bench.run(agent(script))
        assert status.worst() is None
        await bench.sandbox.remove(pod_id)
        assert not bench.folder(pod_id).exists()
        assert (outside / "precious").read_text() == "stays"
