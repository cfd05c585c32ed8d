"""What is peculiar to this backend; the rest is the conformance suite's matter."""

from __future__ import annotations

import json
from pathlib import Path

from sympozium_core.contracts.memory import Place

from sympozium_memory_chat.notes import FILE, ChatMemory


def test_notes_can_be_read_by_a_person(tmp_path: Path) -> None:
    memory = ChatMemory()
    memory.open(Place(tmp_path / "notes", 1000))
    memory.store("Deploys happen on Tuesdays.", ["deploys"])
    (note,) = json.loads((tmp_path / "notes" / FILE).read_text("utf-8"))
    assert (note["content"], note["tags"]) == ("Deploys happen on Tuesdays.", ["deploys"])
