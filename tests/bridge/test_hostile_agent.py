"""An agent that writes what it likes into its volume: nothing crashes, nothing leaks, nobody else waits."""

from __future__ import annotations

import asyncio
import json
import os
import socket

import pytest

from sympozium_core.contracts.plan import ToolServer
from sympozium_core.ipc.protocol import ToolResult

REQUESTS = "tools/shell/requests"


def body(call="evil", **changes):
    return json.dumps({"id": call, "tool": "execute_command", "arguments": {"command": "true"}, **changes})


def place(name):
    """The attack is made of a path in the folder of requests."""

    def decorate(make):
        make.place = name
        return make

    return decorate


@place("evil.json")
def symlink(path, pod):
    (pod.path / "other.json").write_text(body())
    path.with_name(".link").symlink_to(pod.path / "other.json")
    path.with_name(".link").rename(path)


@place("evil.json")
def hard_link(path, pod):
    (pod.path / "other.json").write_text(body())
    os.link(pod.path / "other.json", path)


@place("evil.json")
def fifo(path, pod):
    os.mkfifo(path)


@place("evil.json")
def directory(path, pod):
    path.mkdir()


@place("evil.json")
def unix_socket(path, pod):
    with socket.socket(socket.AF_UNIX) as bound:
        here = os.open(path.parent, os.O_RDONLY)
        bound.bind(f"/proc/self/fd/{here}/{path.name}")
        os.close(here)


@place("evil.json")
def oversized(path, pod):
    path.write_text(body(arguments={"command": "x" * 2_000_000}))


@place("evil.json")
def sparse(path, pod):
    with path.open("wb") as file:
        file.truncate(1 << 40)


@place("evil.json")
def half_written(path, pod):
    path.write_text(body()[:30])


@place("evil.json")
def deeply_nested(path, pod):
    path.write_text('{"id":"evil","tool":"execute_command","arguments":{"command":' + "[" * 50_000 + "]" * 50_000 + "}}")


@place("evil.json")
def many_containers(path, pod):
    path.write_text('{"id":"evil","tool":"execute_command","arguments":{"command":[' + "[]," * 200_000 + "[]]}}")


@place("evil.json")
def not_utf8(path, pod):
    path.write_bytes(b'{"id":"evil","tool":"\xff\xfe","arguments":{}}')


@place("evil.json")
def lone_surrogate(path, pod):
    path.write_text(body(arguments={"command": "PLACE"}).replace("PLACE", "\\ud800"))


@place("evil.json")
def not_a_number(path, pod):
    path.write_text(body(deadline=0).replace("0}", "NaN}"))


@place("evil.json")
def huge_number(path, pod):
    path.write_text(body(deadline=0).replace('"deadline": 0', '"deadline": ' + "9" * 5000))


@place("evil.json")
def other_id_inside(path, pod):
    path.write_text(body("another"))


@place("evil.json")
def path_as_id(path, pod):
    path.write_text(body("../../../etc/evil"))


@place("evil.json")
def list_of_arguments(path, pod):
    path.write_text(body(arguments=["command"]))


@place("evil.json")
def tool_is_an_object(path, pod):
    path.write_text(body(tool={"name": "execute_command"}))


@place("..evil..json")
def hidden_name(path, pod):
    path.write_text(body("..evil."))


@place("evil\n[link](x).json")
def newline_in_name(path, pod):
    path.write_text(body())


@place("x" * 200 + ".json")
def long_name(path, pod):
    path.write_text(body("x" * 200))


@place("evil.txt")
def other_ending(path, pod):
    path.write_text(body())


ATTACKS = [
    symlink, hard_link, fifo, directory, unix_socket, oversized, sparse, half_written, deeply_nested, many_containers, not_utf8,
    lone_surrogate, not_a_number, huge_number, other_id_inside, path_as_id, list_of_arguments, tool_is_an_object, hidden_name,
    newline_in_name, long_name, other_ending,
]  # fmt: skip


async def test_each_of_many_attacks_is_refused_and_the_next_honest_call_works(world):
    pod = world.pod()
    tools = pod.serve("shell", "execute_command")
    bridge = await pod.carry()
    folder = pod.agent / REQUESTS
    for number, attack in enumerate(ATTACKS):
        folder.mkdir(parents=True, exist_ok=True)
        # Every attack has an id of its own, because an id is good for one answer.
        name = attack.place.replace("evil", f"evil{number}", 1)
        attack(folder / name, pod)
        pod.request("shell", f"honest{number}")
        assert (await pod.result("shell", f"honest{number}"))["status"] == "ok", attack.__name__
        assert not bridge.done()
    assert {request.id for request in tools.asked} == {f"honest{number}" for number in range(len(ATTACKS))}
    for path in (pod.agent / "tools/shell/results").glob("evil*.json"):
        assert json.loads(path.read_bytes())["status"] in ("error", "denied")
    assert not list((pod.path).glob("etc"))
    problems = await world.entries("problem")
    assert 15 <= len(problems) <= len(ATTACKS)
    pod.finish()
    assert await asyncio.wait_for(bridge, 10)


async def test_an_id_is_good_for_one_call(world):
    world.plan = world.make_plan(servers=(ToolServer("shell"), ToolServer("other")))
    pod = world.pod()
    tools = pod.serve("shell", "execute_command")
    other = pod.serve("other", "execute_command")
    await pod.carry()
    pod.request("shell", "c1", arguments={"command": "first"})
    assert (await pod.result("shell", "c1"))["status"] == "ok"
    pod.request("shell", "c1", arguments={"command": "second"})
    await world.entry("problem", 1)
    pod.request("other", "c1", arguments={"command": "third"})
    await world.entry("problem", 2)
    assert [request.arguments["command"] for request in tools.asked] == ["first"]
    assert not other.asked
    assert len(await world.entries("tool.requested")) == 1


async def test_a_file_rewritten_after_it_was_read_changes_nothing(world):
    release = asyncio.Event()
    pod = world.pod()
    tools = pod.serve("shell", "execute_command", run=lambda request: None)
    await pod.carry()
    pod.request("shell", "c1", arguments={"command": "good"})
    await world.until(lambda: tools.asked)
    pod.request("shell", "c1", arguments={"command": "bad"})
    await world.entry("problem")
    release.set()
    tools.answer(ToolResult("c1", "ok", "ran"))
    await pod.result("shell", "c1")
    assert [request.arguments["command"] for request in tools.asked] == ["good"]
    assert (await world.entry("tool.requested"))["arguments"] == {"command": "good"}


async def test_a_tool_of_another_server_is_denied(world):
    world.plan = world.make_plan(servers=(ToolServer("shell"), ToolServer("kube")))
    pod = world.pod()
    tools = pod.serve("shell", "execute_command")
    pod.serve("kube", "delete_pod")
    await pod.carry()
    pod.request("shell", "c1", "delete_pod")
    result = await pod.result("shell", "c1")
    assert result["status"] == "denied"
    assert "serves no tool 'delete_pod'" in result["content"]
    assert not tools.asked


async def test_folders_of_servers_that_do_not_exist_are_named_once(world):
    pod = world.pod()
    pod.serve("shell", "execute_command")
    await pod.carry()
    pod.put("tools/ghost/requests/c1.json", body("c1"))
    assert (await world.entry("problem"))["where"] == "tools/ghost"
    pod.put("tools/ghost/requests/c2.json", body("c2"))
    pod.request("shell", "c3")
    await pod.result("shell", "c3")
    assert len(await world.entries("problem")) == 1


async def test_a_folder_of_results_swapped_for_a_link_leads_nowhere(world):
    pod = world.pod()
    pod.serve("shell", "execute_command")
    bridge = await pod.carry()
    outside = pod.path / "outside"
    outside.mkdir()
    results = pod.agent / "tools/shell/results"
    await world.until(results.exists)
    results.rmdir()
    results.symlink_to(outside)
    pod.request("shell", "c1")
    await world.entry("tool.result")
    pod.request("shell", "c2")
    await world.entry("tool.result", 2)
    assert not list(outside.iterdir())
    results.unlink()
    pod.request("shell", "c3")
    assert (await pod.result("shell", "c3"))["status"] == "ok"
    assert not bridge.done()


async def test_a_flood_of_rubbish_is_recorded_within_bounds_and_does_not_stop_the_run(world):
    pod = world.pod()
    pod.serve("shell", "execute_command")
    bridge = await pod.carry()
    folder = pod.agent / REQUESTS
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(3000):
        (folder / f"r{number}.json").write_text("{")
        if number % 100 == 0:
            await asyncio.sleep(0)
    await world.until(lambda: len(list(folder.iterdir())) == 0)
    pod.request("shell", "honest")
    assert (await pod.result("shell", "honest"))["status"] == "ok"
    assert len(await world.entries("problem")) <= 200
    pod.finish()
    assert await asyncio.wait_for(bridge, 10)


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"version": 2}', '{"version": 1, "status": "won"}', '{"version":1,"status":"success"}']
)
async def test_a_result_that_is_none_is_a_problem_and_a_good_one_may_follow(world, content):
    pod = world.pod()
    pod.serve("shell", "execute_command")
    bridge = await pod.carry()
    pod.put("output/result.json", content)
    assert (await world.entry("problem"))["where"] == "output/result.json"
    pod.finish("good")
    assert await asyncio.wait_for(bridge, 10)
    assert (await world.entry("result"))["response"] == "good"


async def test_a_result_behind_a_link_is_not_read(world):
    pod = world.pod()
    pod.serve("shell", "execute_command")
    bridge = await pod.carry()
    secret = pod.path / "secret.json"
    pod.finish("from elsewhere")
    assert await asyncio.wait_for(bridge, 10)
    pod2 = world.pod("pod-2")
    pod2.serve("shell", "execute_command")
    bridge = await pod2.carry()
    secret.write_bytes((pod.agent / "output/result.json").read_bytes())
    (pod2.agent / "output").mkdir(exist_ok=True)
    (pod2.agent / "output/.link").symlink_to(secret)
    (pod2.agent / "output/.link").rename(pod2.agent / "output/result.json")
    assert (await world.entry("problem"))["where"] == "output/result.json"
    assert not bridge.done()


async def test_progress_is_bounded_in_size_and_number(world):
    pod = world.pod()
    pod.serve("shell", "execute_command")
    bridge = await pod.carry()
    pod.put("output/stream-0.json", json.dumps({"type": "text", "text": "x" * 300_000}))
    pod.put("output/stream-1.json", json.dumps({"type": "nonsense"}))
    await world.entry("problem", 2)
    for number in range(2, 4002):
        pod.put(f"output/stream-{number}.json", json.dumps({"type": "turn", "turn": number}))
    pod.put("output/anything.json", "{}")
    pod.finish()
    assert await asyncio.wait_for(bridge, 20)
    progress = await world.entries("progress")
    events = [event for entry in progress for event in entry["events"]]
    assert 2000 <= len(events) <= 3000
    assert events[0] == {"type": "turn", "turn": 2}
    assert len(await world.entries("problem")) == 2
    assert (await world.journal())[-1]["type"] == "result"


async def test_the_sidecar_is_not_believed_either(world):
    def run(request):
        kind = request.arguments["command"]
        folder = files.volume / "tools/shell/results"
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{request.id}.json"
        if kind == "link":
            (folder / ".link").symlink_to("/etc/hostname")
            (folder / ".link").rename(path)
        elif kind == "huge":
            path.write_text(json.dumps({"id": request.id, "status": "ok", "content": "x" * 3_000_000}))
        elif kind == "other":
            path.write_text(json.dumps({"id": "c9", "status": "ok", "content": ""}))
        elif kind == "status":
            path.write_text(json.dumps({"id": request.id, "status": "great"}))
        else:
            path.write_text("not json")

    pod = world.pod()
    files = pod.serve("shell", "execute_command", run=run)
    await pod.carry()
    for kind in ("link", "huge", "other", "status", "rubbish"):
        pod.request("shell", kind, arguments={"command": kind})
        result = await pod.result("shell", kind)
        assert result["status"] == "error", kind
        assert "its result was refused" in result["content"]
    files.answer(ToolResult("never-asked", "ok", "x"))
    await world.entry("tool.result", 5)
