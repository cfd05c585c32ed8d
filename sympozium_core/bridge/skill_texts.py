"""Instructions for the model, written where the agent reads them: on runtimes that start a pod from images, nobody but the bridge has the plan."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from sympozium_core.contracts.plan import SkillText
from sympozium_core.ipc.files import Root


def write_skills(texts: Iterable[SkillText], folder: Path) -> None:
    """Each with its files, where `SkillText.path` says. Raises FileRefused for a name that would lead out of the folder."""
    with Root(folder) as root:
        for text in texts:
            for path, data, program in text.written():
                root.write_bytes(path, data, mode=0o755 if program else 0o644)
