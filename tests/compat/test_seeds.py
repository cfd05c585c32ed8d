"""What the short spelling of the article comes to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from sympozium_core.resources import load, spelling
from sympozium_core.resources.agentrun import AgentRun
from sympozium_core.resources.instance import SympoziumInstance
from sympozium_core.resources.schedule import SympoziumSchedule

SEEDS = Path(__file__).parent / "seeds"


def _documents(name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((SEEDS / f"{name}.yaml").read_text(encoding="utf-8")))


def test_the_instance_says_who_answers_and_how() -> None:
    spec = load.read_as(SympoziumInstance, _documents("000-instance")[0]).spec
    assert (spec.provider, spec.model, spec.secret, spec.policy_ref) == ("openai", "gpt-4o", "openai-secret", "default")
    assert spec.system_prompt is not None
    assert spec.system_prompt.startswith("You are an SRE agent.")
    assert [skill.skill_pack_ref for skill in spec.skills] == ["sre-observability"]
    assert spec.memory is None


def test_the_run_has_its_task() -> None:
    run = load.read_as(AgentRun, _documents("000-agentrun")[0])
    assert run.spec.instance_ref == "sre-watchdog"
    assert run.spec.task == "Pod crashlooping in namespace payments — investigate and report"
    assert run.spec.model is None


def test_the_status_is_shown_in_both_spellings() -> None:
    status = spelling.mirrored(_documents("000-agentrun-status")[0]["status"])
    assert status["result"] == status["output"]
    assert status["startedAt"] == status["startTime"] == "2026-03-31T09:00:00Z"
    assert status["completedAt"] == status["completionTime"] == "2026-03-31T09:00:42Z"


def test_skill_configuration_becomes_parameters() -> None:
    (skill,) = load.normalise(_documents("000-skill-config")[0])["spec"]["skills"]
    assert skill == {"skillPackRef": "k8s-ops", "params": {"namespaces": "payments,orders"}}


def test_the_three_policies() -> None:
    permissive, default, restrictive = (load.normalise(document)["spec"] for document in _documents("000-policies"))
    assert permissive == {"template": "Permissive", "featureGates": {}}
    assert default["toolGating"] == {"rules": [{"tool": "execute_command", "action": "ask"}]}
    assert restrictive["toolGating"]["defaultAction"] == "deny"
    assert [(rule["tool"], rule["action"]) for rule in restrictive["toolGating"]["rules"]] == [
        ("memory_search", "allow"),
        ("memory_store", "allow"),
        ("send_channel_message", "allow"),
    ]
    assert restrictive["sandboxPolicy"] == {
        "required": True,
        "agentSandboxPolicy": {"required": True, "defaultRuntimeClass": "gvisor", "allowedRuntimeClasses": ["gvisor"]},
    }


def test_the_schedule_keeps_its_time_zone() -> None:
    spec = load.read_as(SympoziumSchedule, _documents("000-schedule")[0]).spec
    assert (spec.schedule, spec.timezone, spec.concurrency_policy) == ("0 9 * * 1-5", "Europe/Paris", "Forbid")
    assert spec.task.startswith("Generate a daily cost analysis report.")
