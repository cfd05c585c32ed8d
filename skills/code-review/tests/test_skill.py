"""A skill of instructions alone."""

from __future__ import annotations

from sympozium_skill_code_review import CodeReviewSkill

from sympozium_core.resources.skill_folder import read_skill_folder


def test_it_is_instructions_and_nothing_that_runs() -> None:
    skill = CodeReviewSkill()
    pack = read_skill_folder(skill.folder())
    assert (skill.module(), list(skill.command())) == ("", [])
    assert pack["spec"].get("sidecar") is None
    assert [text["name"] for text in pack["spec"]["skills"]] == ["review-guidelines", "security-patterns"]
