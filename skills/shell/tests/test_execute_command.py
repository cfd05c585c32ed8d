"""`execute_command` through the real server: what a command sees, gives back, and leaves behind."""

from __future__ import annotations

import time
from typing import Any

import pytest


def test_output_and_exit_code(shell: Any) -> None:
    (tool,) = shell.manifest().tools
    assert tool.name == "execute_command"
    assert set(tool.parameters["properties"]) == {"command", "workdir", "timeout"}
    assert tool.parameters["required"] == ["command"]
    result = shell.run("echo out; echo err >&2; exit 3")
    assert (result.status, result.exit_code, result.content) == ("ok", 3, "out\n[stderr]\nerr\n")
    assert shell.run("kill -9 $$").exit_code == 137
    assert shell.run("exit 0").content == ""
    assert shell.run("[[ a == a ]] && cat").exit_code == 0, "nothing waits for input"


def test_words_are_run_without_a_shell(shell: Any) -> None:
    """They come from the bridge, which has judged them; the line beside them is not looked at."""
    assert shell.run("exit 9", argv=["echo", "a; b", "$HOME", "*"]).content == "a; b $HOME *\n"
    (shell.workspace / "file").write_text("text\n")
    assert shell.run("exit 9", argv=["cat", "/workspace/file"]).content == "text\n"
    missing = shell.run("exit 9", argv=["no-such-program", "x"])
    assert (missing.status, missing.exit_code) == ("ok", 127)
    assert missing.content == "no-such-program: No such file or directory"
    assert shell.run("exit 9", argv=["/workspace/file"]).exit_code == 126
    assert shell.run("echo line", argv=[]).content == "line\n"


def test_the_environment_is_clean(shell: Any) -> None:
    names = {line.partition("=")[0]: line.partition("=")[2] for line in shell.run("env").content.splitlines()}
    assert "SECRET_TOKEN" not in names
    assert "SYMPOZIUM_IPC" not in names
    assert names["HOME"] == names["TMPDIR"] == "/tmp"
    assert names["SKILL_REGION"] == "north"
    assert {"PATH", "LANG"} <= set(names)


def test_paths_are_those_that_the_agent_knows(shell: Any) -> None:
    (shell.workspace / "sub").mkdir()
    assert shell.run("pwd").content == "/workspace\n"
    assert shell.run("pwd", workdir="sub").content == "/workspace/sub\n"
    shell.run("echo text > /workspace/sub/a; echo t > /tmp/b")
    assert (shell.workspace / "sub" / "a").read_text() == "text\n"
    assert (shell.temporary / "b").read_text() == "t\n"
    assert shell.run("cat '/workspace/sub/a'; cat /tmp/b").content == "text\nt\n"
    assert str(shell.workspace) not in shell.run("ls /workspace/nothing; realpath .").content
    assert shell.run("echo /workspaces my/workspace").content == "/workspaces my/workspace\n"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"workdir": "/etc"}, "outside"),
        ({"workdir": "../.."}, "outside"),
        ({"workdir": "nothing"}, "no directory"),
        ({"timeout": 0}, "1 to 120"),
        ({"timeout": 121}, "1 to 120"),
        ({"timeout": "5"}, "type integer"),
        ({"other": 1}, "no 'other'"),
    ],
)
def test_bad_arguments_are_named_and_nothing_runs(shell: Any, arguments: dict[str, Any], says: str) -> None:
    result = shell.run("touch /workspace/ran", **arguments)
    assert result.status == "error"
    assert says in result.content
    assert not (shell.workspace / "ran").exists()


def test_a_timeout_keeps_the_output_and_leaves_no_process(shell: Any) -> None:
    begin = time.monotonic()
    result = shell.run("echo begun; sleep 300 & (sleep 300; true) & trap '' TERM; sleep 300", timeout=1)
    assert time.monotonic() - begin < 6
    assert (result.status, result.content) == ("timeout", "begun\n[The command took too long and was ended.]")
    assert not shell.processes()


@pytest.mark.parametrize(
    "command",
    [
        "sleep 300 & echo done",
        "setsid sleep 300 & echo done",
        "(setsid sh -c 'sleep 300 & sleep 300' > /dev/null 2>&1 &); echo done",
    ],
    ids=["background", "own-session", "daemon"],
)
def test_what_a_command_leaves_behind_ends_with_it(shell: Any, command: str) -> None:
    begin = time.monotonic()
    assert shell.run(command).content == "done\n"
    assert time.monotonic() - begin < 5
    assert not shell.processes()


def test_one_command_does_not_end_what_another_runs(shell: Any) -> None:
    long = shell.ask("setsid sh -c 'touch began; while [ ! -e go ]; do sleep 0.02; done; echo went' & wait")
    shell.until((shell.workspace / "began").exists)
    for _ in range(5):
        assert shell.run("setsid sleep 300 & echo x").content == "x\n"
    (shell.workspace / "go").touch()
    assert shell.result(long).content == "went\n"


def test_cancel_ends_the_command(shell: Any) -> None:
    call = shell.ask("touch began; sleep 300")
    shell.until((shell.workspace / "began").exists)
    shell.root.write_bytes(f"tools/shell/cancel/{call}", b"")
    result = shell.result(call)
    assert result.status == "error"
    assert "cancelled" in result.content
    assert not shell.processes()


def test_done_ends_what_still_runs(shell: Any) -> None:
    shell.ask("touch began; setsid sleep 300 & sleep 300")
    shell.until((shell.workspace / "began").exists)
    begin = time.monotonic()
    shell.root.write_bytes("done", b"")
    assert shell.process.wait(10) == 0
    assert time.monotonic() - begin < 4
    assert not shell.processes()


def test_long_output_is_cut_and_kept_whole(shell: Any) -> None:
    result = shell.run("seq 1 2000000")
    whole = "".join(f"{number}\n" for number in range(1, 2_000_001))
    assert result.truncated
    assert len(result.content) < 52_000
    assert result.content.startswith("1\n2\n")
    assert result.content.endswith("1999999\n2000000\n")
    (name,) = result.artifacts
    assert shell.root.read_bytes(f"tools/shell/artifacts/{name}", 1 << 25).decode() == whole
    exact = shell.run("head -c 51200 /dev/zero | tr '\\0' x")
    assert (len(exact.content), exact.truncated, exact.artifacts) == (51_200, False, ())


def test_output_that_is_no_text_is_still_a_result(shell: Any) -> None:
    result = shell.run("printf '\\377\\0ok'; head -c 200000 /dev/urandom >&2")
    assert result.status == "ok"
    assert result.content.startswith("\ufffd\0ok")


def test_commands_run_at_the_same_time(shell: Any) -> None:
    wait = "touch {0}; while [ ! -e {1} ]; do sleep 0.02; done"
    calls = [shell.ask(wait.format(one, other), timeout=10) for one, other in (("a", "b"), ("b", "a"))]
    assert [shell.result(call).exit_code for call in calls] == [0, 0]


def test_requests_in_the_originals_form(shell: Any) -> None:
    shell.manifest()
    forms: dict[str, dict[str, Any]] = {
        "command": {"command": "echo $1; pwd >&2; exit 4", "args": ["a b"], "workDir": "/workspace"},
        "argv": {"argv": ["cat", "-"], "stdin": "in; $(id)", "target": "SHELL"},
        "late": {"command": "echo x; sleep 300", "timeout": 1},
        "missing": {"argv": ["/no/such/program"]},
        "empty": {},
        "other": {"command": "touch /workspace/ran", "target": "k8s-ops"},
    }
    for call, fields in forms.items():
        shell.root.write_json(f"tools/exec-request-{call}.json", {"id": call, **fields})

    def result(call: str) -> dict[str, Any]:
        path = f"tools/exec-result-{call}.json"
        shell.until(lambda: shell.root.exists(path))
        return dict(shell.root.read_json(path, 1 << 21))

    assert result("command") == {"id": "command", "exitCode": 4, "stdout": "a b\n", "stderr": "/workspace\n", "timedOut": False}
    assert result("argv")["stdout"] == "in; $(id)"
    late = result("late")
    assert (late["timedOut"], late["exitCode"], late["stdout"]) == (True, 124, "x\n")
    assert result("missing")["exitCode"] == 126
    assert "command" in result("empty")["stderr"]
    assert not shell.root.exists("tools/exec-result-other.json")
    assert not shell.root.exists("tools/.claim-other"), "what is another's is left to it"
    assert not (shell.workspace / "ran").exists()
