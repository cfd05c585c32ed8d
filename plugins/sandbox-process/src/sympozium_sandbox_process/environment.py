"""The environment of a container: made from nothing, never handed down from the server, which may hold keys in its own."""

from __future__ import annotations

import os

from sympozium_core import names
from sympozium_core.contracts.plan import Container

ALLOWED = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "PYTHONPATH", "LD_LIBRARY_PATH")
"""What a program needs to be found and to start; none of it is a secret."""
_DEFAULT_PATH = "/usr/local/bin:/usr/bin:/bin"


def inherited() -> dict[str, str]:
    """What of the server's environment may be seen by all."""
    found = {name: os.environ[name] for name in ALLOWED if os.environ.get(name)}
    return {"PATH": _DEFAULT_PATH, "LANG": "C.UTF-8", **found}


def for_container(pod_id: str, container: Container, own: dict[str, str]) -> dict[str, str]:
    """`own` are the driver's variables: paths and markers, which the plan's environment cannot replace."""
    return {
        **inherited(),
        "PYTHONDONTWRITEBYTECODE": "1",
        **container.env,
        **own,
        names.ENV_POD: pod_id,
        names.ENV_CONTAINER: container.name,
    }
