"""Instructions for the model, written where the agent reads them: by the bridge, where it alone has the plan, or by a runtime of this machine."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from sympozium_core.ipc.files import Root

if TYPE_CHECKING:
    from sympozium_core.contracts.plan import SkillText


def write_skills(texts: Iterable[SkillText], folder: Path) -> None:
    """Each with its files, where `SkillText.path` says. Raises FileRefused for a name that would lead out of the folder."""
    with Root(folder) as root:
        for text in texts:
            for path, data, program in text.written():
                root.write_bytes(path, data, mode=0o755 if program else 0o644)
