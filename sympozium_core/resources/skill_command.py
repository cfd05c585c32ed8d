"""How a skill folder's tool server is started on this machine, where the folder itself brings it.

In ``sidecar.command`` and in the commands of ``sidecar.tools[]`` a word that begins with ``./`` is a file of the folder; in an image it is one of the
image's working directory, where the folder was copied to. A first word ``python3`` is the Python that Sympozium itself runs in.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sympozium_core.errors import Cause, Refused
from sympozium_core.resources.skill_folder import PACK

_PYTHON = ("python3", "python")


def local_command(folder: Path, pack: Mapping[str, Any]) -> tuple[str, ...]:
    """The command line of ``sidecar.command`` where it names a file of the folder; empty where the server is the image's alone.

    Raises Refused, naming the field, for a file that is not there.
    """
    words = _sidecar(pack).get("command") or []
    if not any(word.startswith("./") for word in words):
        return ()
    return tuple(_here(folder, words, "spec.sidecar.command"))


def declared_tools(folder: Path, pack: Mapping[str, Any]) -> str:
    """The tools that the pack declares, as JSON for ``python -m sympozium_core.sidecar``, their commands as they are on this machine; empty where it declares none.

    Raises Refused, naming the field, for a file that is not there.
    """
    tools = _sidecar(pack).get("tools") or []
    here = [
        {**tool, "exec": _here(folder, tool["exec"], f"spec.sidecar.tools[{index}].exec")} for index, tool in enumerate(tools)
    ]
    return json.dumps({"tools": here}, ensure_ascii=False) if here else ""


def _sidecar(pack: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = pack["spec"].get("sidecar") or {}
    return found


def _here(folder: Path, words: Sequence[str], field: str) -> list[str]:
    made = [str(_file(folder, word, field)) if word.startswith("./") else word for word in words]
    return [sys.executable, *made[1:]] if words[0] in _PYTHON else made


def _file(folder: Path, word: str, field: str) -> Path:
    file = (folder / word).resolve()
    if not file.is_file() or not file.is_relative_to(folder.resolve()):
        raise Refused(
            [Cause(f"{PACK}: {field}", f"{word!r} is no file of {folder}", "words that begin with ./ are files of the folder")]
        )
    return file
