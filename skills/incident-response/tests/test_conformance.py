"""The skill passes the suite that is there for everybody's."""

from __future__ import annotations

from sympozium_skill_incident_response import IncidentResponseSkill

from sympozium_core.testing.skill import Probe, Probes, SkillServerContract

WHY = "every call needs a cluster; tests/kubernetes makes them"


class TestIncidentResponse(SkillServerContract):
    skill_class = IncidentResponseSkill
    entry_point = "incident-response"
    probes = Probes(wrong=Probe("incident_triage", {"kind": "secret", "name": "web"}))
    lacks = dict.fromkeys(("example", "echo", "slow", "flood", "count"), WHY)
