"""The process table as /proc tells it."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid

from sympozium_sandbox_process import processtable


def test_a_name_with_parentheses_and_spaces_is_read_past() -> None:
    script = "import ctypes, sys; ctypes.CDLL(None).prctl(15, b'a) S 1 (b ', 0, 0, 0); print(flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-S", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        entry = processtable.read_entry(child.pid)
        assert entry is not None
        assert (entry.pid, entry.parent, entry.session) == (child.pid, os.getpid(), os.getsid(0))
    assert processtable.read_entry(child.pid) is None


def test_subtree() -> None:
    assert processtable.subtree({1: [2, 3], 3: [4], 9: [10]}, [3, 9]) == {3, 4, 9, 10}


def test_marked_processes_end_with_what_descends_from_them() -> None:
    mark = uuid.uuid4().hex
    script = "import subprocess; print(subprocess.Popen(['sleep', '300'], env={}).pid, flush=True)\nwhile True: pass"
    child = subprocess.Popen([sys.executable, "-S", "-c", script], env={"MARK": mark}, stdout=subprocess.PIPE)
    assert child.stdout is not None
    inner = int(child.stdout.readline())
    assert processtable.marked("MARK", [mark, "other"]) == {mark: {child.pid}}
    assert processtable.end_marked("MARK", [mark]) == {}
    child.communicate()
    left = processtable.read_entry(inner)
    assert left is None or left.state == "Z"
