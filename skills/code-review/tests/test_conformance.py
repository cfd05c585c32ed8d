"""The skill passes the suite that is there for everybody's."""

from __future__ import annotations

from sympozium_skill_code_review import CodeReviewSkill

from sympozium_core.testing.skill import SkillContract


class TestCodeReview(SkillContract):
    skill_class = CodeReviewSkill
    entry_point = "code-review"
