"""What must never be seen: a key, a prompt, another run's files, the network. A hostile agent here is a model that asks for hostile commands."""

from __future__ import annotations

import asyncio
import logging
import socket
from pathlib import Path

import pytest

from sympozium_core.testing import leftovers
from sympozium_core.testing.conversations import call, command, results, told, turns
from sympozium_core.testing.embedded import Plane, ServerProcess, furnish, phase_of, status_of
from sympozium_core.testing.servers.openai import OpenAIServer
from sympozium_core.testing.servers.script import Answer, Conversation, Script

PROMPT = "the-prompt-that-nobody-else-may-read-7d1f"


@pytest.mark.parametrize("sandbox", ["process", "bubblewrap"])
async def test_prompt_and_key_while_a_run_goes_on(
    data_dir: Path, sandbox: str, model: OpenAIServer, caplog: pytest.LogCaptureFixture
) -> None:
    model.script = turns(
        Answer("", (command("until [ -e go ]; do sleep 0.02; done; env"),)),
        Answer(f"I have done {PROMPT}."),
    )
    async with ServerProcess(data_dir, sandbox=sandbox) as server:
        await furnish(server.plane, model)
        run = await server.plane.run(f"Do {PROMPT}.", systemPrompt=f"You are {PROMPT}.")
        await server.plane.entry(run, "tool.requested")
        now = await server.plane.now(run)
        assert leftovers.of_run(now, "agent"), "there is something to look at"
        for process in leftovers.processes():
            seen = " ".join(process.argv).encode() + process.environment
            assert PROMPT.encode() not in seen, process.argv
            assert model.key.encode() not in seen, process.argv
        (leftovers.folder_of(now, data_dir) / "workspace/go").touch()
        ended = await server.plane.ended(run)
        assert phase_of(ended) == "Succeeded"
        assert model.key not in told(model)
        assert PROMPT not in str(await server.plane.events(ended))
        assert model.key not in str(await server.plane.journal(ended))
    log = server.log.read_text()
    assert PROMPT not in log
    assert model.key not in log
    assert not leftovers.files_with(data_dir, model.key)
    assert model.key not in str(caplog.records)


@pytest.mark.parametrize("sandbox", ["bubblewrap"])
async def test_a_hostile_agent_behind_walls(plane: Plane, model: OpenAIServer, data_dir: Path) -> None:
    port = model.port
    probes = [
        f"ls {data_dir} || echo no-such-thing",
        f"cat {data_dir}/store.db {data_dir}/pods.key || echo no-such-thing",
        f"ls {data_dir}/pods/bubblewrap || echo no-such-thing",
        f"(exec 3<>/dev/tcp/127.0.0.1/{port}) 2>&1 && echo REACHED || echo unreachable",
        f"(exec 3<>/dev/tcp/{_own_address()}/{port}) 2>&1 && echo REACHED || echo unreachable",
        "find / -name '*.sock' -not -path '/proc/*' 2>/dev/null | grep -v model.sock | grep . && echo FOUND || echo none",
        "grep -l 's[k]-story' /proc/*/environ /proc/*/cmdline 2>/dev/null && echo FOUND || echo none",
        "ls -d /proc/[0-9]* | wc -l",
        "touch /usr/x /etc/x 2>&1 && echo WROTE || echo read-only",
        "id -u; cat /proc/self/status | grep CapEff",
    ]
    hostile = Conversation((Answer("", tuple(command(probe) for probe in probes)), Answer("I gave up.")), "hostile")
    victim = Conversation(
        (Answer("", (command("echo precious > precious; until [ -e go ]; do sleep 0.02; done"),)), Answer("done")), "victim"
    )
    model.script = Script((hostile, victim))
    other = await plane.run("victim")
    await plane.entry(other, "tool.requested")
    folder = leftovers.folder_of(await plane.now(other), data_dir)
    await leftovers.wait_for((folder / "workspace/precious").exists, "the victim has written")
    ended = await plane.ended(await plane.run("hostile"), within=40)
    assert phase_of(ended) == "Succeeded", status_of(ended)
    found = results(next(seen for seen in reversed(model.requests) if "hostile" in str(seen.body["messages"][1])))
    assert len(found) == len(probes)
    for probe, result in zip(probes[:3], found, strict=False):
        assert "no-such-thing" in result, (probe, result)
    assert "unreachable" in found[3]
    assert "unreachable" in found[4]
    assert "none" in found[5]
    assert "none" in found[6]
    assert int(found[7].split()[0]) < 20, "it sees its own processes and nobody else's"
    assert "read-only" in found[8]
    assert "0000000000000000" in found[9], "without capabilities"
    assert "precious" not in "".join(found)
    (folder / "workspace/go").touch()
    assert phase_of(await plane.ended(other)) == "Succeeded"


@pytest.mark.parametrize("sandbox", ["process", "bubblewrap"])
async def test_native_tools_stay_in_their_roots(plane: Plane, model: OpenAIServer, data_dir: Path) -> None:
    places = ["/etc/passwd", str(data_dir / "store.db"), "/workspace/../../../../etc/passwd", "/workspace/link"]
    model.script = turns(
        Answer("", (command("ln -s /etc/passwd link; ln -s / root"),)),
        Answer("", tuple(call("read_file", path=place) for place in [*places, "/workspace/root/etc/passwd"])),
        Answer("", (call("write_file", path="/workspace/link", content="owned"),)),
        Answer("done"),
    )
    before = await asyncio.to_thread(Path("/etc/passwd").read_bytes)
    ended = await plane.ended(await plane.run("look around"))
    assert phase_of(ended) == "Succeeded"
    assert all(result.startswith("Error") and "root:" not in result for result in results(model.requests[2])[1:])
    assert await asyncio.to_thread(Path("/etc/passwd").read_bytes) == before


def _own_address() -> str:
    """Of this machine, as others see it; loopback where it has none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            logging.getLogger(__name__).info("no route: only loopback is tried")
            return "127.0.0.1"
        return str(probe.getsockname()[0])
