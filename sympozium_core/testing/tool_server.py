"""The conformance suite of tool servers, whatever they are written in (docs/ipc.md): starts the program and asks over files, as the bridge would.

    class TestWords(ToolServerContract):
        name = "words"
        command = ("./words-server", "words")
        probes = Probes(example=Probe("count_words", {"text": "to be or not"}))

A probe is a call whose effect the suite knows. What a server has no tool for stands in `lacks`, what it need not do in `known_gaps`, each with
its reason: nothing is left out in silence. Needs pytest and jsonschema; runs on Linux.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import pytest

from sympozium_core.testing.tool_server_bench import ServerBench
from sympozium_core.testing.tool_server_calls import CallChecks
from sympozium_core.testing.tool_server_ends import EndChecks
from sympozium_core.testing.tool_server_legacy import LegacyChecks
from sympozium_core.testing.tool_server_manifest import ManifestChecks
from sympozium_core.testing.tool_server_output import OutputChecks
from sympozium_core.testing.tool_server_probes import Probe, Probes

__all__ = ["Probe", "Probes", "ToolServerContract"]


class ToolServerContract(ManifestChecks, CallChecks, OutputChecks, EndChecks, LegacyChecks):
    """To be subclassed as ``Test…``. Every check gets a volume of its own, and starts the server on it."""

    name: ClassVar[str]
    """Of the server: ``tools/<name>`` in its volume."""
    command: ClassVar[Sequence[str]]
    """The command line that starts it: in the workspace, with a bare environment."""
    environment: ClassVar[Mapping[str, str]] = {}
    """What it needs beside."""
    known_gaps: ClassVar[Mapping[str, str]] = {}
    """Names of checks that fail, with the reason; one that passes nevertheless is an error."""

    def server(self) -> tuple[str, Sequence[str]]:
        """Its name and command line."""
        return self.name, self.command

    @pytest.fixture
    def bench(self, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ServerBench]:
        gap = self.known_gaps.get(request.node.originalname)
        if gap is not None:
            request.node.add_marker(pytest.mark.xfail(reason=gap, strict=True))
        name, command = self.server()
        made = ServerBench(tmp_path / "bench", name, command, self.environment)
        yield made
        made.close()

    def test_declarations_name_what_there_is(self) -> None:
        unknown = [name for name in self.known_gaps if not hasattr(type(self), name)]
        assert not unknown, f"known_gaps names no check of the suite: {', '.join(unknown)}"
        both = [name for name in self.lacks if getattr(self.probes, name, None) is not None]
        assert not both, f"lacks says that there is no probe, and there is one: {', '.join(both)}"
