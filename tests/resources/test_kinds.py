from __future__ import annotations

import subprocess
import sys

import pytest

from sympozium_core.contracts import builtin_kinds
from sympozium_core.contracts.cluster import ResourceType
from sympozium_core.resources import kinds


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("AgentRun", kinds.AGENT_RUN),
        ("agentruns", kinds.AGENT_RUN),
        ("agentrun", kinds.AGENT_RUN),
        ("run", kinds.AGENT_RUN),
        ("runs", kinds.AGENT_RUN),
        ("agentruns.sympozium.ai", kinds.AGENT_RUN),
        ("agentruns.v1alpha1.sympozium.ai", kinds.AGENT_RUN),
        ("si", kinds.SYMPOZIUM_INSTANCE),
        ("instances", kinds.SYMPOZIUM_INSTANCE),
        ("SYMPOZIUMPOLICIES", kinds.SYMPOZIUM_POLICY),
        ("pol", kinds.SYMPOZIUM_POLICY),
        ("mcp", kinds.MCP_SERVER),
        ("approval", kinds.TOOL_APPROVAL),
        ("secrets", builtin_kinds.SECRET),
        ("leases.coordination.k8s.io", builtin_kinds.LEASE),
        (" ns ", builtin_kinds.NAMESPACE),
    ],
)
def test_a_kind_is_found_by_any_spelling(word: str, kind: ResourceType) -> None:
    assert kinds.find(word) is kind


@pytest.mark.parametrize(("word", "hint"), [("agentrnus", "agentruns"), ("Agent", "SympoziumInstance"), ("xyzzy", "agentruns")])
def test_an_unknown_kind_is_refused_with_a_way_on(word: str, hint: str) -> None:
    with pytest.raises(kinds.UnknownKind) as caught:
        kinds.find(word)
    assert hint in caught.value.hint


def test_no_spelling_means_two_kinds() -> None:
    words = [word for kind in kinds.ALL for word in {kind.kind.lower(), kind.singular, kind.plural, *kind.short_names}]
    assert len(words) == len(set(words))
    assert not {word for word in kinds.SPOKEN if word in words and kinds.find(word) is not kinds.SPOKEN[word]}


def test_objects_and_paths_name_their_kind() -> None:
    assert kinds.of("sympozium.ai/v1alpha1", "AgentRun") is kinds.AGENT_RUN
    assert kinds.of("v1", "Secret") is builtin_kinds.SECRET
    assert kinds.of("v1", "AgentRun") is None
    assert kinds.served("sympozium.ai", "v1alpha1", "agentruns") is kinds.AGENT_RUN
    assert kinds.served("", "v1", "events") is builtin_kinds.EVENT
    assert kinds.served("sympozium.ai", "v1", "agentruns") is None


def test_every_kind_has_columns_that_end_in_its_age() -> None:
    for kind in kinds.OURS:
        columns = kinds.columns(kind)
        assert columns[-1].name == "Age"
        assert len({column.name for column in columns}) == len(columns)
        assert all(column.json_path.startswith(".") for column in columns)


def test_kinds_are_light() -> None:
    code = (
        "import sys; from sympozium_core.resources import kinds, load; kinds.find('run');"
        " print([m for m in ('pydantic', 'yaml', 'croniter', 'zoneinfo') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
