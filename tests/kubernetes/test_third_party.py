"""Skills of somebody else's on a cluster: in Python, in shell and in Go, brought as the documentation says; an agent's program of their own; and the images
that `sympozium plugins image` gives the recipe of, at work."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sympozium_core.testing.servers.script import from_data
from tests.kubernetes import images, installed, runs, third_party
from tests.kubernetes.installed import HOME, WAIT, Operator
from tests.kubernetes.kubectl import Kubectl
from tests.kubernetes.machine.layout import Layout
from tests.kubernetes.runs import Model

TABLE, TEXT = "name,size\na,1\nb,3\n", "to be or not to be"
WRITTEN = [
    {"name": "write_file", "arguments": {"path": "/workspace/a.csv", "content": TABLE}},
    {"name": "write_file", "arguments": {"path": "/workspace/a.txt", "content": TEXT}},
]
CALLS = [
    {"name": "csv_summary", "arguments": {"file": "a.csv", "column": "size"}},
    {"name": "sha256_file", "arguments": {"path": "/workspace/a.csv"}},
    {"name": "top_words", "arguments": {"file": "a.txt", "count": 2}},
    {"name": "matching_lines", "arguments": {"pattern": "a", "file": "a.csv"}},
    {"name": "next_time", "arguments": {"line": "0 9 * * 1-5", "after": "2026-11-28T12:00:00"}},
]
COMMAND = [{"name": "execute_command", "arguments": {"command": "expr 3 + 9; id -u"}}]
SHA256 = "77c2c3d1669658b7"
SCRIPT = {
    "conversations": [
        {"when": "wait", "turns": [{"fault": {"kind": "silence"}}]},
        {"when": "own", "turns": [{"tools": COMMAND}, {"text": "It is 12."}]},
        {"when": "all", "turns": [{"tools": WRITTEN}, {"tools": CALLS}, {"text": "Done."}]},
    ]
}
SKILLS = ("csv-tables", "checksum", "words", "lines", "cron")
_TEXT = {"type": "string"}
LINES = {
    "apiVersion": "sympozium.ai/v1alpha1",
    "kind": "SkillPack",
    "metadata": {"name": "lines"},
    "spec": {
        "skills": [],
        "sidecar": {
            "image": images.image("skill"),
            "tools": [
                {
                    "name": "matching_lines",
                    "description": "Count the lines of a file that match.",
                    "exec": ["grep", "-c"],
                    "positionalArgs": ["pattern", "file"],
                    "parameters": {
                        "type": "object",
                        "properties": {"pattern": _TEXT, "file": _TEXT},
                        "required": ["pattern", "file"],
                    },
                }
            ],
        },
    },
}
"""Declares what it serves; the image's own command does the rest."""


@pytest.fixture(scope="module")
def model() -> Iterator[Model]:
    with runs.serve_model(from_data(SCRIPT)) as served:
        yield served


@pytest.fixture(scope="module")
def mine(sympozium: object, kubeconfig: Path, cluster: Layout) -> Iterator[Operator]:
    """The control plane and the skills' sidecars are of images with a third party's packages."""
    third_party.load_all(cluster)
    chosen = (f"--image-control-plane={third_party.CONTROL_PLANE}", f"--image-skill={third_party.SKILL}")
    operator = Operator(kubeconfig)
    operator.done("install", *chosen, WAIT)
    yield operator
    operator.done("install", *installed.arguments(), WAIT)


@pytest.fixture
def ran(mine: Operator, here: Kubectl, model: Model) -> dict[str, Any]:
    """What each tool has given in one run with all four skills, and at ``pod`` the pod of another that waits."""
    folder = third_party.EXAMPLES / "acme-skill-words"
    mine.done("apply", "-f", str(folder), "-n", here.namespace)
    here.apply(LINES)
    runs.furnish(here, model, skills=list(SKILLS))
    here.apply(runs.run("all", "Call all."))
    status = runs.until_phase(here, "all", "Succeeded", "Failed")
    assert status.get("result") == "Done.", status
    said = [message for message in model.server.requests[-1].body["messages"] if message["role"] == "tool"]
    given = {str(call["name"]): message["content"] for call, message in zip([*WRITTEN, *CALLS], said, strict=True)}
    here.apply(runs.run("held", "wait"))
    return {**given, "pod": here.get("pod", runs.pod_of(here, "held"))}


def test_each_serves_a_run(ran: dict[str, Any], here: Kubectl) -> None:
    assert json.loads(ran["csv_summary"]) == {"count": 2, "least": 1, "most": 3, "mean": 2}
    assert ran["sha256_file"].startswith(SHA256)
    assert ran["top_words"].split() in (["2", "to", "2", "be"], ["2", "be", "2", "to"])
    assert ran["matching_lines"].strip() == "2"
    assert ran["next_time"] == "2026-11-30 09:00:00"

    containers = {each["name"]: each for each in ran["pod"]["spec"]["initContainers"]}
    used = {name: containers[f"skill-{name}"]["image"] for name in SKILLS}
    assert used == {
        "csv-tables": third_party.SKILL,
        "checksum": third_party.CHECKSUM,
        "words": third_party.WORDS,
        "lines": images.image("skill"),
        "cron": third_party.SKILL,
    }
    codes = [each for each in here.get("configmaps")["items"] if each["metadata"]["name"].startswith("code-")]
    assert len(codes) == 1, "that of csv-tables; cron's is in the image"
    mounted = {mount["mountPath"] for mount in containers["skill-csv-tables"]["volumeMounts"]}
    assert "/opt/sympozium/code" in mounted
    assert "/opt/sympozium/code" not in {mount["mountPath"] for mount in containers["skill-cron"]["volumeMounts"]}
    name = ran["pod"]["metadata"]["name"]
    look = ("exec", name, "-c", "skill-csv-tables", "--", "python3", "-P", "-c", "import acme_skill_csv")
    assert "No module named 'acme_skill_csv'" in here.refused(*look), "its image does not have it"


def test_an_agent_program_of_their_own_carries_a_run(mine: Operator, here: Kubectl, model: Model) -> None:
    runs.furnish(here, model, harness="loop")
    here.apply(runs.run("own", "Use your own program."))
    status = runs.until_phase(here, "own", "Succeeded", "Failed")
    assert (status.get("result"), status.get("harness")) == ("It is 12.", "loop"), status
    request = model.server.requests[-1]
    (said,) = [message["content"] for message in request.body["messages"] if message["role"] == "tool"]
    assert said.startswith("12\n1000\n")
    assert "read_file" not in str(request.body.get("tools")), "it has no file tools of its own"

    here.apply(runs.run("held", "wait"))
    (agent,) = here.get("pod", runs.pod_of(here, "held"))["spec"]["containers"]
    assert (agent["image"], agent.get("command")) == (third_party.HARNESS, None)
    assert agent["securityContext"]["readOnlyRootFilesystem"]


def test_the_images_have_what_was_installed_and_nothing_more(mine: Operator, kubectl: Kubectl) -> None:
    home = kubectl.within(HOME)
    inside = ("exec", "deployment/sympozium-controller", "--")
    listed = json.loads(home(*inside, "python3", "-P", "-m", "sympozium_core.cli.main", "plugins", "list", "-o", "json"))
    found = {each["name"]: each["distribution"] for each in listed if each["kind"] == "skill"}
    assert {
        "csv-tables": "acme-skill-csv",
        "checksum": "acme-skill-checksum",
        "cron": "acme-skill-cron",
    }.items() <= found.items()
    assert {"shell", "k8s-ops", "mcp"} <= found.keys()
    packs = home("get", "skillpacks", "-o", "name").split()
    assert {f"skillpack.sympozium.ai/{name}" for name in ("csv-tables", "checksum", "cron")} <= set(packs)
    for left_out in ("pip", "kubernetes"):
        look = (*inside, "python3", "-P", "-c", f"import {left_out}")
        assert f"No module named '{left_out}'" in home.refused(*look)
    assert home(*inside, "id", "-u").strip() == "1000"
