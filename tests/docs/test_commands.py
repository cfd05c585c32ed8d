"""Every command in the documentation runs, page by page, in order, in an empty folder with a data directory of its own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.docs.conftest import NOT_RUN, ON_A_CLUSTER

DEADLINE = 60
MARKERS = {"", "file", "background", "exit", "output", "output of", ON_A_CLUSTER, NOT_RUN, "schema"}
NOT_RUN_AT_MOST = 13


def environment(folder: Path) -> dict[str, str]:
    """What a fresh user has, and a key that opens nothing."""
    return {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "LANG": "C.UTF-8",
        "SYMPOZIUM_DATA_DIR": str(folder / "data"),
        "OPENAI_API_KEY": "no-key-that-opens-anything",
    }


@pytest.mark.timeout(DEADLINE * 4)
def test_a_page(runnable: list[Any], tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    printed = ""
    with ExitStack() as stack:
        for block in runnable:
            if block.marker == "file":
                (work / block.value).write_text(block.text)
            elif block.marker == "background":
                stack.enter_context(background(block, work, environment(tmp_path)))
            elif block.marker == "output":
                assert_prints(block, printed)
            elif block.language == "sh" and block.marker not in (ON_A_CLUSTER, NOT_RUN):
                printed = run(block, work, environment(tmp_path))


def run(block: Any, work: Path, env: dict[str, str]) -> str:
    shell = subprocess.run(
        ["sh", "-eu", "-c", block.text], cwd=work, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=DEADLINE, check=False
    )  # fmt: skip
    expected = int(block.value) if block.marker == "exit" else 0
    assert shell.returncode == expected, f"{block} ended with {shell.returncode}:\n{shell.stdout}"
    assert "Traceback" not in shell.stdout, f"{block}:\n{shell.stdout}"
    return shell.stdout


@contextmanager
def background(block: Any, work: Path, env: dict[str, str]) -> Iterator[None]:
    process = subprocess.Popen(
        ["sh", "-eu", "-c", block.text], cwd=work, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )  # fmt: skip
    try:
        assert process.stdout is not None
        seen = ""
        for line in process.stdout:
            seen += line
            if block.value in line:
                break
        else:
            pytest.fail(f"{block} ended, and had printed:\n{seen}")
        yield
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.communicate(timeout=DEADLINE)


def assert_prints(block: Any, printed: str) -> None:
    """Each line of the block is a line of what was printed, in the same order; without ``…`` between them, the next one."""
    actual = [steady(line) for line in printed.splitlines()]
    at, gap = 0, True
    for line in block.text.splitlines():
        if line == "…":
            gap = True
            continue
        wanted = steady(line)
        assert wanted in actual[at:], f"{block}: {line!r} is not in what follows of\n{printed}"
        found = actual.index(wanted, at)
        assert gap or found == at, f"{block}: before {line!r} there are other lines:\n{printed}"
        at, gap = found + 1, False


def steady(line: str) -> str:
    """A line without what differs from run to run: times, the sandbox of this machine, and the width of columns, which others in a table decide."""
    line = re.sub(r" {2,}", "  ", line)
    return re.sub(r"sandbox (bubblewrap|process)", "sandbox", re.sub(r" *\b\d+\.\d\d ?s\b", " T", line)).strip()


@given(st.floats(0, 9999), st.floats(0, 9999))
def test_times_do_not_matter_and_words_do(one: float, other: float) -> None:
    assert steady(f"{one:7.2f}s  run    pod starts") == steady(f"{other:7.2f}s  run    pod starts")
    assert steady(f"{one:7.2f}s  run    pod starts") != steady(f"{one:7.2f}s  run    pod ends")


def test_what_the_readme_shows_of_the_demo(every_block: list[Any], tmp_path: Path) -> None:
    [block] = [each for each in every_block if each.marker == "output of"]
    env = environment(tmp_path)
    env.pop("OPENAI_API_KEY")
    shell = subprocess.run(block.value.split(), env=env, stdout=subprocess.PIPE, text=True, timeout=DEADLINE, check=True)
    assert_prints(block, shell.stdout)


def test_few_blocks_are_not_run_and_each_says_why(every_block: list[Any]) -> None:
    left_out = [block for block in every_block if block.marker == NOT_RUN]
    assert [str(block) for block in left_out if not block.value] == []
    assert len(left_out) <= NOT_RUN_AT_MOST
    assert [str(block) for block in every_block if block.marker not in MARKERS] == []


def test_commands_are_marked_as_such(every_block: list[Any]) -> None:
    """A block of commands in another language than ``sh`` would not be run."""
    prompts = [
        str(block)
        for block in every_block
        if block.language in ("bash", "shell", "console") or re.search(r"^\$ ", block.text, re.MULTILINE)
    ]
    assert prompts == []
