"""Checks of `ToolServerContract` on what goes in and comes out: texts of every kind and size, and files."""

from __future__ import annotations

import json
import os
import stat

import pytest

from sympozium_core.ipc import layout
from sympozium_core.ipc.fields import ARTIFACT_NAME
from sympozium_core.testing.tool_server_bench import ServerBench
from sympozium_core.testing.tool_server_probes import ServerChecks

LARGE = 400_000
"""Bytes of an argument: well within a request, and more than a command line takes."""
TEXTS = {
    "umlauts": "Grüße, 世界",
    "beyond-the-basic-plane": "🙂🏳️‍🌈",
    "lines": "one\ntwo\n\nthree",
    "quotes": 'it\'s "quoted" and \\ escaped',
    "shell": "$HOME `id` $(id) ; & | > x",
    "looks-like-json": '"text": "other"}',
    "escapes": "\\u0041 \\n",
    "control-characters": "a\tb\x01\x1f",
}


class OutputChecks(ServerChecks):
    @pytest.mark.parametrize("text", TEXTS.values(), ids=list(TEXTS))
    def test_text_comes_through_unchanged(self, bench: ServerBench, text: str) -> None:
        echo = self.probe("echo")
        bench.up()
        probe = echo(text)
        result = bench.call(probe.tool, probe.arguments)
        assert text in result.content, f"{text!r} came back as {result.content[:200]!r}"

    def test_text_is_read_however_its_writer_escaped_it(self, bench: ServerBench) -> None:
        echo = self.probe("echo")
        bench.up()
        text = "Grüße, 世界 / “ok”"
        probe = echo(text)
        request = {"arguments": dict(probe.arguments), "tool": probe.tool, "id": "escaped"}
        bench.root.write_bytes(
            f"{bench.directory}/{layout.REQUESTS}/escaped.json", json.dumps(request, indent=1).encode("ascii")
        )
        assert text in bench.result("escaped").content

    def test_large_arguments_come_through(self, bench: ServerBench) -> None:
        echo = self.probe("echo")
        bench.up()
        probe = echo("x" * LARGE)
        result = bench.call(probe.tool, probe.arguments)
        assert result.status == "ok", result.content[:300]
        whole = result.content.encode() if not result.truncated else b"".join(map(bench.artifact, result.artifacts))
        assert whole.count(b"x") >= LARGE, f"of {LARGE} characters {whole.count(b'x')} came back"

    def test_a_flood_of_output_is_bounded(self, bench: ServerBench) -> None:
        flood = self.probe("flood")
        bench.up()
        call = bench.ask(flood.tool, flood.arguments)
        result = bench.result(call, 60)
        size = os.path.getsize(bench.ipc / bench.directory / layout.RESULTS / f"{call}.json")
        assert size <= layout.MAX_TOOL_RESULT
        assert result.content, "nothing is left of the output"

    def test_output_that_was_cut_is_said_to_be(self, bench: ServerBench) -> None:
        flood = self.probe("flood")
        bench.up()
        assert bench.call(flood.tool, flood.arguments).truncated, "the content is not all there was, and truncated is not true"

    def test_output_that_was_cut_is_kept_whole(self, bench: ServerBench) -> None:
        flood = self.probe("flood")
        bench.up()
        result = bench.call(flood.tool, flood.arguments)
        assert result.artifacts, "the result names no artifact that has the rest"
        whole = b"".join(bench.artifact(name) for name in result.artifacts)
        assert len(whole) > layout.MAX_TOOL_RESULT, f"the artifacts have {len(whole)} bytes, less than there was"
        assert result.content[:200].encode() in whole

    def test_artifacts_are_plain_files_with_plain_names(self, bench: ServerBench) -> None:
        flood = self.probe("flood")
        bench.up()
        for name in bench.call(flood.tool, flood.arguments).artifacts:
            assert ARTIFACT_NAME.match(name), f"{name!r} is no name of an artifact"
            status = os.lstat(bench.ipc / bench.directory / layout.ARTIFACTS / name)
            assert stat.S_ISREG(status.st_mode), f"{name} is no regular file"
            assert status.st_nlink == 1, f"{name} has more than one link, and is refused"

    def test_artifacts_of_two_calls_do_not_overwrite_each_other(self, bench: ServerBench) -> None:
        flood = self.probe("flood")
        bench.up()
        one, other = (bench.call(flood.tool, flood.arguments).artifacts for _ in range(2))
        assert not set(one) & set(other)

    def test_it_writes_nowhere_but_in_its_places(self, bench: ServerBench) -> None:
        example = self.probe("example")
        bench.up()
        bench.call(example.tool, example.arguments)
        bench.call("no_such_tool", {})
        bench.done()
        bench.ended("the server goes on after done")
        allowed = (f"{bench.directory}/", "tools/exec-", "tools/.claim-", layout.DONE)
        strange = [name for name in bench.own_files() if not name.startswith(allowed)]
        assert not strange, f"in the volume, outside of {bench.directory}: {', '.join(strange)}"
        assert not any(bench.home.iterdir()), f"in the home folder: {', '.join(os.listdir(bench.home))}"

    def test_it_leaves_nothing_half_written(self, bench: ServerBench) -> None:
        example = self.probe("example")
        bench.up()
        for _ in range(3):
            bench.call(example.tool, example.arguments)
        bench.done()
        bench.ended("the server goes on after done")
        claims = f"{bench.directory}/{layout.REQUESTS}/"
        half = [
            name
            for name in bench.own_files()
            if not name.startswith(claims) and (os.path.basename(name).startswith(".") or name.endswith(".tmp"))
        ]
        assert not half, f"hidden files are left: {', '.join(half)}"
