"""The generated CRDs: current, structural, and of one mind with the models."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from sympozium_core.contracts.cluster import ResourceType
from sympozium_core.resources import crd, kinds, load
from sympozium_core.resources.structural import INT_OR_STRING, PRESERVE, NotStructural, convert

ROOT = Path(__file__).parents[2]
EACH_KIND = pytest.mark.parametrize("kind", kinds.OURS, ids=lambda kind: kind.kind)
FORBIDDEN = (
    "$ref", "$defs", "definitions", "title", "const", "oneOf", "allOf", "not", "patternProperties", "propertyNames", "prefixItems",
    "discriminator", "examples", "exclusiveMinimum", "exclusiveMaximum", "readOnly", "uniqueItems", "dependencies", "id",
)  # fmt: skip


def _schemas(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    yield path, schema
    for name, child in schema.get("properties", {}).items():
        yield from _schemas(child, f"{path}.{name}")
    for below in ("items", "additionalProperties"):
        if isinstance(schema.get(below), dict):
            yield from _schemas(schema[below], f"{path}.*")


def _documents() -> list[Any]:
    paths = [
        *sorted((ROOT / "tests/compat").rglob("*.yaml")),
        *sorted((ROOT / "deploy/policies").glob("*.yaml")),
        *sorted((ROOT / "deploy/samples").glob("*.yaml")),
    ]
    found = [
        pytest.param(document, id=f"{path.stem}-{index}")
        for path in paths
        for index, document in enumerate(yaml.safe_load_all(path.read_text(encoding="utf-8")))
        if document and document["kind"] != "CustomResourceDefinition"
    ]
    assert len(found) > 40
    return found


def _strict_json_schema(schema: dict[str, Any]) -> dict[str, Any]:
    """As JSON Schema what the API server does with the schema when it validates strictly (kubectl's way)."""
    made = {key: value for key, value in schema.items() if key not in ("nullable", "default")}
    if "properties" in schema:
        made["properties"] = {name: _strict_json_schema(child) for name, child in schema["properties"].items()}
    for below in ("items", "additionalProperties"):
        if below in schema:
            made[below] = _strict_json_schema(schema[below])
    if schema.get("type") == "object" and not schema.get(PRESERVE) and "additionalProperties" not in schema:
        made["additionalProperties"] = False
    if schema.get("nullable") is True:
        return {"anyOf": [made, {"type": "null"}]}
    return made


@cache
def _schema(kind: ResourceType) -> dict[str, Any]:
    return crd.schema(kind)


@cache
def _validator(kind: ResourceType) -> jsonschema.Draft202012Validator:
    schema = crd.schema(kind)
    schema["properties"]["metadata"][PRESERVE] = True
    return jsonschema.Draft202012Validator(_strict_json_schema(schema))


def _schema_accepts(document: dict[str, Any]) -> bool:
    kind = kinds.of(document["apiVersion"], document["kind"])
    assert kind is not None
    return _validator(kind).is_valid(document)


@EACH_KIND
def test_the_committed_file_is_what_the_models_say(kind: ResourceType) -> None:
    committed = (ROOT / "deploy/crds" / crd.file_name(kind)).read_text(encoding="utf-8")
    assert committed == crd.rendered(kind), "run: python -m sympozium_core.resources.crd deploy/crds"


def test_there_is_no_other_file() -> None:
    assert {path.name for path in (ROOT / "deploy/crds").iterdir()} == {crd.file_name(kind) for kind in kinds.OURS}


def test_the_command_writes_one_file_a_kind(tmp_path: Path) -> None:
    assert crd.main([str(tmp_path / "new")]) == 0
    written = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in sorted((tmp_path / "new").iterdir())]
    assert sorted(item["metadata"]["name"] for item in written) == sorted(kind.resource for kind in kinds.OURS)
    assert crd.main([]) == 2


@EACH_KIND
def test_the_schema_is_structural(kind: ResourceType) -> None:
    for path, schema in _schemas(_schema(kind)):
        assert not [key for key in FORBIDDEN if key in schema], path
        if INT_OR_STRING in schema:
            assert "type" not in schema, path
            assert schema["anyOf"] == [{"type": "integer"}, {"type": "string"}], path
        else:
            assert "anyOf" not in schema, path
            assert "type" in schema or schema.get(PRESERVE) is True, path
        assert not ("properties" in schema and "additionalProperties" in schema), path
        assert ("items" in schema) == (schema.get("type") == "array"), path
        assert not isinstance(schema.get("additionalProperties"), bool), path
        assert not (schema.get("nullable") and "enum" in schema), path
        assert set(schema.get("required", ())) <= set(schema.get("properties", ())), path
        for pattern in [schema["pattern"]] if "pattern" in schema else []:
            re.compile(pattern)
            assert "(?" not in pattern, f"{path}: RE2 has no look-around"


@EACH_KIND
def test_defaults_hold_against_their_own_schema(kind: ResourceType) -> None:
    for path, schema in _schemas(_schema(kind)):
        if "default" in schema:
            jsonschema.validate(schema["default"], {key: schema[key] for key in schema if key in ("type", "enum", "minimum")})
            assert schema.get("nullable") is None, path


@EACH_KIND
def test_lists_told_apart_by_a_key_have_it(kind: ResourceType) -> None:
    for path, schema in _schemas(_schema(kind)):
        for key in schema.get("x-kubernetes-list-map-keys", ()):
            assert schema["x-kubernetes-list-type"] == "map", path
            assert key in schema["items"]["required"], path


@EACH_KIND
def test_names_columns_and_subresource(kind: ResourceType) -> None:
    spec = crd.definition(kind)["spec"]
    assert spec["names"]["shortNames"] == list(kind.short_names)
    assert spec["names"]["categories"] == ["sympozium"]
    assert spec["names"]["singular"] == kind.kind.lower()
    (version,) = spec["versions"]
    assert version["subresources"] == {"status": {}}
    assert [column["name"] for column in version["additionalPrinterColumns"]] == [column.name for column in kinds.columns(kind)]
    schema = version["schema"]["openAPIV3Schema"]
    for column in version["additionalPrinterColumns"]:
        steps = column["jsonPath"].strip(".").split(".")
        if steps[0] != "metadata":
            assert _has_path(schema, steps), column


def _has_path(schema: dict[str, Any], steps: list[str]) -> bool:
    return not steps or (steps[0] in schema.get("properties", {}) and _has_path(schema["properties"][steps[0]], steps[1:]))


@pytest.mark.parametrize("document", _documents())
def test_schema_and_model_agree_on_every_manifest(document: dict[str, Any]) -> None:
    assert _schema_accepts(document) == (load.problems(document) == [])


def _run(**spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "sympozium.ai/v1alpha1",
        "kind": "AgentRun",
        "metadata": {"name": "run"},
        "spec": {"instanceRef": "agent", "task": "go", **spec},
    }


@pytest.mark.parametrize(
    ("spec", "good"),
    [
        ({"timeout": "10m"}, True),
        ({"timeout": "-10m"}, False),
        ({"timeout": 10}, False),
        ({"timeout": None}, True),
        ({"task": ""}, False),
        ({"task": "  "}, False),
        ({"instanceRef": "No Name"}, False),
        ({"cleanup": "keep"}, True),
        ({"cleanup": "OnFailure"}, False),
        ({"skills": ["a", {"skillPackRef": "b"}]}, True),
        ({"skills": "a"}, False),
        ({"cancel": True}, True),
        ({"cancel": "yes"}, False),
        ({"colour": "red"}, False),
        ({"sandbox": {"enabled": True, "resources": {"limits": {"cpu": "2"}}}}, True),
        ({"sandbox": {"enabled": True, "resources": {"limits": {"cpu": 2}}}}, True),
        ({"sandbox": {"enabled": True, "resources": {"limits": {"cpu": "two"}}}}, False),
        ({"parent": {"runName": "r", "sessionKey": "s", "spawnDepth": -1}}, False),
        ({"model": {"model": "m"}}, True),
        ({"model": {"provider": "openai", "authSecretRef": ""}}, False),
        ({"requestedBy": {"username": "jane", "groups": ["a"]}}, True),
        ({"toolPolicy": {"allow": ["read_*"]}}, True),
        ({"toolPolicy": {"allow": ["read file"]}}, False),
        ({"env": {"NAME": "value"}}, True),
        ({"env": {"NAME": 1}}, False),
    ],
)
def test_schema_and_model_agree_on_a_run(spec: dict[str, Any], good: bool) -> None:
    document = _run(**spec)
    assert _schema_accepts(document) is good
    assert (load.problems(document) == []) is good


@EACH_KIND
def test_no_rule_is_about_what_was(kind: ResourceType) -> None:
    """It would be asked at each write of a status: ValidatingAdmissionPolicies say what may change."""
    rules = [rule["rule"] for _, schema in _schemas(_schema(kind)) for rule in schema.get("x-kubernetes-validations", ())]
    assert not [rule for rule in rules if "oldSelf" in rule]


@EACH_KIND
def test_rules_speak_of_fields_that_exist(kind: ResourceType) -> None:
    for path, schema in _schemas(_schema(kind)):
        for rule in schema.get("x-kubernetes-validations", ()):
            assert rule["message"], path
            for reference in re.findall(r"\bself((?:\.[A-Za-z]+)+)", rule["rule"]):
                assert _has_path(schema, reference.strip(".").split(".")), (path, reference)


def test_descriptions_come_from_the_models() -> None:
    spec = _schema(kinds.AGENT_RUN)["properties"]["spec"]["properties"]
    assert spec["cancel"]["description"] == "Ends the run within seconds; the only field that may change."
    assert spec["input"]["description"] == "The same as task."
    for kind in kinds.OURS:
        assert not [text for text in _descriptions(_schema(kind)) if text != " ".join(text.split())], "one line, however long"


def _descriptions(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("description"), str):
            yield node["description"]
        for value in node.values():
            yield from _descriptions(value)
    elif isinstance(node, list):
        for value in node:
            yield from _descriptions(value)


def test_what_a_crd_cannot_say_is_refused_when_the_schema_is_made() -> None:
    with pytest.raises(NotStructural):
        convert({"anyOf": [{"type": "string"}, {"type": "boolean"}]}, {})
    with pytest.raises(NotStructural):
        convert({"description": "anything"}, {})
    with pytest.raises(NotStructural):
        convert({"type": "object"}, {})


def test_making_a_schema_leaves_no_trace() -> None:
    first = crd.schema(kinds.SYMPOZIUM_INSTANCE)
    kept = copy.deepcopy(first)
    first["properties"]["spec"]["properties"].clear()
    assert crd.schema(kinds.SYMPOZIUM_INSTANCE) == kept
