"""Makes the test classes of a package's plugins: of each entry point the suite of its kind, with what the package says of itself."""

from __future__ import annotations

import configparser
import importlib
import tomllib
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from sympozium_core import names
from sympozium_core.errors import SympoziumError
from sympozium_core.registry.catalogue import Installed, installed
from sympozium_core.registry.loading import load_value
from sympozium_core.resources.skill_calls import LACKS, PLACE, AskedCall, SkillCalls, read_calls

UNSAID = f"nothing in {PLACE} says which call does that"
SERVER = "testing:Server"
"""Below the package of a provider or a channel: the strict server of its wire."""


@dataclass(frozen=True)
class Found:
    entry: Installed
    package: Path

    @property
    def title(self) -> str:
        """Of kind and name, because one package may bring two plugins of one name."""
        words = f"{self.entry.kind}-{self.entry.name}".replace("_", "-").replace(" ", "-").split("-")
        return "Test" + "".join(word[:1].upper() + word[1:] for word in words)


def module_of(package: Path) -> types.ModuleType:
    """A module with the classes. Raises pytest.UsageError where there is nothing to test, or no way to test it."""
    name = distribution_name(package)
    found = [Found(entry, package) for entry in installed() if entry.distribution.lower() == name.lower()]
    if not found:
        raise pytest.UsageError(f"package {name!r} is not installed, or brings no plugin: pip install -e {package}")
    module = types.ModuleType(f"sympozium_conformance_of_{name.replace('-', '_')}")
    for each in found:
        try:
            for key, value in SUITES[each.entry.group](each).items():
                setattr(module, key, value)
        except (SympoziumError, ImportError, AttributeError) as error:
            raise pytest.UsageError(f"{each.entry.kind} {each.entry.name}: {error}") from error
    return module


def distribution_name(package: Path) -> str:
    """As ``setup.cfg`` or ``pyproject.toml`` say it."""
    config = configparser.ConfigParser(interpolation=None)
    config.read(package / "setup.cfg", encoding="utf-8")
    name = config.get("metadata", "name", fallback="")
    if not name and (package / "pyproject.toml").is_file():
        name = tomllib.loads((package / "pyproject.toml").read_text("utf-8")).get("project", {}).get("name", "")
    if not name:
        raise pytest.UsageError(f"{package}: neither setup.cfg nor pyproject.toml says the package's name")
    return str(name)


def skill_suite(found: Found) -> dict[str, Any]:
    from sympozium_core.processes.skill_start import command_of
    from sympozium_core.resources.skill_folder import read_skill_folder
    from sympozium_core.testing.skill import SkillContract, SkillServerContract

    skill_class = load_value(found.entry.value)
    fields: dict[str, Any] = {"skill_class": skill_class, "entry_point": found.entry.name}
    skill = skill_class()
    if not command_of(found.entry.name, skill.folder(), read_skill_folder(skill.folder()), skill):
        return {found.title: type(found.title, (SkillContract,), fields)}
    return {found.title: type(found.title, (SkillServerContract,), fields | server_fields(read_calls(found.package / PLACE)))}


def server_fields(calls: SkillCalls) -> dict[str, Any]:
    """Class variables of a suite of tool servers, from a file of calls."""
    from sympozium_core.testing.tool_server_probes import Probes

    given = calls.probes or {}
    probes: dict[str, Any] = {name: _probe(asked) for name, asked in given.items() if name not in _WITH_TEXT}
    probes |= {name: _probe_with(given[name], word) for name, word in _WITH_TEXT.items() if name in given}
    example = next((each for each in calls.calls if each.status == "ok"), None)
    if example is not None:
        probes["example"] = _probe(example)
    lacks = {name: UNSAID for name in LACKS if name not in probes} | dict(calls.lacks or {})
    return {
        "examples": calls.calls,
        "probes": Probes(**probes),
        "lacks": lacks,
        "known_gaps": dict(calls.known_gaps or {}),
        "speaks_legacy": calls.speaks_legacy,
    }


def provider_suite(found: Found) -> dict[str, Any]:
    from sympozium_core.testing.provider import ProviderContract

    module = _testing(found, "sympozium_core.testing.servers.host.StrictServer")
    fields = {"provider_class": load_value(found.entry.value), "server_class": module.Server}
    fields["known_gaps"] = getattr(module, "KNOWN_GAPS", {})
    return {found.title: type(found.title, (ProviderContract,), fields)}


def channel_suite(found: Found) -> dict[str, Any]:
    from sympozium_core.testing.channel import ChannelContract

    module = _testing(found, "sympozium_core.testing.servers.chat.ChatServer")
    fields = {"channel_class": load_value(found.entry.value), "server_class": module.Server}
    fields["known_gaps"] = getattr(module, "KNOWN_GAPS", {})
    return {found.title: type(found.title, (ChannelContract,), fields)}


def _testing(found: Found, server: str) -> Any:
    """The module of a package in which its strict server is."""
    package = found.entry.value.partition(":")[0].partition(".")[0]
    try:
        return importlib.import_module(f"{package}.testing")
    except ModuleNotFoundError as error:
        hint = f"write {package}/{SERVER.replace(':', '.py with a class ')}: a subclass of {server}"
        raise ImportError(f"it brings no strict server of its wire; {hint}") from error


def sandbox_suite(found: Found) -> dict[str, Any]:
    from sympozium_core.testing.sandbox_local import LocalSandboxContract, bench

    driver_class = load_value(found.entry.value)

    @pytest.fixture
    def driver() -> Any:
        return driver_class()

    suite = type(found.title, (LocalSandboxContract,), {"expects": driver_class.promises})
    return {found.title: suite, "driver": driver, "bench": bench}


def memory_suite(found: Found) -> dict[str, Any]:
    from sympozium_core.testing.memory import MemoryContract

    fields = {"memory_class": load_value(found.entry.value), "entry_point": found.entry.name}
    return {found.title: type(found.title, (MemoryContract,), fields)}


def harness_suite(found: Found) -> dict[str, Any]:
    from sympozium_core.testing.harness import HarnessContract

    fields: dict[str, Any] = {"harness_class": load_value(found.entry.value), "entry_point": found.entry.name}
    said = _said(found)
    fields |= {"known_gaps": getattr(said, "KNOWN_GAPS", {}), "command": getattr(said, "COMMAND", ())}
    return {found.title: type(found.title, (HarnessContract,), fields)}


def mcp_client_suite(found: Found) -> dict[str, Any]:
    from sympozium_core.testing.mcp_client import McpClientContract

    fields = {"client_class": load_value(found.entry.value), "entry_point": found.entry.name}
    fields["known_gaps"] = getattr(_said(found), "KNOWN_GAPS", {})
    return {found.title: type(found.title, (McpClientContract,), fields)}


def _said(found: Found) -> Any:
    """The module `testing` of a package, in which it says what a suite has to know; None where there is none, and none is needed."""
    module = found.entry.value.partition(":")[0].partition(".")[0]
    package = find_spec(module)
    if package is None or not package.submodule_search_locations or find_spec(f"{module}.testing") is None:
        return None
    return importlib.import_module(f"{module}.testing")


def hook_suite(found: Found) -> dict[str, Any]:
    from sympozium_core.testing.hook import HookContract

    fields = {"plugin": load_value(found.entry.value), "group": found.entry.group}
    return {found.title: type(found.title, (HookContract,), fields)}


SUITES: Mapping[str, Callable[[Found], dict[str, Any]]] = {
    names.GROUP_SKILLS: skill_suite,
    names.GROUP_PROVIDERS: provider_suite,
    names.GROUP_CHANNELS: channel_suite,
    names.GROUP_SANDBOXES: sandbox_suite,
    names.GROUP_MEMORIES: memory_suite,
    names.GROUP_MCP_CLIENTS: mcp_client_suite,
    names.GROUP_HARNESSES: harness_suite,
    names.GROUP_HOOKS: hook_suite,
    names.GROUP_BRIDGE_HOOKS: hook_suite,
}
_WITH_TEXT = {"echo": "{text}", "count": "{word}"}
"""Probes into which the suite puts a text of its own, and what stands for it in the file."""


def _probe(asked: AskedCall) -> Any:
    from sympozium_core.testing.tool_server_probes import Probe

    return Probe(asked.tool, asked.arguments)


def _probe_with(asked: AskedCall, word: str) -> Callable[[str], Any]:
    from sympozium_core.testing.tool_server_probes import Probe

    return lambda text: Probe(asked.tool, _put(asked.arguments, word, text))


def _put(value: Any, word: str, text: str) -> Any:
    if isinstance(value, str):
        return value.replace(word, text)
    if isinstance(value, Mapping):
        return {key: _put(each, word, text) for key, each in value.items()}
    if isinstance(value, list):
        return [_put(each, word, text) for each in value]
    return value
