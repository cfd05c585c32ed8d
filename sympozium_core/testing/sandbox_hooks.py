"""Parts of `sandbox.SandboxContract` and `sandbox_local.LocalSandboxContract`: the pod of a lifecycle hook, and what the hook says at its end."""

from __future__ import annotations

import pytest

from sympozium_core.contracts.plan import Container, PodPlan, Resources
from sympozium_core.ipc.layout import MAX_SKIP
from sympozium_core.testing.sandbox_bench import Bench, agent, shell


def hook(script: str, *, resources: Resources | None = None) -> PodPlan:
    """A pod of one hook, a shell script."""
    command = shell(script)
    container = Container("hook", "hook", command[:1], args=command[1:], resources=resources or Resources(), workspace=True)
    return PodPlan((container,), network="none")


class Hooks:
    async def test_a_hook_is_a_pod_of_its_own(self, bench: Bench) -> None:
        _, status = await bench.run(hook('[ "$PWD" = "$workspace" ] || exit 4; touch made || exit 5; echo heard >&2; exit 3'))
        assert (status.state, [*status.containers]) == ("ended", ["hook"])
        ended = status.containers["hook"]
        assert (ended.exit_code, ended.message, ended.said) == (3, "heard\n", "")

    async def test_what_a_hook_says(self, bench: Bench) -> None:
        _, status = await bench.run(hook('echo "Nothing to do: é" >"$ipc/control/skip"'))
        ended = status.containers["hook"]
        assert (ended.exit_code, ended.said, ended.message) == (0, "Nothing to do: é", "")

    async def test_a_hook_that_says_nothing(self, bench: Bench) -> None:
        _, status = await bench.run(hook(': >"$ipc/control/skip"; echo no >&2'))
        assert (status.containers["hook"].exit_code, status.containers["hook"].said) == (0, "")

    async def test_what_a_failed_hook_says_does_not_count(self, bench: Bench) -> None:
        _, status = await bench.run(hook('echo skip >"$ipc/control/skip"; exit 1'))
        assert (status.containers["hook"].exit_code, status.containers["hook"].said) == (1, "")

    async def test_what_a_hook_says_is_bounded(self, bench: Bench) -> None:
        _, status = await bench.run(hook('head -c 100000 /dev/zero | tr "\\0" x >"$ipc/control/skip"'))
        said = status.containers["hook"].said
        assert set(said) == {"x"}
        assert 1024 <= len(said) <= MAX_SKIP

    async def test_nobody_but_a_hook_says_anything(self, bench: Bench) -> None:
        _, status = await bench.run(agent('mkdir -p "$ipc/control"; echo skip >"$ipc/control/skip"'))
        assert status.containers["agent"].said == ""


class LocalHooks:
    @pytest.mark.parametrize(
        "script",
        [
            'ln -s "$workspace/secret" "$ipc/control/skip"',
            'ln "$workspace/secret" "$ipc/control/skip"',
            'mkfifo "$ipc/control/skip"',
            'mkdir "$ipc/control/skip"',
            'rmdir "$ipc/control"; mkdir "$workspace/c"; cp "$workspace/secret" "$workspace/c/skip"; ln -s "$workspace/c" "$ipc/control"',
        ],
    )
    async def test_what_is_no_file_of_the_hooks_own_says_nothing(self, bench: Bench, script: str) -> None:
        _, status = await bench.run(hook(f'echo secret >"$workspace/secret"; {script}; exit 0'))
        assert (status.containers["hook"].exit_code, status.containers["hook"].said) == (0, "")

    async def test_the_workspace_goes_from_hook_to_agent_to_hook(self, bench: Bench) -> None:
        first, _ = await bench.run(hook("echo pre >story"))
        middle = await bench.start(agent("echo agent >>story"), workspace_of=first)
        await bench.until(middle, lambda status: status.state == "ended")
        last = await bench.start(hook("echo post >>story"), workspace_of=middle)
        status = await bench.until(last, lambda status: status.state == "ended")
        assert status.worst() is None, status
        assert (bench.workspace(last) / "story").read_text() == "pre\nagent\npost\n"
        assert not bench.workspace(middle).exists()

    async def test_what_a_hook_said_outlives_the_server(self, bench: Bench) -> None:
        pod_id, _ = await bench.run(hook('echo "Not today." >"$ipc/control/skip"'))
        await bench.sandbox.close()
        await bench.sandbox.open(bench.context())
        ended = (await bench.sandbox.observe(pod_id)).containers["hook"]
        assert (ended.state, ended.exit_code, ended.said) == ("ended", 0, "Not today.")
