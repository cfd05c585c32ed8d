"""A plan is rendered as the Job that is written down in `golden`, and no plan makes a pod that leaves its bounds."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from sympozium_sandbox_kubernetes.job import render
from sympozium_sandbox_kubernetes.network import Bus
from sympozium_sandbox_kubernetes.settings import Settings

from sympozium_core import names
from sympozium_core.contracts.network import network_digest
from sympozium_core.contracts.plan import Container, EgressRule, PodPlan, Resources, SkillText
from sympozium_core.errors import Permanent
from sympozium_core.testing.pod_security import containers, restricted_violations

GOLDEN = Path(__file__).with_name("golden")
SETTINGS = Settings("registry.example.com/sympozium-runner:1.0.0", "registry.example.com/sympozium-skill:1.0.0")
BUS = Bus("tls://sympozium-nats.sympozium-system.svc:4222", ("10.96.7.7",), "-----BEGIN CERTIFICATE-----\n…\n")
AGENT = Container("agent", "agent", ("python3", "-m", "sympozium_core.runner"), workspace=True, skills=True)
BRIDGE = Container("bridge", "bridge", ("python3", "-m", "sympozium_core.bridge"))
SHELL = Container("skill-shell", "skill", ("python3", "-P", "-m", "sympozium_skill_shell"), workspace=True)

PLAIN = PodPlan((BRIDGE, AGENT, SHELL), namespace="team-a")

HOOK = PodPlan(
    (
        Container(
            "hook",
            "hook",
            ("kubectl", "get"),
            args=("pods", "$(HOME)"),
            image="registry.example.com/kubectl:1",
            env={"HOOK_NAME": "look", "SYMPOZIUM_POD": "forged"},
            workspace=True,
            kubernetes=True,
        ),
    ),
    namespace="team-a",
    network="api-only",
    workspace_claim="run-1",
    account="run-1--hooks",
)

FULL = PodPlan(
    (
        Container("agent", "agent", image="registry.example.com/own-agent:2.1", workspace=True, skills=True),
        Container(
            "skill-k8s-ops",
            "skill",
            ("serve", "--greeting", "$(HOME)"),
            image="registry.example.com/k8s-ops:1.2",
            env={"SKILL_REPO": "a/b", "PRICE": "$5", "SYMPOZIUM_POD": "forged"},
            resources=Resources(cpu=0.25, memory=64 * 1024 * 1024),
            secret="ops-keys",
            secret_path="/secrets/ops-keys",
            kubernetes=True,
        ),
        BRIDGE,
    ),
    skills=(SkillText("k8s-ops", "look", "how to look", "the instructions"),),
    namespace="team-a",
    network="api",
    egress=(
        EgressRule("api.example.com", ("203.0.113.5/32", "203.0.113.6/32"), 443),
        EgressRule("198.51.100.0/24", ("198.51.100.0/24",)),
    ),
    runtime_class="gvisor",
    image_pull_secrets=("registry",),
    node_selector={"disk": "ssd"},
    memory="alice-memory",
)

LABEL = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,50}[a-z0-9])?", fullmatch=True)
TEXT = st.text(max_size=20)
ENVIRONMENT = st.dictionaries(st.sampled_from(["A", "B", "HOME", names.ENV_POD, names.ENV_IPC]), TEXT, max_size=3)


def pod(job: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = job["spec"]["template"]["spec"]
    return found


@pytest.mark.parametrize(("name", "plan"), [("plain", PLAIN), ("full", FULL), ("hook", HOOK)])
def test_the_job_is_the_one_written_down(name: str, plan: PodPlan) -> None:
    """Set WRITE_GOLDEN=1 to write it anew, and read what changed."""
    job = json.loads(json.dumps(render("run-7b0c-1", plan, BUS, SETTINGS)))
    file = GOLDEN / f"{name}.yaml"
    if os.environ.get("WRITE_GOLDEN"):
        file.write_text(yaml.safe_dump(job, sort_keys=False, width=120, allow_unicode=True))
    assert job == yaml.safe_load(file.read_text())


@st.composite
def sidecars(draw: st.DrawFn) -> Container:
    return Container(
        f"skill-{draw(LABEL)}",
        "skill",
        draw(st.lists(TEXT, min_size=1, max_size=3).map(tuple)),
        image=draw(st.sampled_from(["", "registry.example.com/skill:1"])),
        env=draw(ENVIRONMENT),
        resources=Resources(cpu=draw(st.floats(0.001, 64, allow_nan=False)), memory=draw(st.integers(1024 * 1024, 2**40))),
        workspace=draw(st.booleans()),
        skills=draw(st.booleans()),
        secret=(secret := draw(st.sampled_from(["", "keys"]))),
        secret_path="/secrets/keys" if secret else "",
        kubernetes=draw(st.booleans()),
    )


@st.composite
def any_plan(draw: st.DrawFn) -> PodPlan:
    others = draw(st.lists(sidecars(), max_size=4, unique_by=lambda each: each.name))
    found = [AGENT, *others, *([BRIDGE] if draw(st.booleans()) else [])]
    return PodPlan(
        tuple(draw(st.permutations(found))),
        skills=(SkillText("pack", "name", "description", f"secret-instructions-{draw(TEXT)}"),),
        namespace=draw(LABEL),
        network=draw(st.sampled_from(["bus", "api"])),
        egress=draw(st.lists(st.just(EgressRule("h.example.com", ("192.0.2.1/32",), 443)), max_size=1).map(tuple)),
        runtime_class=draw(st.sampled_from(["", "gvisor"])),
        memory=draw(st.one_of(st.just(""), st.from_regex(r"[a-z0-9]([-.a-z0-9]{0,240}[a-z0-9])?", fullmatch=True))),
    )


@given(any_plan())
def test_every_plan_is_a_restricted_pod_that_knows_no_run(plan: PodPlan) -> None:
    job = render("run-7b0c-1", plan, BUS, SETTINGS)
    spec = pod(job)
    assert restricted_violations(spec) == []
    assert spec["automountServiceAccountToken"] is False
    assert "secret-instructions" not in json.dumps(job)
    by_name = {each.name: each for each in plan.containers}
    own = {"HOME", "TMPDIR", "PYTHONDONTWRITEBYTECODE"}
    for each in containers(spec):
        given_names = {entry["name"] for entry in each["env"]}
        assert {name for name in given_names - set(by_name[each["name"]].env) if not name.startswith("SYMPOZIUM_")} <= own
        assert {entry["name"]: entry["value"] for entry in each["env"]}[names.ENV_POD] == "run-7b0c-1"


@pytest.mark.parametrize(
    ("path", "value", "violation"),
    [
        (("securityContext", "runAsNonRoot"), False, "runAsNonRoot"),
        (("securityContext", "seccompProfile"), None, "seccompProfile"),
        (("hostNetwork",), True, "hostNetwork"),
        (("volumes", 0), {"name": "x", "hostPath": {"path": "/"}}, "volume x is of kind hostPath"),
        (("containers", 0, "securityContext", "allowPrivilegeEscalation"), None, "agent: allowPrivilegeEscalation"),
        (("containers", 0, "securityContext", "capabilities"), {"drop": ["ALL"], "add": ["NET_RAW"]}, "agent: capabilities"),
        (("initContainers", 0, "securityContext", "readOnlyRootFilesystem"), False, "bridge: readOnlyRootFilesystem"),
        (("initContainers", 1, "resources", "limits", "ephemeral-storage"), "", "skill-shell: no limit of ephemeral-storage"),
        (("containers", 0, "image"), "runner:latest", "has no version"),
        (("containers", 0, "image"), "registry:5000/runner", "has no version"),
    ],
)
def test_a_pod_that_is_less_is_found_out(path: tuple[Any, ...], value: Any, violation: str) -> None:
    spec: Any = pod(render("run-7b0c-1", PLAIN, BUS, SETTINGS))
    inner = spec
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    (found,) = restricted_violations(spec)
    assert violation in found


def test_a_hook_is_a_restricted_pod_whose_token_is_kubernetes_own() -> None:
    spec = pod(render("run-7b0c-pre-1", HOOK, BUS, SETTINGS))
    assert restricted_violations(spec) == []
    assert (spec["serviceAccountName"], spec["automountServiceAccountToken"]) == ("run-1--hooks", False)
    assert spec["hostAliases"] == [], "it has no bus"
    without = replace(HOOK, containers=(replace(HOOK.containers[0], kubernetes=False),), account="", workspace_claim="")
    spec = pod(render("run-7b0c-pre-1", without, BUS, SETTINGS))
    assert spec["serviceAccountName"] == "default"
    assert {kind for volume in spec["volumes"] for kind in volume if kind != "name"} == {"emptyDir"}


def test_an_agent_of_a_run_with_hooks_has_their_workspace_and_no_token() -> None:
    spec = pod(render("run-7b0c-1", replace(PLAIN, workspace_claim="run-1"), BUS, SETTINGS))
    volume = next(volume for volume in spec["volumes"] if volume["name"] == "workspace")
    assert volume == {"name": "workspace", "persistentVolumeClaim": {"claimName": "run-1"}}
    assert "terminationMessagePath" not in spec["containers"][0]


@given(any_plan())
def test_volumes_are_apart(plan: PodPlan) -> None:
    spec = pod(render("run-7b0c-1", plan, BUS, SETTINGS))
    declared = [volume["name"] for volume in spec["volumes"]]
    assert len(set(declared)) == len(declared)
    assert all(re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", name) for name in declared)
    seen_by: dict[str, set[str]] = {name: set() for name in declared}
    for each in containers(spec):
        for mount in each["volumeMounts"]:
            seen_by[mount["name"]].add(each["name"])
    for name, viewers in seen_by.items():
        if name not in ("workspace", "skills"):
            assert len(viewers - {"bridge"}) <= 1, name
        if name == "bus":
            assert viewers == {"bridge"}
        if name.startswith(("secret-", "tmp-")):
            assert len(viewers) == 1, name


@given(any_plan())
def test_labels_are_labels(plan: PodPlan) -> None:
    labels = render("run-7b0c-1", plan, BUS, SETTINGS)["metadata"]["labels"]
    assert all(re.fullmatch(r"[A-Za-z0-9]([-_.A-Za-z0-9]{0,61}[A-Za-z0-9])?", value) for value in labels.values())
    assert labels[names.LABEL_NETWORK] == network_digest(plan)


@given(TEXT)
def test_nothing_is_expanded_in_a_container(text: str) -> None:
    """Kubernetes makes ``$(NAME)`` the variable's value and ``$$`` a dollar; everything else stays."""
    skill = replace(SHELL, command=(text or "x",), env={"A": text})
    (sidecar,) = pod(render("run-7b0c-1", replace(PLAIN, containers=(AGENT, skill)), BUS, SETTINGS))["initContainers"]
    value = next(entry["value"] for entry in sidecar["env"] if entry["name"] == "A")
    assert value.replace("$$", "") == text.replace("$", "")
    assert value.replace("$$", "$") == text
    assert sidecar["command"][0].replace("$$", "$") == (text or "x")


def test_the_bridge_starts_first_whatever_the_order() -> None:
    plan = replace(PLAIN, containers=(SHELL, AGENT, BRIDGE))
    spec = pod(render("run-7b0c-1", plan, BUS, SETTINGS))
    assert [each["name"] for each in spec["initContainers"]] == ["bridge", "skill-shell"]
    assert {each["restartPolicy"] for each in spec["initContainers"]} == {"Always"}
    assert [each["name"] for each in spec["containers"]] == ["agent"]


def test_a_plan_decides_nothing_about_the_bridge() -> None:
    large = replace(BRIDGE, resources=Resources(cpu=100, memory=2**50))
    plain, changed = (
        pod(render("run-7b0c-1", replace(PLAIN, containers=(AGENT, bridge)), BUS, SETTINGS)) for bridge in (BRIDGE, large)
    )
    assert plain["initContainers"] == changed["initContainers"]


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        (replace(PLAIN, namespace=""), "namespace ''"),
        (replace(PLAIN, namespace="A"), "namespace 'A'"),
        (replace(PLAIN, containers=(BRIDGE,)), "0 agents or hooks and 1 bridges"),
        (replace(PLAIN, containers=(AGENT, replace(AGENT, name="second"))), "2 agents"),
        (replace(PLAIN, containers=(AGENT, *HOOK.containers)), "2 agents or hooks"),
        (replace(HOOK, containers=(replace(HOOK.containers[0], image=""),)), "hook 'hook' has no image"),
        (replace(PLAIN, containers=(AGENT, SHELL, SHELL)), "two containers .* 'skill-shell'"),
        (replace(PLAIN, containers=(AGENT, replace(SHELL, name="Up"))), "container name 'Up'"),
        (replace(PLAIN, containers=(AGENT, replace(SHELL, command=()))), "'skill-shell' has no image"),
        *(
            (
                replace(PLAIN, containers=(AGENT, replace(SHELL, secret="s", secret_path=path))),
                "mounts its Secret at",
            )
            for path in ("", "relative", "/", "/ipc/secrets", "/var/run", "/secrets/../ipc", "/a:b", "/workspace")
        ),
    ],
)
def test_what_cannot_be_a_pod_is_refused(plan: PodPlan, message: str) -> None:
    with pytest.raises(Permanent, match=message):
        render("run-7b0c-1", plan, BUS, SETTINGS)


def test_a_python_skill_needs_an_image() -> None:
    with pytest.raises(Permanent, match="no image for Python skills is configured"):
        render("run-7b0c-1", PLAIN, BUS, Settings("runner:1"))


@pytest.mark.parametrize("pod_id", ["", "Up", "a" * 64, "a.b", "-a"])
def test_a_bad_id_is_refused(pod_id: str) -> None:
    with pytest.raises(Permanent, match="is not a DNS label"):
        render(pod_id, PLAIN, BUS, SETTINGS)


@pytest.mark.parametrize(
    ("bus", "egress", "aliases"),
    [
        (Bus("tls://192.0.2.1:4222"), (), []),
        (Bus("tls://b.example.com:4222", ("2001:db8::1",)), (), [{"ip": "2001:db8::1", "hostnames": ["b.example.com"]}]),
        (
            Bus("tls://b.example.com:4222", ("192.0.2.1",)),
            (EgressRule("a.example.com", ("192.0.2.1/32",)), EgressRule("192.0.2.9", ("192.0.2.9/32",))),
            [{"ip": "192.0.2.1", "hostnames": ["b.example.com", "a.example.com"]}],
        ),
        (Bus("tls://192.0.2.1:4222"), (EgressRule("wide.example.com", ("192.0.2.0/24",)),), []),
    ],
)
def test_names_in_the_hosts_file(bus: Bus, egress: tuple[EgressRule, ...], aliases: list[dict[str, Any]]) -> None:
    spec = pod(render("run-7b0c-1", replace(PLAIN, egress=egress), bus, SETTINGS))
    assert spec["hostAliases"] == aliases


def test_a_bus_with_a_known_authority_needs_none() -> None:
    spec = pod(render("run-7b0c-1", PLAIN, Bus("tls://b.example.com:4222"), SETTINGS))
    assert names.ENV_BUS_CA_FILE not in {entry["name"] for entry in spec["initContainers"][0]["env"]}


def test_pods_of_one_memory_find_each_other() -> None:
    job = render("run-7b0c-1", replace(PLAIN, memory="m" * 200), BUS, SETTINGS)
    (term,) = pod(job)["affinity"]["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert term["labelSelector"]["matchLabels"].items() <= job["spec"]["template"]["metadata"]["labels"].items()
    assert "affinity" not in pod(render("run-7b0c-1", PLAIN, BUS, SETTINGS))


def test_pods_that_reach_the_same_have_one_profile() -> None:
    plan = PLAIN
    assert network_digest(plan) == network_digest(replace(plan, namespace="other", containers=()))
    other = [replace(plan, network="api"), replace(plan, egress=(EgressRule("h", ("192.0.2.1/32",)),))]
    assert len({network_digest(each) for each in (plan, *other)}) == 3
