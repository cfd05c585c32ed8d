from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from sympozium_core.contracts.mount_places import TAKEN
from sympozium_core.contracts.plan import SecretKey
from sympozium_core.contracts.sandbox import ALL_PROMISES
from sympozium_core.errors import Refused
from sympozium_core.planning.inputs import RunInputs, SandboxFacts, SkillSource
from sympozium_core.planning.plan import make_plan

Make = Callable[..., RunInputs]
Skill = Callable[..., SkillSource]
LOCAL = SandboxFacts("bubblewrap", ALL_PROMISES)
PACKAGE = SkillSource(
    "git", {"spec": {"skills": [], "sidecar": {"image": "acme/git:1"}}}, {}, ("/usr/bin/git-server",), "acme_git"
)
APPLIED = SkillSource(
    "git", {"spec": {"skills": [], "sidecar": {"image": "acme/git:1", "command": ["serve"]}}}, {}, ("/usr/bin/git-server",)
)


@pytest.mark.parametrize(
    ("skill", "here", "on_a_cluster"),
    [
        # An installed package: its module in the image of Sympozium's own skills.
        (PACKAGE, ("", ("/usr/bin/git-server",)), ("", ("python3", "-P", "-m", "acme_git"))),
        # A SkillPack that somebody applied: its image, and its command in it.
        (APPLIED, ("", ("/usr/bin/git-server",)), ("acme/git:1", ("serve",))),
    ],
)
def test_who_serves_a_skill(inputs: Make, cluster: SandboxFacts, skill: SkillSource, here: Any, on_a_cluster: Any) -> None:
    for sandbox, expected in ((LOCAL, here), (cluster, on_a_cluster)):
        container = make_plan(inputs(skills=(skill,), sandbox=sandbox)).pod.containers[-1]
        assert (container.image, container.command) == expected
        assert container.name == "skill-git"


def test_an_image_needs_a_runtime_that_starts_images(inputs: Make, cluster: SandboxFacts, a_skill: Skill) -> None:
    skill = a_skill("k8s-ops", {})
    with pytest.raises(Refused, match="needs a cluster"):
        make_plan(inputs(skills=(skill,)))
    container = make_plan(inputs(skills=(skill,), sandbox=cluster)).pod.containers[-1]
    assert (container.image, container.command) == ("ghcr.io/acme/k8s-ops:1", ()), "the image's own entry point"


def test_an_image_is_told_what_its_pack_declares(inputs: Make, cluster: SandboxFacts, a_skill: Skill) -> None:
    tools = [{"name": "count", "description": "Count.", "exec": ["grep", "-c"]}]
    container = make_plan(inputs(skills=(a_skill("lines", {"tools": tools}),), sandbox=cluster)).pod.containers[-1]
    assert json.loads(container.env["SYMPOZIUM_SKILL_TOOLS"]) == {"tools": tools}
    assert container.env["SYMPOZIUM_SKILL_PACK"] == "lines"
    without = make_plan(inputs(skills=(a_skill("lines", {}),), sandbox=cluster)).pod.containers[-1]
    assert "SYMPOZIUM_SKILL_TOOLS" not in without.env


def test_a_skill_of_instructions_has_no_container(inputs: Make, cluster: SandboxFacts, a_skill: Skill) -> None:
    for sandbox in (LOCAL, cluster):
        plan = make_plan(inputs(skills=(a_skill("docs"),), sandbox=sandbox))
        assert [container.role for container in plan.pod.containers] == ["bridge", "agent"]
        assert plan.servers == ()


@pytest.mark.parametrize(
    ("sidecar", "place"),
    [
        ({"secretRef": "github"}, "/secrets/github"),
        ({"secretRef": "github", "secretMountPath": "/etc/github"}, "/etc/github"),
        ({"secretRef": "github", "secretMountPath": "/etc/x/../github/"}, "/etc/github"),
        ({"secretMountPath": "/etc/github"}, ""),
    ],
)
def test_a_skills_secret(inputs: Make, cluster: SandboxFacts, a_skill: Skill, sidecar: Any, place: str) -> None:
    container = make_plan(inputs(skills=(a_skill("git", sidecar),), sandbox=cluster)).pod.containers[-1]
    assert container.secret == sidecar.get("secretRef", "")
    assert container.secret_path == place


@pytest.mark.parametrize(
    "place",
    ["/", "relative", "//", "//ipc", "/ipc", "/ipc/x", "/x/../ipc", "/var", "/var/run/secrets/kubernetes.io", "/a:b", *TAKEN],
)
def test_a_secret_covers_nothing_of_the_pods(inputs: Make, cluster: SandboxFacts, a_skill: Skill, place: str) -> None:
    with pytest.raises(Refused, match="secretMountPath"):
        make_plan(inputs(skills=(a_skill("git", {"secretRef": "s", "secretMountPath": place}),), sandbox=cluster))


@pytest.mark.parametrize(
    ("sidecar", "missing"),
    [
        ({"secretRef": "s"}, "secrets"),
        ({"rbac": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]}, "identities"),
        ({"clusterRBAC": [{"apiGroups": [""], "resources": ["nodes"], "verbs": ["get"]}]}, "identities"),
    ],
)
def test_what_a_runtime_lacks_is_refused(
    inputs: Make, cluster: SandboxFacts, a_skill: Skill, sidecar: Any, missing: str
) -> None:
    skills = (a_skill("git", sidecar),)
    make_plan(inputs(skills=skills, sandbox=cluster))
    poorer = SandboxFacts("other", ALL_PROMISES, frozenset(cluster.features - {missing}))
    with pytest.raises(Refused, match=f"sidecar.{next(iter(sidecar))}"):
        make_plan(inputs(skills=skills, sandbox=poorer))


@pytest.mark.parametrize(
    ("image", "allowed", "admitted"),
    [
        ("ghcr.io/acme/tool:1", ["ghcr.io/acme"], True),
        ("ghcr.io/acme/tool:1", ["ghcr.io/acme/"], True),
        ("ghcr.io/acme/tool@sha256:00", ["ghcr.io/acme/tool"], True),
        ("ghcr.io/acme-evil/tool:1", ["ghcr.io/acme"], False),
        ("ghcr.io.evil.example/acme/tool", ["ghcr.io"], False),
        ("tool", ["ghcr.io"], False),
        ("tool", ["docker.io"], True),
        ("tool", ["docker.io/library"], True),
        ("acme/tool", ["docker.io/acme"], True),
        ("localhost:5000/tool", ["localhost:5000"], True),
        ("ghcr.io/acme/tool:1", [], False),
    ],
)
def test_images_come_from_where_the_policy_says(
    inputs: Make, cluster: SandboxFacts, a_skill: Skill, image: str, allowed: list[str], admitted: bool
) -> None:
    given = inputs(
        skills=(a_skill("tool", {"image": image}),), sandbox=cluster, policy={"imagePolicy": {"allowedRegistries": allowed}}
    )
    if admitted:
        make_plan(given)
        return
    with pytest.raises(Refused, match="does not allow image") as refused:
        make_plan(given)
    assert refused.value.reason == "PolicyDenied"


def test_sympoziums_own_image_is_no_matter_of_policy(inputs: Make, cluster: SandboxFacts) -> None:
    make_plan(inputs(skills=(PACKAGE,), sandbox=cluster, policy={"imagePolicy": {"allowedRegistries": []}}))


@pytest.mark.parametrize(
    ("image", "variant"),
    [
        ("sympozium/skill-kubectl:0.1.0", "kubectl"),
        ("sympozium/skill:0.1.0", ""),
        ("sympozium/skill-:1", ""),
        ("ghcr.io/sympozium/skill-kubectl:1", ""),
        ("acme/git:1", ""),
    ],
)
def test_a_packages_module_runs_in_the_image_with_the_programs_that_it_names(
    inputs: Make, cluster: SandboxFacts, image: str, variant: str
) -> None:
    pack = {"spec": {"skills": [], "sidecar": {"image": image}}}
    packaged = SkillSource("git", pack, {}, ("/usr/bin/git-server",), "acme_git")
    container = make_plan(inputs(skills=(packaged,), sandbox=cluster)).pod.containers[-1]
    assert (container.image, container.variant) == ("", variant)
    applied = SkillSource("git", pack, {}, ("/usr/bin/git-server",))
    container = make_plan(inputs(skills=(applied,), sandbox=cluster)).pod.containers[-1]
    assert (container.image, container.variant) == (image, ""), "an applied pack means its own image"


def test_a_skill_that_needs_a_server_run_is_refused(inputs: Make, cluster: SandboxFacts, a_skill: Skill) -> None:
    with pytest.raises(Refused, match=r"sidecar.requiresServer.*use a skill without"):
        make_plan(inputs(skills=(a_skill("web", {"requiresServer": True}),), sandbox=cluster))


def test_a_sidecar_without_image_and_package_is_refused(inputs: Make, cluster: SandboxFacts) -> None:
    nobody = SkillSource("lost", {"spec": {"skills": [], "sidecar": {"mountWorkspace": True}}}, {})
    with pytest.raises(Refused, match="neither an image nor a package that serves it"):
        make_plan(inputs(skills=(nobody,), sandbox=cluster))


def test_a_package_whose_code_cannot_be_brought_says_why(inputs: Make, cluster: SandboxFacts) -> None:
    heavy = SkillSource("heavy", {"spec": {"skills": [], "sidecar": {}}}, {}, (), "heavy", problem="needs torch")
    with pytest.raises(Refused, match="cannot be started from its package: needs torch"):
        make_plan(inputs(skills=(heavy,), sandbox=cluster))


def test_code_that_no_image_has_is_a_volume_of_the_instance(inputs: Make, cluster: SandboxFacts) -> None:
    carried = SkillSource("git", {"spec": {"skills": [], "sidecar": {}}}, {}, (), "acme_git", code="ab" * 32)
    given = inputs(skills=(carried,), sandbox=cluster)
    container = make_plan(given).pod.containers[-1]
    assert container.command == ("python3", "-P", "-m", "sympozium_core.sidecar.packaged", "ab" * 32, "acme_git")
    assert (container.code, container.image) == ("ab" * 32, "")
    assert container.code_volume.startswith("code-abababab")


def test_variables_come_from_the_pack_or_from_secrets(inputs: Make, cluster: SandboxFacts, a_skill: Skill) -> None:
    env = [{"name": "A", "value": "1"}, {"name": "B", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "token"}}}]
    container = make_plan(inputs(skills=(a_skill("git", {"env": env}),), sandbox=cluster)).pod.containers[-1]
    assert container.env["A"] == "1"
    assert container.secret_env == {"B": SecretKey("keys", "token")}
