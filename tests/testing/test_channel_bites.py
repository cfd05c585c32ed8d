"""The suite of channels passes sound ones, and each of its checks finds one that is broken."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sympozium_core.contracts.channel_messages import Abilities, ChannelError
from sympozium_core.contracts.channel_text import SHORTEST
from sympozium_core.registry.scaffold import write_package
from sympozium_core.testing.channel import ChannelContract
from sympozium_core.testing.channel_case import DEADLINE, channel_case
from tests.testing import calling_channel, calling_server, socket_channel, socket_server
from tests.testing.broken_channels import CALLING, TEMPLATE

HURRY = 3.0
"""Seconds for what a broken channel will not do."""
PACKAGE = "sympozium_channel_chat"


class TestCallingChannel(ChannelContract):
    channel_class = calling_channel.CallingChannel
    server_class = calling_server.Server


class TestSocketChannel(ChannelContract):
    channel_class = socket_channel.SocketChannel
    server_class = socket_server.Server


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where modules can be imported from, for one test."""
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    for name in [name for name in sys.modules if name.partition(".")[0] in (PACKAGE, "broken_calling_channel")]:
        del sys.modules[name]


def template(folder: Path, edits: list[tuple[str, str]]) -> tuple[Any, Any]:
    """The channel as it is written by ``sympozium plugins new channel chat``, with its edits, and its server."""
    write_package("channel", "chat", folder / "written")
    package = folder / "written" / "sympozium-channel-chat" / "src" / PACKAGE
    edit([package / "channel.py", package / "wire.py"], edits)
    package.rename(folder / PACKAGE)
    importlib.invalidate_caches()
    return importlib.import_module(f"{PACKAGE}.channel").ChatChannel, importlib.import_module(f"{PACKAGE}.testing").Server


def calling(folder: Path, edits: list[tuple[str, str]]) -> tuple[Any, Any]:
    file = folder / "broken_calling_channel.py"
    file.write_text(Path(calling_channel.__file__).read_text())
    edit([file], edits)
    importlib.invalidate_caches()
    return importlib.import_module(file.stem).CallingChannel, calling_server.Server


def edit(files: list[Path], edits: list[tuple[str, str]]) -> None:
    texts = {file: file.read_text() for file in files}
    for old, new in edits:
        places = [file for file, text in texts.items() for _ in range(text.count(old))]
        assert len(places) == 1, f"{old!r} is there {len(places)} times"
        texts[places[0]] = texts[places[0]].replace(old, new)
    for file, text in texts.items():
        file.write_text(
            text
            if "import asyncio\n" in text
            else text.replace("import annotations\n", "import annotations\n\nimport asyncio\n")
        )


@pytest.mark.parametrize("way", [*TEMPLATE, *CALLING])
async def test_a_broken_channel_fails(way: str, folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    made, breaks = (template, TEMPLATE) if way in TEMPLATE else (calling, CALLING)
    edits, check = breaks[way]
    channel, server = made(folder, edits)
    await works_otherwise(channel, server)
    with pytest.raises((AssertionError, ChannelError, TimeoutError, pytest.fail.Exception)):
        await run_check(check, channel, server, caplog, HURRY)


@pytest.mark.timeout(120)
async def test_the_template_passes_what_it_is_broken_for(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    channel, server = template(folder, [])
    for check in sorted({check for _, check in TEMPLATE.values()}):
        caplog.clear()
        await run_check(check, channel, server, caplog)


@pytest.mark.parametrize(
    ("gaps", "fields", "says"),
    [
        ({"test_nothing": "no such check"}, {}, "known_gaps"),
        ({}, {"abilities": Abilities(longest_text=SHORTEST - 1)}, "so short"),
        ({}, {"credential_keys": ()}, "Secret"),
    ],
)
async def test_wrong_declarations_fail(gaps: dict[str, str], fields: dict[str, Any], says: str) -> None:
    class Wrong(ChannelContract):
        channel_class = type("Wrong", (calling_channel.CallingChannel,), fields)
        known_gaps = gaps

    with pytest.raises(AssertionError, match=says):
        await Wrong().test_declarations_are_such_as_a_host_can_go_by()


async def test_the_next_channel_is_told_what_was_kept() -> None:
    async with channel_case(calling_channel.CallingChannel, calling_server.Server) as case:
        first = await case.connected()
        kept = case.server.say("Kept.")
        await case.until_acknowledged(first, kept)
        first.gate.clear()
        case.server.say("Lost.")
        await first.until_received("Lost.")
        await first.stop()
        assert (await case.opened()).channel.context.kept == {case.server.group: first.received[0].id}


def test_every_check_has_a_channel_that_fails_it() -> None:
    checks = {name.removeprefix("test_") for name in dir(ChannelContract) if name.startswith("test_")}
    found = {re.sub(r"\[.*", "", check) for _, check in [*TEMPLATE.values(), *CALLING.values()]}
    assert sorted(checks - found) == ["declarations_are_such_as_a_host_can_go_by"]
    assert sorted(found - checks) == []
    assert len(checks) >= 25


async def works_otherwise(channel: Any, server: Any) -> None:
    """So that a check does not find something else than it is for."""
    async with channel_case(channel, server) as case:
        running = await case.connected()
        case.server.say("First.")
        case.server.say("Second.")
        await running.until_received("Second.")
        await case.send(running, case.message("Hello."))
        assert [arrived.text for arrived in case.arrived] == ["Hello."]


async def run_check(name: str, channel: Any, server: Any, caplog: pytest.LogCaptureFixture, patience: float = DEADLINE) -> None:
    """One check, with the parameter that its name has in brackets."""
    check, _, case_name = name.removesuffix("]").partition("[")
    suite = type("Suite", (ChannelContract,), {"channel_class": channel, "server_class": server})()
    method = getattr(suite, f"test_{check}")
    if method.__code__.co_argcount == 1:
        await method()
        return
    values: list[object] = []
    if case_name:
        (mark,) = [each for each in method.pytestmark if each.name == "parametrize"]
        given = list(mark.args[1])
        names = [str(each) for each in mark.kwargs.get("ids") or given]
        values = [given[names.index(case_name)]]
    if "caplog" in method.__code__.co_varnames[: method.__code__.co_argcount]:
        values.append(caplog)
    async with channel_case(channel, server) as case:
        case.patience = patience
        await method(case, *values)
