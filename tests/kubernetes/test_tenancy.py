"""Namespaces are tenants: who administers one sees and reaches nothing of another, by any route."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from sympozium_core.testing.servers.script import from_data
from tests.kubernetes import runs
from tests.kubernetes.attacking import attack, attack_bus, reached
from tests.kubernetes.installed import HOME
from tests.kubernetes.kubectl import Kubectl, eventually
from tests.kubernetes.runs import Model

ALICE = "--as=alice@tenant-a.example"
WORDS = "the-neighbour-s-own-words"
CONVERSATIONS = {
    "conversations": [
        {"when": WORDS, "turns": [{"text": f"{WORDS} " * 4, "delay": 1.0, "fault": {"kind": "stall", "after": 3}}]},
        {"turns": [{"fault": {"kind": "silence"}}]},
    ]
}
LOG_IN = """
import asyncio, os, ssl, nats
async def main():
    said = asyncio.get_running_loop().create_future()
    async def note(error):
        if not said.done():
            said.set_result(f"{type(error).__name__}: {error}")
    context = ssl.create_default_context(cafile=os.environ["SYMPOZIUM_BUS_CA_FILE"])
    token = open("/bus/token").read().strip()
    options = {"token": token, "tls": context, "error_cb": note}
    trying = asyncio.ensure_future(nats.connect(os.environ["SYMPOZIUM_BUS_ADDRESS"], **options))
    await asyncio.wait((trying, said), timeout=20, return_when=asyncio.FIRST_COMPLETED)
    print(said.result() if said.done() else "REACHED the bus" if trying.done() else "no answer")
    os._exit(0)
asyncio.run(main())
"""


@dataclass(frozen=True)
class Tenants:
    """Alice administers `own`; `other` is somebody else's. Each has an instance of the same name and a run under way."""

    own: Kubectl
    other: Kubectl
    own_pod: str
    other_pod: str

    def alice(self, *words: str, stdin: str = "") -> tuple[int, str]:
        """What she gets by a call to any namespace."""
        done = Kubectl(self.own.kubeconfig).call(ALICE, *words, stdin=stdin)
        return done.returncode, done.stdout + done.stderr


@pytest.fixture(scope="module")
def model() -> Iterator[Model]:
    with runs.serve_model(from_data(CONVERSATIONS)) as served:
        yield served


@pytest.fixture(scope="module")
def tenants(sympozium: object, kubectl: Kubectl, model: Model) -> Iterator[Tenants]:
    own, other = (kubectl.within(f"tenant-{letter}-{uuid.uuid4().hex[:8]}") for letter in "ab")
    for tenant in (own, other):
        kubectl("create", "namespace", tenant.namespace)
        kubectl("label", "namespace", tenant.namespace, "pod-security.kubernetes.io/enforce=restricted")
        runs.furnish(tenant, model, memory={"enabled": True})
    own("create", "rolebinding", "alice", "--clusterrole=admin", "--user=alice@tenant-a.example")
    other.apply(runs.run("work", f"say {WORDS}"))
    own.apply(runs.run("work", "wait"))
    yield Tenants(own, other, runs.pod_of(own, "work"), runs.pod_of(other, "work"))
    for tenant in (own, other):
        kubectl("delete", "namespace", tenant.namespace, "--wait=false")


def test_at_home_she_is_served(tenants: Tenants) -> None:
    here = f"--namespace={tenants.own.namespace}"
    for words in (
        ("get", "agentruns,sympoziuminstances,skillpacks,toolapprovals,pods,persistentvolumeclaims", here),
        ("logs", tenants.own_pod, "-c", "agent", here),
        ("annotate", "agentrun", "work", "seen=yes", here),
    ):
        code, said = tenants.alice(*words)
        assert code == 0, said


@pytest.mark.parametrize(
    "words",
    [
        ("get", "agentrun", "work"),
        ("get", "agentruns"),
        ("get", "agentruns", "--watch", "--request-timeout=3s"),
        ("get", "sympoziuminstances"),
        ("get", "sympoziumpolicies"),
        ("get", "skillpacks"),
        ("get", "toolapprovals"),
        ("get", "secret", "openai-secret"),
        ("get", "pods"),
        ("get", "jobs"),
        ("get", "events"),
        ("get", "configmaps"),
        ("get", "networkpolicies"),
        ("get", "serviceaccounts"),
        ("get", "persistentvolumeclaim", "my-first-agent-memory"),
        ("logs", "POD", "-c", "agent"),
        ("exec", "POD", "-c", "agent", "--", "true"),
        ("port-forward", "POD", "4180"),
        ("patch", "agentrun", "work", "--type=merge", "-p", '{"spec":{"cancel":true}}'),
        ("delete", "agentrun", "work"),
        ("delete", "pod", "POD"),
        ("create", "token", "default"),
        ("create", "configmap", "flag"),
    ],
    ids=lambda words: " ".join(words[:3]),
)
def test_the_api_shows_her_nothing_of_the_other(tenants: Tenants, words: tuple[str, ...]) -> None:
    there = [tenants.other_pod if word == "POD" else word for word in words]
    code, said = tenants.alice(f"--namespace={tenants.other.namespace}", *there)
    assert code != 0
    assert "Forbidden" in said or "forbidden" in said
    assert WORDS not in said


@pytest.mark.parametrize("kind", ["agentruns", "sympoziuminstances", "pods", "secrets", "events"])
def test_a_list_of_all_namespaces_is_refused(tenants: Tenants, kind: str) -> None:
    code, said = tenants.alice("get", kind, "--all-namespaces")
    assert code != 0
    assert "forbidden" in said


def test_the_control_plane_is_not_hers(tenants: Tenants) -> None:
    for kind in ("secrets", "pods", "configmaps", "deployments"):
        code, said = tenants.alice("get", kind, "--namespace=sympozium-system")
        assert code != 0, said
    token = ("create", "token", "sympozium-controller", "--namespace=sympozium-system")
    assert tenants.alice(*token)[0] != 0


def test_her_instances_name_nothing_of_the_other(tenants: Tenants, model: Model) -> None:
    """A name means an object of the same namespace, whatever is written in it."""
    foreign = runs.instance(model, "thief")
    foreign["spec"]["provider"]["apiKeySecret"] = f"{tenants.other.namespace}/openai-secret"
    written = json.dumps({**foreign, "metadata": {"name": "thief", "namespace": tenants.own.namespace}})
    code, said = tenants.alice("apply", "-f", "-", stdin=written)
    assert code != 0, said
    run = runs.run("thief", "wait", agent=f"{tenants.other.namespace}/my-first-agent")
    run["metadata"]["namespace"] = tenants.own.namespace
    code, said = tenants.alice("apply", "-f", "-", stdin=json.dumps(run))
    assert code != 0, said


def test_her_pods_do_not_reach_the_others(tenants: Tenants) -> None:
    address = tenants.other.get("pod", tenants.other_pod)["status"]["podIP"]
    told = {"targets": {f"port {port}": [address, port, "tcp"] for port in (4180, 8080, 22)}, "needles": [WORDS, runs.KEY]}
    for container in ("agent", "skill-shell", "bridge"):
        through = reached(attack(tenants.own, tenants.own_pod, container, told))
        assert not [name for name in through if "connect" in name]
        assert "find a credential" not in through, through


def test_her_bridge_hears_nothing_of_the_others_run(tenants: Tenants) -> None:
    assert not reached(attack_bus(tenants.own, tenants.own_pod, "work", tenants.other, "work"))


def test_a_pod_of_her_own_is_nobodys_bridge(tenants: Tenants) -> None:
    """It has the labels of the other run's pod and a token for the bus; but the token says which pod it was made for."""
    real = tenants.other.get("pod", tenants.other_pod)
    bridge = real["spec"]["initContainers"][0]
    environment = [each for each in bridge["env"] if each["name"].startswith("SYMPOZIUM_")]
    bus = next(each for each in real["spec"]["volumes"] if each["name"] == "bus")
    mounted = next(each["mountPath"] for each in bridge["volumeMounts"] if each["name"] == "bus")
    container = {
        "name": "forger",
        "image": bridge["image"],
        "imagePullPolicy": "Never",
        "command": ["python3", "-c", LOG_IN.replace("/bus", mounted)],
        "env": environment,
        "securityContext": bridge["securityContext"],
        "volumeMounts": [{"name": "bus", "mountPath": mounted, "readOnly": True}],
        "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"cpu": "1", "memory": "128Mi"}},
    }
    copied = {what: real["metadata"][what] for what in ("labels", "annotations")}
    pod: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "forger", "namespace": tenants.own.namespace, **copied},
        "spec": {
            "restartPolicy": "Never",
            "containers": [container],
            "volumes": [bus],
            "securityContext": real["spec"]["securityContext"],
            "automountServiceAccountToken": False,
            **{what: real["spec"][what] for what in ("dnsPolicy", "dnsConfig", "hostAliases") if what in real["spec"]},
        },
    }
    code, said = tenants.alice("create", "-f", "-", stdin=json.dumps(pod))
    assert code == 0, said
    ended = ("Succeeded", "Failed")
    eventually(lambda: tenants.own.get("pod", "forger")["status"].get("phase") in ended, "the forger has tried", 60)
    log = tenants.own("logs", "forger")
    assert "authorization violation" in log.lower(), log


def test_a_memory_is_the_namespaces_own(tenants: Tenants) -> None:
    """Instances of one name have a claim each, on a volume each."""
    volumes = set()
    for tenant in (tenants.own, tenants.other):
        claim = tenant.get("persistentvolumeclaim", "my-first-agent-memory")
        volumes.add(claim["spec"].get("volumeName") or claim["metadata"]["uid"])
    assert len(volumes) == 2


def test_the_other_tenants_run_went_on(tenants: Tenants) -> None:
    status = runs.status(tenants.other, "work")
    assert (status["phase"], status["attempt"]) == ("Running", 1)


def test_what_is_mandatory_in_one_namespace_is_not_in_another(tenants: Tenants) -> None:
    """Her policy lets her runs use what they like; the cluster's own, which she cannot write, does not."""
    selector = {"matchLabels": {"kubernetes.io/metadata.name": tenants.own.namespace}}
    policy = {
        "apiVersion": "sympozium.ai/v1alpha1",
        "kind": "SympoziumPolicy",
        "metadata": {"name": "frugal-tenants"},
        "spec": {"mandatory": {"namespaceSelector": selector}, "limits": {"maxTokens": 1000}},
    }
    greedy = runs.run("greedy", "wait", limits={"maxTokens": 1001})
    system = tenants.own.within(HOME)
    system.apply(policy)
    try:
        assert "1001 is more than policy frugal-tenants allows" in tenants.own.apply_refused(greedy)
        tenants.other("apply", "--dry-run=server", "-f", "-", stdin=json.dumps(greedy))
        assert f"acts in namespace {HOME} alone" in tenants.own.apply_refused(policy)
        code, _ = tenants.alice("delete", "sympoziumpolicy", "frugal-tenants", f"--namespace={HOME}")
        assert code
    finally:
        system("delete", "sympoziumpolicy", "frugal-tenants")
