"""What stands under ``deploy`` is what the code makes; and what the code makes has no mark left in it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from sympozium_core.installation.__main__ import files
from sympozium_core.installation.chart import values
from sympozium_core.installation.chart.template import ABSENT, document

DEPLOY = Path(__file__).parents[2] / "deploy"
HOW = "python -m sympozium_core.installation deploy"


@pytest.fixture(scope="module")
def made() -> dict[str, str]:
    return files()


def test_the_committed_files_are_fresh(made: dict[str, str]) -> None:
    stored = {
        str(file.relative_to(DEPLOY)): file.read_text(encoding="utf-8")
        for folder in ("chart", "manifests")
        for file in (DEPLOY / folder).rglob("*")
        if file.is_file()
    }
    assert stored.keys() == made.keys(), HOW
    assert [path for path in made if made[path] != stored[path]] == [], HOW


def test_every_value_of_the_chart_is_used_and_every_used_one_is_there(made: dict[str, str]) -> None:
    known = _paths(yaml.safe_load(made["chart/values.yaml"]))
    text = "".join(content for path, content in made.items() if path.startswith("chart/templates/"))
    used = set(re.findall(r"\.Values((?:\.[A-Za-z]+)+)", text))
    assert used == known


def _paths(data: object, prefix: str = "") -> set[str]:
    if not isinstance(data, dict):
        return {prefix}
    return {path for key, value in data.items() for path in _paths(value, f"{prefix}.{key}")}


def test_no_mark_is_left(made: dict[str, str]) -> None:
    marks = [values.MARK, *map(str, values.NUMBERS), *(str(each) for each in values.EACH)]
    assert [(path, mark) for path, text in made.items() for mark in marks if mark in text] == []


def test_ifs_and_ends_are_paired(made: dict[str, str]) -> None:
    for path, text in made.items():
        words = re.findall(r"\{\{-? (if|range|end|else)\b", text)
        assert words.count("if") + words.count("range") == words.count("end"), path


class TestTemplate:
    YES, NO = (True,) * len(values.CHOICES), (False, *(True,) * (len(values.CHOICES) - 1))
    FIRST = values.CHOICES[0]

    def _lines(self, yes: object, no: object) -> str:
        return "\n".join(document({self.YES: yes, self.NO: no}))

    def test_what_is_always_the_same_asks_nothing(self) -> None:
        assert self._lines({"a": 1}, {"a": 1}) == "---\na: 1"

    def test_an_object_that_is_there_with_one_choice_only(self) -> None:
        assert self._lines({"a": 1}, ABSENT) == f"{{{{- if {self.FIRST.condition} }}}}\n---\na: 1\n{{{{- end }}}}"
        assert self._lines(ABSENT, {"a": 1}) == f"{{{{- if {self.FIRST.opposite} }}}}\n---\na: 1\n{{{{- end }}}}"

    def test_a_value_that_differs_is_asked_about_where_it_stands(self) -> None:
        lines = self._lines({"a": {"b": [{"name": "x", "c": 1}, "d"]}}, {"a": {"b": [{"name": "x", "c": 2}]}})
        assert lines == "\n".join([
            "---", "a:", "  b:", "  - name: x",
            f"{{{{- if {self.FIRST.condition} }}}}", "    c: 1", "{{- else }}", "    c: 2", "{{- end }}",
            f"{{{{- if {self.FIRST.condition} }}}}", "  - d", "{{- end }}",
        ])  # fmt: skip

    def test_items_keep_their_order_with_each_choice(self) -> None:
        condition, opposite = self.FIRST.condition, self.FIRST.opposite
        assert self._lines({"a": ["b", "d"]}, {"a": ["c", "d"]}) == "\n".join([
            "---", "a:", f"{{{{- if {opposite} }}}}", "- c", "{{- end }}",
            f"{{{{- if {condition} }}}}", "- b", "{{- end }}", "- d",
        ])  # fmt: skip

    def test_what_helm_would_take_for_its_own_is_refused(self) -> None:
        with pytest.raises(ValueError, match="Helm"):
            self._lines({"a": "{{ b }}"}, {"a": "{{ b }}"})

    @pytest.mark.parametrize("text", ["one\ntwo", "one\ntwo\n", "one\n\ntwo"])
    def test_text_of_several_lines_stays_as_it_is(self, text: str) -> None:
        assert yaml.safe_load(self._lines({"a": {"b": text, "c": 1}}, {"a": {"b": text, "c": 1}})) == {"a": {"b": text, "c": 1}}

    @pytest.mark.parametrize("text", ["yes", "1", "1.0", "null", "a: b", "- a", "'", "", "#", "0x1", "~", "1e3", "2026-01-01"])
    def test_a_word_stays_a_word(self, text: str) -> None:
        assert yaml.safe_load(self._lines({"a": text}, {"a": text})) == {"a": text}
