"""``python -m sympozium_skill_incident_response``: the tool server. With the parameter `rights: read` nothing can be rolled back."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any


def main() -> None:
    from sympozium_core.sidecar.server import Server
    from sympozium_skill_incident_response.rollback import rollback
    from sympozium_skill_incident_response.timeline import incident_timeline
    from sympozium_skill_incident_response.triage import incident_triage

    tools: list[Callable[..., Any]] = [incident_triage, incident_timeline]
    if os.environ.get("SKILL_RIGHTS") != "read":
        tools.append(rollback)
    Server("incident-response", tools).serve()


if __name__ == "__main__":
    main()
