"""Searches files for a regular expression, in a process of its own.

A regular expression can take time without end (`(a+)+$`), and holds Python's interpreter lock meanwhile: no thread could stop it, nor see a
cancel. So `grep_worker` runs as a child with bounds on time and memory, and is killed where it exceeds them. That costs some 20 ms a search.
"""

from __future__ import annotations

import json
import os
import re
import sys

from sympozium_core.ipc.fields import Fields
from sympozium_core.ipc.protocol import ToolDefinition
from sympozium_core.runner.tools.roots import Roots, ToolFailure, failures

TIMEOUT = 10.0
"""Seconds for one search."""
MAX_RESULTS = 500
WORKER = os.path.join(os.path.dirname(__file__), "grep_worker.py")

DEFINITION = ToolDefinition(
    name="grep_search",
    description=(
        "Search the text files below a directory (or one file) for a regular expression, line by line. "
        "Gives path:line: text. Skips binary files, links, .git, and files over 8 MiB."
    ),
    parameters={
        "type": "object",
        "properties": {
            "pattern": {"type": "string", "description": "Regular expression (Python)."},
            "path": {
                "type": "string",
                "description": "Where to search, absolute or relative to /workspace. Default: /workspace.",
            },
            "glob": {"type": "string", "description": "Only files of this name, such as *.py, or path, such as src/*.py."},
            "ignore_case": {"type": "boolean", "description": "Default: false."},
            "max_results": {"type": "integer", "minimum": 1, "maximum": MAX_RESULTS, "description": "Default: 100."},
        },
        "required": ["pattern"],
        "additionalProperties": False,
    },
)


def run(arguments: Fields, roots: Roots) -> str:
    pattern = arguments.text("pattern", 1000, least=1)
    location = roots.locate(arguments.text("path", 4096, ""))
    most = arguments.integer("max_results", 1, MAX_RESULTS, 100)
    try:
        re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise ToolFailure(f"the pattern is no regular expression: {error}") from error
    with failures(location):
        parent, _, name = location.path.rpartition("/")
        try:
            directory, only = location.root.open_directory(location.path), ""
        except Exception:
            # Not a directory: one file of its parent, opened by the worker without following a link.
            os.close(location.root.open_file(location.path, single_link=False))
            directory, only = location.root.open_directory(parent), name
    shown = location.shown.rpartition("/")[0] if only else location.shown
    try:
        request = {
            "directory": directory,
            "shown": shown.rstrip("/"),
            "only": only,
            "pattern": pattern,
            "ignoreCase": arguments.flag("ignore_case"),
            "glob": arguments.text("glob", 1000, ""),
            "maxResults": most,
            "seconds": TIMEOUT,
        }
        return _search(request, directory)
    finally:
        os.close(directory)


def _search(request: dict[str, object], directory: int) -> str:
    import subprocess  # only a search needs it

    worker = [sys.executable, "-I", "-S", WORKER]
    try:
        done = subprocess.run(
            worker,
            input=json.dumps(request).encode(),
            capture_output=True,
            pass_fds=(directory,),
            timeout=TIMEOUT,
            env={},
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        message = f"the search took longer than {TIMEOUT:.0f} s; use a simpler pattern, or a narrower path or glob"
        raise ToolFailure(message) from error
    if done.returncode != 0:
        raise ToolFailure("the search needed more than it may have; use a simpler pattern, or a narrower path or glob")
    return done.stdout.decode("utf-8", "replace") or "No matches."
