"""The child process of `grep_search`: walks, matches, prints. Run by path, with the standard library alone and no site packages.

Takes one JSON object on standard input; `directory` is an open descriptor that it inherited. Nothing outside of that is opened, and no link
is followed.
"""

from __future__ import annotations

import fnmatch
import io
import json
import os
import re
import resource
import stat
import sys
from collections.abc import Iterator
from typing import Any

MAX_FILES = 50_000
MAX_DEPTH = 64
MAX_FILE = 8 * 1024 * 1024
MAX_LINE = 20_000
"""Characters of a line that are searched."""
MAX_SHOWN = 300
"""Characters of a line that are printed."""
MAX_MEMORY = 1024 * 1024 * 1024
SKIPPED = frozenset((".git",))

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def files(directory: int, path: str, depth: int) -> Iterator[tuple[int, str, str]]:
    """Every regular file below, sorted: the descriptor of its directory, its name, its path from the start."""
    with os.scandir(directory) as entries:
        found = sorted(
            (entry.name, entry.is_dir(follow_symlinks=False), entry.is_file(follow_symlinks=False)) for entry in entries
        )
    for name, is_directory, is_file in found:
        if is_file:
            yield directory, name, path + name
        elif is_directory and depth < MAX_DEPTH and name not in SKIPPED:
            try:
                below = os.open(name, _DIRECTORY, dir_fd=directory)
            except OSError:
                continue
            try:
                yield from files(below, f"{path}{name}/", depth + 1)
            finally:
                os.close(below)


def matches(directory: int, name: str, expression: re.Pattern[str]) -> Iterator[tuple[int, str]]:
    """Numbers and texts of the lines that match; none for what is no text file."""
    try:
        descriptor = os.open(name, _FILE, dir_fd=directory)
    except OSError:
        return
    with io.open(descriptor, "rb") as file:  # noqa: UP020 - a descriptor, not a path
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_size > MAX_FILE or b"\0" in file.peek(8192)[:8192]:
            return
        for number, line in enumerate(file, 1):
            text = line[: MAX_LINE * 4].decode("utf-8", "replace").rstrip("\r\n")[:MAX_LINE]
            if expression.search(text):
                yield number, text


def wanted(path: str, glob: str) -> bool:
    if not glob:
        return True
    return fnmatch.fnmatchcase(path if "/" in glob else path.rpartition("/")[2], glob)


def search(request: dict[str, Any]) -> list[str]:
    expression = re.compile(request["pattern"], re.IGNORECASE if request["ignoreCase"] else 0)
    directory, only, most = request["directory"], request["only"], request["maxResults"]
    source = iter([(directory, only, only)]) if only else files(directory, "", 0)
    lines: list[str] = []
    for count, (where, name, path) in enumerate(source):
        if count == MAX_FILES:
            lines.append(f"[Stopped after {MAX_FILES} files; search a narrower path.]")
            break
        if not wanted(path, request["glob"]):
            continue
        shown = os.fsencode(path).decode("utf-8", "replace")
        for number, text in matches(where, name, expression):
            if len(lines) == most:
                return [*lines, f"[Stopped after {most} results; narrow the pattern, path or glob.]"]
            cut = text if len(text) <= MAX_SHOWN else text[:MAX_SHOWN] + " [line cut]"
            lines.append(f"{request['shown']}/{shown}:{number}: {cut}")
    return lines


def main() -> None:
    request = json.load(sys.stdin)
    seconds = int(request["seconds"]) + 1
    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY, MAX_MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    text = "\n".join(search(request))
    sys.stdout.buffer.write(text.encode("utf-8", "replace"))


if __name__ == "__main__":
    main()
