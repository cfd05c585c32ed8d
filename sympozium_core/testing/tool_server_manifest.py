"""Checks of `ToolServerContract` on what a server says of itself."""

from __future__ import annotations

import json
import re

from sympozium_core.bridge.offer import MAX_DESCRIPTION, MAX_SCHEMA
from sympozium_core.ipc import layout
from sympozium_core.names import Tool
from sympozium_core.testing.json_schemas import faults_of_document, faults_of_schema
from sympozium_core.testing.tool_server_bench import ServerBench
from sympozium_core.testing.tool_server_probes import ServerChecks

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""What vendors take as the name of a function."""


class ManifestChecks(ServerChecks):
    def test_it_says_what_it_serves(self, bench: ServerBench) -> None:
        assert bench.up().tools, "the manifest lists no tool"

    def test_the_manifest_is_of_the_protocol(self, bench: ServerBench) -> None:
        bench.up()
        written = bench.root.read_json(f"{bench.directory}/{layout.MANIFEST}", layout.MAX_MANIFEST)
        assert not (wrong := faults_of_document("manifest", written)), wrong

    def test_the_manifest_is_written_and_then_renamed(self, bench: ServerBench) -> None:
        with bench.writes(bench.directory) as seen:
            bench.up()
        ways = [way for way, name in seen if name == layout.MANIFEST]
        assert ways == ["moved"], f"{layout.MANIFEST} was {' and '.join(ways)}: a reader may have seen half of it"

    def test_names_are_such_as_models_can_call(self, bench: ServerBench) -> None:
        names = [tool.name for tool in bench.up().tools]
        bad = [name for name in names if not _NAME.fullmatch(name)]
        assert not bad, f"letters, digits, '_' and '-', at most 64, not {', '.join(bad)}"
        # What the core itself serves goes first, and would hide them. The shell alone serves commands.
        hidden = set(names) & (set(Tool) - {Tool.EXECUTE_COMMAND})
        assert not hidden, f"Sympozium has tools of these names itself: {', '.join(sorted(hidden))}"

    def test_descriptions_tell_the_model_what_a_tool_does(self, bench: ServerBench) -> None:
        for tool in bench.up().tools:
            assert tool.description.strip(), f"{tool.name} has no description"
            assert len(tool.description) <= MAX_DESCRIPTION, f"the description of {tool.name} is cut at {MAX_DESCRIPTION}"

    def test_parameters_are_a_json_schema(self, bench: ServerBench) -> None:
        for tool in bench.up().tools:
            assert not (wrong := faults_of_schema(tool.parameters)), f"{tool.name}: {wrong}"

    def test_parameters_are_an_object_with_what_they_require(self, bench: ServerBench) -> None:
        bench.up()
        written = bench.root.read_json(f"{bench.directory}/{layout.MANIFEST}", layout.MAX_MANIFEST)
        for tool in written["tools"]:
            schema = tool["parameters"]
            assert schema.get("type") == "object", f"{tool['name']}: parameters.type is {schema.get('type')!r}, not 'object'"
            unknown = set(schema.get("required", [])) - set(schema.get("properties", {}))
            assert not unknown, f"{tool['name']} requires what it does not describe: {', '.join(sorted(unknown))}"

    def test_schemas_are_short_enough_to_be_offered(self, bench: ServerBench) -> None:
        for tool in bench.up().tools:
            size = len(json.dumps(dict(tool.parameters)))
            assert size <= MAX_SCHEMA, f"the schema of {tool.name} has {size} bytes, {MAX_SCHEMA} are offered"

    def test_every_probe_is_of_a_tool_that_it_serves(self, bench: ServerBench) -> None:
        served = {tool.name for tool in bench.up().tools}
        for kind in ("example", "slow", "flood", "wrong"):
            probe = getattr(self.probes, kind)
            assert probe is None or probe.tool in served, f"probes.{kind} calls {probe.tool!r}, which is not in the manifest"

    def test_it_comes_up_again_where_it_was_before(self, bench: ServerBench) -> None:
        example = self.probe("example")
        first = bench.up()
        bench.done()
        bench.ended("the server goes on after done")
        bench.root.remove(layout.DONE)
        bench.start()
        assert bench.call(example.tool, example.arguments).status == "ok"
        assert bench.manifest() == first

    def test_it_works_where_nobody_tells_of_files(self, bench: ServerBench) -> None:
        """`SYMPOZIUM_IPC_POLLING` is set in sandboxes whose inotify is silent."""
        example = self.probe("example")
        bench.up(SYMPOZIUM_IPC_POLLING="1")
        assert bench.call(example.tool, example.arguments).status == "ok"
