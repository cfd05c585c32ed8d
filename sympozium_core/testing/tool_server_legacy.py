"""Checks of `ToolServerContract` on the original's ``exec-request`` files: of a server that says it speaks them, and of one that does not."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

from sympozium_core.ipc import layout
from sympozium_core.ipc.legacy import LegacyResult, parse_legacy_result, result_path
from sympozium_core.testing.json_schemas import faults_of_document
from sympozium_core.testing.tool_server_bench import ServerBench
from sympozium_core.testing.tool_server_probes import ServerChecks


class LegacyChecks(ServerChecks):
    speaks_legacy: ClassVar[bool] = False
    """Whether it answers the original's ``exec-request`` files too; one that does not has to leave them alone."""

    def test_requests_in_the_originals_form_are_left_alone_by_who_does_not_speak_it(self, bench: ServerBench) -> None:
        if self.speaks_legacy:
            pytest.skip("it speaks the original's form")
        example = self.probe("example")
        bench.up()
        path = ask(bench, "r1", command="true")
        for _ in range(2):  # whoever looks at both in turn has then looked at the first
            assert bench.call(example.tool, example.arguments).status == "ok"
        assert bench.root.exists(path), "a request that is not for it was taken away"
        assert not bench.root.exists(result_path("r1"))

    def test_a_command_in_the_originals_form_is_run_by_a_shell(self, bench: ServerBench) -> None:
        self._needs_legacy(bench)
        ask(bench, "r1", command='echo "$1"; echo e >&2; exit 4', args=["a b"])
        result = answer(bench, "r1")
        assert (result.exit_code, result.stdout, result.stderr, result.timed_out) == (4, "a b\n", "e\n", False)

    def test_words_in_the_originals_form_are_run_without_a_shell(self, bench: ServerBench) -> None:
        self._needs_legacy(bench)
        ask(bench, "r1", argv=["echo", "a; b", "$HOME", "*"], command="exit 9")
        assert answer(bench, "r1").stdout == "a; b $HOME *\n"

    def test_standard_input_in_the_originals_form(self, bench: ServerBench) -> None:
        self._needs_legacy(bench)
        ask(bench, "r1", argv=["cat"], stdin="in; $(id)")
        assert answer(bench, "r1").stdout == "in; $(id)"

    def test_a_time_in_the_originals_form_is_kept(self, bench: ServerBench) -> None:
        self._needs_legacy(bench)
        ask(bench, "r1", command="echo begun; sleep 300", timeout=1)
        result = answer(bench, "r1")
        assert result.timed_out
        assert result.stdout == "begun\n"

    def test_a_request_in_the_originals_form_for_another_is_left_to_it(self, bench: ServerBench) -> None:
        self._needs_legacy(bench)
        ask(bench, "theirs", command="touch ran", target="another-pack")
        ask(bench, "ours", command="true", target=f"SKILL-{bench.name.upper()}")
        assert answer(bench, "ours").exit_code == 0
        assert not bench.root.exists(result_path("theirs"))
        assert not bench.root.exists("tools/.claim-theirs")

    def test_a_result_in_the_originals_form_is_of_the_protocol(self, bench: ServerBench) -> None:
        self._needs_legacy(bench)
        ask(bench, "r1", command="echo x")
        answer(bench, "r1")
        written = bench.root.read_json(result_path("r1"), layout.MAX_TOOL_RESULT)
        assert not (wrong := faults_of_document("exec-result", written)), wrong

    def _needs_legacy(self, bench: ServerBench) -> None:
        if not self.speaks_legacy:
            pytest.skip("it does not say that it speaks the original's form (speaks_legacy)")
        bench.up()


def ask(bench: ServerBench, call: str, **fields: Any) -> str:
    path = f"{layout.LEGACY_REQUEST_PREFIX}{call}.json"
    bench.root.write_json(path, {"id": call, **fields})
    return path


def answer(bench: ServerBench, call: str) -> LegacyResult:
    path = result_path(call)
    bench.until(lambda: bench.root.exists(path), f"{path} does not appear; the server wrote: {bench.complaints()}")
    return parse_legacy_result(bench.root.read_json(path, layout.MAX_TOOL_RESULT), path)
