"""A skill that pip installs: a SkillPack resource, and how to start its tool server where the pack is not a container image of its own."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path


class Skill:
    """Loaded by the control plane only; the tool server itself is a process of its own (see `sympozium_core.sidecar`).

    The server finds its volume at ``/ipc``, or where ``SYMPOZIUM_IPC`` says.
    """

    def folder(self) -> Path:
        """Where the skill is written down: ``skillpack.yaml``, a SkillPack whose `metadata.name` equals the entry point's name, and
        ``skills/<name>/SKILL.md`` with the instructions (`docs/reference/skill-folder.md`). By default the folder of the class's own module.
        """
        module = sys.modules[type(self).__module__]
        return Path(str(module.__file__)).parent

    def module(self) -> str:
        """The Python module that serves the tools, started as ``python -m`` would, with the standard library, `sympozium_core.sidecar` and
        its own package: on this machine, and on a cluster in the image of Sympozium's Python skills, or in the one with ``kubectl`` or ``git`` beside it where
        the pack's `sidecar.image` is ``sympozium/skill-kubectl:…`` or ``sympozium/skill-git:…``. Empty for a skill without one.
        """
        return ""

    def command(self) -> Sequence[str]:
        """Command line of a tool server on this machine, where it is no Python module, or one that needs more than its own package; on a
        cluster the pack's image serves, or `module`.

        Empty where `module` says it, where ``sidecar.command`` of skillpack.yaml does by a word that begins with ``./`` (a file of the folder),
        where ``sidecar.tools`` declares the tools, and for a skill that is instructions only.
        """
        return ()
