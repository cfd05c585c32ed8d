"""Native tools on real files, within one process: what they do, and what no path can make them do."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sympozium_core.ipc.fields import Fields, ProtocolError
from sympozium_core.runner.places import Places
from sympozium_core.runner.tools.native import NATIVE
from sympozium_core.runner.tools.roots import Roots, ToolFailure

Run = Callable[..., str]


@pytest.fixture
def places(tmp_path: Path) -> Places:
    made = Places(*(str(tmp_path / name) for name in ("ipc", "workspace", "skills", "tmp")))
    for path in (made.workspace, made.skills, made.tmp):
        os.mkdir(path)
    (tmp_path / "secret").write_text("top secret")
    return made


@pytest.fixture
def workspace(places: Places) -> Path:
    return Path(places.workspace)


@pytest.fixture
def run(places: Places) -> Iterator[Run]:
    roots = Roots(places, 2_000)

    def run(name: str, **arguments: Any) -> str:
        before = len(os.listdir("/proc/self/fd"))
        try:
            return NATIVE[name].run(Fields(arguments, "arguments"), roots)
        finally:
            # At most one more: a root that was opened for the first time and is kept.
            assert len(os.listdir("/proc/self/fd")) <= before + 1, "a descriptor was left open"

    yield run
    roots.close()


@pytest.mark.parametrize("tool", ["read_file", "list_directory", "grep_search"])
@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd",
        "../secret",
        "/workspace/../secret",
        "/workspace/../../etc",
        "/ipc",
        "/",
        "//etc",
        "link/secret",
        "deep/../../secret",
    ],
)
def test_nothing_outside_is_read(run: Run, workspace: Path, tool: str, path: str) -> None:
    os.symlink("..", workspace / "link")
    (workspace / "deep").mkdir()
    arguments = {"path": path} | ({"pattern": "."} if tool == "grep_search" else {})
    with pytest.raises(ToolFailure) as caught:
        run(tool, **arguments)
    assert str(workspace.parent) not in str(caught.value), "the message shows a path of this machine"


@pytest.mark.parametrize("path", ["/skills/x", "/etc/x", "../x", "link/x", "link-file", "/workspace", "fifo"])
def test_nothing_outside_is_written(run: Run, workspace: Path, path: str) -> None:
    os.symlink("..", workspace / "link")
    os.symlink("../secret", workspace / "link-file")
    os.mkfifo(workspace / "fifo")
    for name, arguments in (
        ("write_file", {"content": "x"}),
        ("edit_file", {"edits": [{"old_string": "top", "new_string": "no"}]}),
    ):
        with pytest.raises(ToolFailure):
            run(name, path=path, **arguments)
    assert (workspace.parent / "secret").read_text() == "top secret"
    assert not (workspace.parent / "x").exists()


def test_what_is_no_file_neither_hangs_nor_is_read(run: Run, workspace: Path) -> None:
    os.mkfifo(workspace / "fifo")
    with socket.socket(socket.AF_UNIX) as listener:
        here = os.open(workspace, os.O_PATH)
        listener.bind(f"/proc/self/fd/{here}/socket")
        os.close(here)
        begin = time.monotonic()
        for name in ("fifo", "socket"):
            with pytest.raises(ToolFailure):
                run("read_file", path=name)
        with pytest.raises(ToolFailure, match="is a directory"):
            run("read_file", path=".")
        assert run("grep_search", pattern=".") == "No matches."
        assert time.monotonic() - begin < 5
    assert run("list_directory") == f"other {'-':>10} fifo\nother {'-':>10} socket"


def test_read_in_parts(run: Run, workspace: Path) -> None:
    lines = [f"line {number}\n" for number in range(1, 1001)]
    (workspace / "long").write_text("".join(lines))
    seen, offset = "", 1
    while True:
        text = run("read_file", path="long", offset=offset)
        assert len(text) <= 2_000
        body, _, notice = text.rpartition("[Lines ")
        if not notice or not body:
            seen += text
            break
        seen += body
        offset = int(notice.rpartition("offset=")[2].rstrip(".]"))
    assert seen == "".join(lines)
    assert run("read_file", path="long", offset=5, limit=2).startswith("line 5\nline 6\n[Lines 5 to 6 of")
    assert run("read_file", path="long", offset=1000) == "line 1000\n"
    with pytest.raises(ToolFailure, match="only 1000 lines"):
        run("read_file", path="long", offset=2000)


def test_read_of_odd_files(run: Run, workspace: Path) -> None:
    (workspace / "binary").write_bytes(bytes(range(256)))
    (workspace / "one-line").write_bytes(b"x" * 10_000_000)
    (workspace / "empty").touch()
    (workspace / "latin").write_bytes(b"caf\xe9")
    with pytest.raises(ToolFailure, match="binary file of 256 bytes"):
        run("read_file", path="binary")
    text = run("read_file", path="one-line")
    assert len(text) < 2_100
    assert "10000000 bytes" in text
    assert run("read_file", path="empty") == "[The file is empty.]"
    assert run("read_file", path="latin") == "caf�"
    with pytest.raises(ToolFailure, match="does not exist"):
        run("read_file", path="nothing")


def test_write_keeps_the_mode_and_makes_directories(run: Run, workspace: Path) -> None:
    script = workspace / "run.sh"
    script.write_text("old")
    script.chmod(0o755)
    run("write_file", path="run.sh", content="new")
    assert (script.read_text(), script.stat().st_mode & 0o777) == ("new", 0o755)
    run("write_file", path="/workspace/a/b/c", content="é")
    assert (workspace / "a" / "b" / "c").read_text() == "é"
    assert not [name for _, _, names in os.walk(workspace) for name in names if name.startswith(".")]


def test_edits_are_all_made_or_none(run: Run, workspace: Path) -> None:
    file = workspace / "f"
    file.write_text("a b a\r\nc")
    edit = run(
        "edit_file",
        path="f",
        edits=[{"old_string": "b", "new_string": "B"}, {"old_string": "a", "new_string": "A", "replace_all": True}],
    )
    assert edit == "Made 3 replacements in /workspace/f."
    assert file.read_bytes() == b"A B A\r\nc"
    for second, says in (
        ({"old_string": "A", "new_string": ""}, "2 times"),
        ({"old_string": "zzz", "new_string": ""}, "is not in the file"),
    ):
        with pytest.raises(ToolFailure, match=says) as caught:
            run("edit_file", path="f", edits=[{"old_string": "c", "new_string": "C"}, second])
        assert "edits[1]" in str(caught.value)
        assert file.read_bytes() == b"A B A\r\nc"
    with pytest.raises(ProtocolError, match=r"edits\[0\].new_string: is missing"):
        run("edit_file", path="f", edits=[{"old_string": "c"}])


def test_list(run: Run, workspace: Path) -> None:
    (workspace / "dir").mkdir()
    (workspace / "b.txt").write_text("12345")
    os.symlink("/etc/passwd", workspace / "away")
    assert run("list_directory").split("\n") == [
        f"link {'-':>10} away",
        f"file {5:>10} b.txt",
        f"dir  {'-':>10} dir/",
    ]
    for number in range(600):
        (workspace / "dir" / f"{number:04}").touch()
    lines = run("list_directory", path="dir").split("\n")
    assert len(lines) == 501
    assert "500 of 600" in lines[-1]


def test_grep(run: Run, workspace: Path) -> None:
    (workspace / "src").mkdir()
    (workspace / "src" / "b.py").write_text("import os\nprint('x')\n")
    (workspace / "a.py").write_text("IMPORT\nimport sys\n")
    (workspace / "c.txt").write_text("import this\n")
    (workspace / ".git").mkdir()
    (workspace / ".git" / "x.py").write_text("import git\n")
    (workspace / "binary.py").write_bytes(b"import\0")
    os.symlink("a.py", workspace / "link.py")
    assert (
        run("grep_search", pattern="^import", glob="*.py") == "/workspace/a.py:2: import sys\n/workspace/src/b.py:1: import os"
    )
    assert run("grep_search", pattern="^import", glob="src/*") == "/workspace/src/b.py:1: import os"
    assert run("grep_search", pattern="^import", path="src") == "/workspace/src/b.py:1: import os"
    assert run("grep_search", pattern="import", path="c.txt") == "/workspace/c.txt:1: import this"
    assert run("grep_search", pattern="^import", path="/workspace/a.py", ignore_case=True).count("\n") == 1
    assert run("grep_search", pattern="import", max_results=1).endswith(
        "[Stopped after 1 results; narrow the pattern, path or glob.]"
    )
    with pytest.raises(ToolFailure, match="no regular expression"):
        run("grep_search", pattern="(")


def test_a_regular_expression_without_end_is_ended(run: Run, workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sympozium_core.runner.tools.grep_search.TIMEOUT", 0.5)
    (workspace / "trap").write_text("a" * 5_000 + "b")
    begin = time.monotonic()
    with pytest.raises(ToolFailure, match="took longer"):
        run("grep_search", pattern=r"(a+)+$")
    assert time.monotonic() - begin < 5
