"""Where the runner finds its volumes on this machine. Only `names.ENV_*` are read: nothing of the run is ever in the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from sympozium_core.names import ENV_IPC, ENV_SKILLS, ENV_TMP, ENV_WORKSPACE


@dataclass(frozen=True)
class Places:
    """Real directories. The model is only ever shown ``/workspace``, ``/tmp`` and ``/skills``."""

    ipc: str = "/ipc"
    workspace: str = "/workspace"
    skills: str = "/skills"
    tmp: str = "/tmp"


def places_from(environment: Mapping[str, str] = os.environ) -> Places:
    return Places(
        ipc=environment.get(ENV_IPC) or Places.ipc,
        workspace=environment.get(ENV_WORKSPACE) or Places.workspace,
        skills=environment.get(ENV_SKILLS) or Places.skills,
        tmp=environment.get(ENV_TMP) or Places.tmp,
    )
