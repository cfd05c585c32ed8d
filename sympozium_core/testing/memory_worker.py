"""A process that has a memory open and does as it is told, one line of JSON a request: ``python -m … MODULE:CLASS FOLDER MAX_BYTES``.

It says so when it is open, and after each note of a request to store; so whoever reads knows what was acknowledged before the process died.
"""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import json
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from sympozium_core.contracts.memory import Full, Memory, Note, Place, Unavailable

Tell = Callable[[dict[str, Any]], None]


def main(arguments: list[str]) -> None:
    value, folder, max_bytes = arguments
    module, _, name = value.partition(":")
    room = int(max_bytes)
    # What a backend prints is not to be taken for an answer.
    answers = sys.stdout
    sys.stdout = sys.stderr
    tell = partial(_tell, answers)
    memory_class: type[Memory] = getattr(importlib.import_module(module), name)
    memory = memory_class()
    with _told(tell):
        memory.open(Place(Path(folder), room))
        tell({})
    for line in sys.stdin:
        asked = json.loads(line)
        with _told(tell):
            if "open" in asked:
                memory.close()
                memory = memory_class()
                memory.open(Place(Path(asked["open"]), room))
            _carry_out(memory, asked, tell)
    memory.close()


def _carry_out(memory: Memory, asked: dict[str, Any], tell: Tell) -> None:
    match asked:
        case {"store": contents, "tags": tags}:
            for content in contents:
                tell({"notes": [_plain(memory.store(content, tags))]})
        case {"search": query, "limit": limit}:
            tell({"notes": [_plain(note) for note in memory.search(query, limit)]})
        case {"newest": tags, "limit": limit}:
            tell({"notes": [_plain(note) for note in memory.newest(tags, limit)]})
        case _:
            raise ValueError("no such request")


def _told(tell: Tell) -> contextlib.AbstractContextManager[None]:
    @contextlib.contextmanager
    def told() -> Any:
        try:
            yield
        except (Full, Unavailable) as error:
            tell({"fault": type(error).__name__, "message": error.message})
        except Exception as error:
            tell({"fault": type(error).__name__, "message": str(error)})

    return told()


def _plain(note: Note) -> dict[str, Any]:
    return dataclasses.asdict(note)


def _tell(answers: Any, answer: dict[str, Any]) -> None:
    answers.write(json.dumps(answer) + "\n")
    answers.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
