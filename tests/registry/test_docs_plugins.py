"""The text of docs/plugins.md is what it says: its packages are installed and used."""

from __future__ import annotations

import configparser
import re
from pathlib import Path
from typing import Any

import pytest

from sympozium_core.contracts.provider import ChatRequest, Endpoint, Provider
from sympozium_core.hooks import ToolCall, Veto
from sympozium_core.names import GROUP_BRIDGE_HOOKS, GROUP_PROVIDERS
from sympozium_core.registry import calls
from sympozium_core.registry.catalogue import installed
from sympozium_core.registry.checks import check_all
from sympozium_core.registry.drivers import Drivers
from sympozium_core.registry.kinds import KINDS
from sympozium_core.registry.relay import PREFIX, Source, load_relay

TEXT = (Path(__file__).parents[2] / "docs" / "plugins.md").read_text(encoding="utf-8")
BLOCKS: list[tuple[str, str]] = re.findall(r"^```(\w+)\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
INI = [text for language, text in BLOCKS if language == "ini"]
PYTHON = [text for language, text in BLOCKS if language == "python"]


@pytest.fixture
def documented(packages: Any) -> Any:
    for ini, source in zip(INI, PYTHON, strict=False):
        config = configparser.ConfigParser()
        config.read_string(ini)
        groups = config["options.entry_points"].items()
        entries = "".join(f"[{group}]\n{lines.strip()}\n" for group, lines in groups)
        name, version = config["metadata"]["name"], config["metadata"]["version"]
        packages.install(name, entries, source, version=version, summary=config["metadata"]["description"])
    return packages


async def test_the_provider_answers(documented: Any) -> None:
    driver = Drivers[Provider](GROUP_PROVIDERS, Provider, path=documented.path).get("echo")
    request = ChatRequest({"messages": [{"role": "user", "content": "hello"}]}, timeout=1)
    chunks = [chunk async for chunk in driver.chat(Endpoint("m"), request)]
    assert chunks[0]["choices"][0]["delta"]["content"] == "hello"
    assert chunks[-1]["usage"]["total_tokens"] == 2
    assert len(PYTHON[0].strip().splitlines()) <= 12


def test_the_gate_denies(documented: Any) -> None:
    (entry,) = installed([GROUP_BRIDGE_HOOKS], path=documented.path)
    relay = load_relay([Source(entry.name, entry.value, entry.distribution)])
    assert relay.failures == []

    def call(command: str) -> ToolCall:
        return ToolCall("u", "c", "execute_command", "shell", {"command": command})

    assert calls.veto_tool_call(relay, call("rm -r /")) == Veto("plugin gate: this command removes files")
    assert calls.veto_tool_call(relay, call("ls")) is None


async def test_both_pass_the_check(documented: Any) -> None:
    results = await check_all(installed(path=documented.path))
    assert [(each.entry.name, each.entry.summary, each.reason) for each in results] == [
        ("echo", "A provider that says what it was told", ""),
        ("gate", "Nobody removes files", ""),
    ]


def test_the_program_runs(
    documented: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    exec(compile(PYTHON[2], "docs/plugins.md", "exec"), {})
    assert "provider echo acme-echo 1.0" in capsys.readouterr().out
    (entry,) = [each for each in installed() if each.name == "echo" and each.distribution == "acme-echo"]
    assert entry.group == GROUP_PROVIDERS


def test_every_group_and_hook_has_its_place() -> None:
    from sympozium_core import hooks

    missing = [kind.group for kind in KINDS if f"`{kind.group}`" not in TEXT]
    missing += [name for name in vars(hooks) if name.startswith(PREFIX) and f"| `{name}` |" not in TEXT]
    assert missing == []
