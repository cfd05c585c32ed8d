"""Fields that are stored and do not act are said to whoever writes them."""

from __future__ import annotations

from typing import Any

import pytest

from sympozium_core.admission.not_yet import not_yet


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"runtimeRequirements": {"minMemory": "1Gi"}}, "spec.runtimeRequirements: what a run gets"),
        ({"sidecar": {"ports": [{"name": "http", "containerPort": 8080}]}}, "spec.sidecar.ports: nothing reaches a port"),
        ({"sidecar": {"requiresServer": True}}, "spec.sidecar.requiresServer: server runs"),
    ],
)
def test_of_a_skill_pack(spec: dict[str, Any], said: str) -> None:
    (line,) = not_yet("SkillPack", spec, ())
    assert line.startswith(said)


def test_a_skill_pack_that_acts_whole_is_not_warned_of() -> None:
    assert not_yet("SkillPack", {"skills": [], "sidecar": {"image": "a", "requiresServer": False, "ports": []}}, ()) == []
