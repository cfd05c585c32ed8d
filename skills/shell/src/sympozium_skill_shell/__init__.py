"""The skill `shell`: commands in the workspace. The class is for the control plane; the tool server is `python -m sympozium_skill_shell`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import resources
from typing import Any

from sympozium_core.contracts.skill import Skill


class ShellSkill(Skill):
    def pack(self) -> Mapping[str, Any]:
        pack: dict[str, Any] = json.loads(resources.files(__name__).joinpath("skillpack.json").read_text("utf-8"))
        return pack

    def module(self) -> str:
        return __name__
