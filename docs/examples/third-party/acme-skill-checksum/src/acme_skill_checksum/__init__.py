"""The skill `checksum`. How its server is started stands in `skillpack.yaml`."""

from __future__ import annotations

from sympozium_core.contracts.skill import Skill


class ChecksumSkill(Skill):
    pass
