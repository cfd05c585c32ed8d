"""The skill `incident-response`: triage of what is broken on a cluster, and the way back. The class is for the control plane; the tool server is
`python -m sympozium_skill_incident_response`."""

from __future__ import annotations

from sympozium_core.contracts.skill import Skill


class IncidentResponseSkill(Skill):
    def module(self) -> str:
        return __name__
