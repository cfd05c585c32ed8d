"""The skill `csv-tables`."""

from __future__ import annotations

from sympozium_core.contracts.skill import Skill


class CsvSkill(Skill):
    def module(self) -> str:
        return f"{__name__}.server"
