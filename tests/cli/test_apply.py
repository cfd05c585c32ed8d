from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

SAMPLES = Path(__file__).parents[2] / "deploy/samples"


def test_created_unchanged_configured(cli: Any) -> None:
    assert cli.apply(cli.instance()).out == "sympoziuminstance/helper created\n"
    assert cli.apply(cli.instance()).out == "sympoziuminstance/helper unchanged\n"
    assert cli.apply(cli.instance(systemPrompt="Be brief.")).out == "sympoziuminstance/helper configured\n"
    assert cli.here("get", "si", "helper", "-o", "json").json["spec"]["systemPrompt"] == "Be brief."


def test_what_leaves_the_file_leaves_the_object_and_nothing_else_does(cli: Any, server: Any) -> None:
    """Three-way: a field of the file before is removed, a field that somebody else set stays."""
    first = cli.instance(systemPrompt="Be brief.", skills=["shell"])
    first["metadata"]["labels"] = {"team": "a", "tier": "1"}
    cli.apply(first)
    stored = cli.here("get", "si", "helper", "-o", "json").json
    stored["metadata"]["labels"]["owner"] = "somebody"
    stored["metadata"].pop("annotations")
    cli.here("apply", "-f", "-", stdin=yaml.safe_dump(stored))  # as another tool would, without the note of what was applied
    second = cli.instance(skills=["shell"])
    second["metadata"]["labels"] = {"team": "a"}
    assert "configured" in cli.apply(first | {"metadata": {**first["metadata"], "labels": {"team": "a", "tier": "1"}}}).out
    assert "configured" in cli.apply(second).out
    now = cli.here("get", "si", "helper", "-o", "json").json
    assert "systemPrompt" not in now["spec"]
    assert now["spec"]["skills"] == ["shell"]
    assert "tier" not in now["metadata"]["labels"]


def test_a_directory_many_documents_and_standard_input(cli: Any, tmp_path: Path) -> None:
    (tmp_path / "two.yaml").write_text(yaml.safe_dump_all([cli.instance("a"), cli.instance("b")]))
    (tmp_path / "one.json").write_text(yaml.safe_dump(cli.instance("c"), default_flow_style=True))
    (tmp_path / "notes.txt").write_text("no manifest")
    (tmp_path / "deeper").mkdir()
    (tmp_path / "deeper/four.yml").write_text(yaml.safe_dump(cli.instance("d")))
    assert cli.here("apply", "-f", str(tmp_path)).out.count("created") == 3
    assert cli.here("apply", "-R", "-f", str(tmp_path)).out.splitlines() == [
        "sympoziuminstance/d created",
        "sympoziuminstance/c unchanged",
        "sympoziuminstance/a unchanged",
        "sympoziuminstance/b unchanged",
    ]
    found = {"apiVersion": "v1", "kind": "List", "items": [cli.instance("e")]}
    assert cli.here("apply", "-f", "-", stdin=yaml.safe_dump(found)).out == "sympoziuminstance/e created\n"


def test_a_made_up_name_is_printed(cli: Any) -> None:
    cli.apply(cli.instance())
    run = {"apiVersion": "sympozium.ai/v1alpha1", "kind": "AgentRun", "metadata": {"generateName": "hello-"}}
    out = cli.apply({**run, "spec": {"instanceRef": "helper", "task": "hi", "cancel": True}}).out
    name = out.removeprefix("agentrun/").removesuffix(" created\n")
    assert name.startswith("hello-")
    assert len(name) > len("hello-")
    cli.here("get", "run", name)


def test_a_dry_run_changes_nothing(cli: Any) -> None:
    assert cli.here("apply", "--dry-run", "-f", "-", stdin=yaml.safe_dump(cli.instance())).out.endswith("created (dry run)\n")
    cli.here("get", "si", "helper", code=3)
    refused = cli.here("apply", "--dry-run", "-f", "-", stdin=yaml.safe_dump(cli.instance(modle="x")), code=4)
    assert "spec.modle" in refused.err


def test_the_namespace_of_the_file_wins(cli: Any) -> None:
    elsewhere = cli.instance("elsewhere")
    elsewhere["metadata"]["namespace"] = f"{cli.namespace}-2"
    cli.apply(elsewhere)
    cli.here("get", "si", "elsewhere", code=3)
    cli("get", "si", "elsewhere", "-n", f"{cli.namespace}-2")


def test_a_secrets_values_are_not_repeated_in_the_annotation(cli: Any) -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"apiKey": "sk-not-to-be-seen"}}
    assert cli.apply(secret).out == "secret/s created\n"
    for form in ("json", "yaml"):
        out = cli.here("get", "secret", "s", "-o", form).out
        assert "sk-not-to-be-seen" not in out
        assert "c2stbm90LXRvLWJlLXNlZW4" not in out
        assert "apiKey" in out


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: [1\nb: 2\n", "bad.yaml is not YAML: line 2, column 2: "),
        ("just words", "bad.yaml is not an object (begin with apiVersion, kind and metadata)"),
        ("kind: AgentRun\n", "bad.yaml has no apiVersion or no kind"),
        ("apiVersion: sympozium.ai/v1alpha1\nkind: SympoziumInstanc\n", "bad.yaml: there is no kind 'SympoziumInstanc' (did you mean SympoziumInstance?)"),
        ("apiVersion: sympozium.ai/v1\nkind: AgentRun\n", "write apiVersion: sympozium.ai/v1alpha1, kind: AgentRun"),
        ("---\n---\napiVersion: apps/v1\nkind: Deployment\n", "bad.yaml, document 2: there is no kind 'Deployment'"),
        ("apiVersion: v1\nkind: List\nitems: 3\n", "bad.yaml: items is not a list"),
        ("apiVersion: v1\nkind: Secret\nmetadata: 3\n", "bad.yaml: metadata is not an object"),
        ("a: \x00\n", "bad.yaml is not YAML: character 3: "),
        ("", "nothing to read in "),
    ],
)  # fmt: skip
def test_a_bad_file_is_named_with_the_place(text: str, words: str, cli: Any, tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text(text)
    done = cli.here("apply", "-f", str(tmp_path / "bad.yaml"), code=4)
    assert done.err.startswith("error: ")
    assert words in done.err


def test_files_that_cannot_be_read(cli: Any, tmp_path: Path) -> None:
    assert "No such file" in cli.here("apply", "-f", str(tmp_path / "none.yaml"), code=4).err
    (tmp_path / "latin.yaml").write_bytes(b"a: \xe9\n")
    assert "not UTF-8" in cli.here("apply", "-f", str(tmp_path / "latin.yaml"), code=4).err
    (tmp_path / "empty").mkdir()
    assert "nothing to read" in cli.here("apply", "-f", str(tmp_path / "empty"), code=4).err


def test_every_fault_of_a_document_is_said_once_and_the_others_are_applied(cli: Any) -> None:
    done = cli.apply(cli.instance("a", provider={"name": "openai", "modle": "x"}), cli.instance("b"), code=4)
    assert done.out == "sympoziuminstance/b created\n"
    assert done.err.count("spec.provider.modle: unknown field (did you mean model?)") == 1
    assert done.err.count("spec.provider.model: is missing") == 1
    assert done.err.startswith("standard input, document 1: sympoziuminstance/a: ")


def test_a_warning_says_what_is_missing_yet(cli: Any) -> None:
    provider = {"name": "openai", "model": "m", "apiKeySecret": "model-key"}
    done = cli.apply(cli.instance(provider=provider))
    assert (
        f"warning: there is no Secret 'model-key' yet; make it with: sympozium secrets create model-key -n {cli.namespace}"
        in done.err
    )


def test_the_samples_are_accepted(alone: Any) -> None:
    done = alone("apply", "-f", str(SAMPLES))
    assert done.out.count(" created") == len(done.out.splitlines()) >= 4
    assert "not found" not in done.err


def test_a_skill_folder_is_applied_as_the_skill_pack_that_it_is(cli: Any, tmp_path: Path) -> None:
    folder = tmp_path / "pdf-forms"
    (folder / "references").mkdir(parents=True)
    (folder / "SKILL.md").write_text("---\nname: pdf-forms\ndescription: Fill PDF forms.\n---\n\n# Forms\n")
    (folder / "references" / "fields.md").write_text("names of fields")
    assert cli("apply", "-f", str(folder)).out == "skillpack/pdf-forms created\n"
    assert cli("apply", "-f", str(folder)).out == "skillpack/pdf-forms unchanged\n"
    (skill,) = cli("get", "skillpack", "pdf-forms", "-o", "json").json["spec"]["skills"]
    assert skill["files"] == {"references/fields.md": "names of fields"}
    (folder / "SKILL.md").write_text("# Forms\n")
    refused = cli("apply", "-f", str(folder), code=None)
    assert refused.code != 0
    assert "pdf-forms/SKILL.md: has no front matter (begin with three lines" in refused.err
