"""Lifecycle hooks on a real cluster: what a hook with rights can do and for how long, what the agent beside it cannot, and that nothing is left."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sympozium_core.testing.servers.script import from_data
from tests.kubernetes import images, runs
from tests.kubernetes.installed import HOME
from tests.kubernetes.interrupted import ControlPlane
from tests.kubernetes.kubectl import Kubectl, eventually
from tests.kubernetes.runs import Model
from tests.kubernetes.test_kernel_sandbox import KERNEL_LOG
from tests.kubernetes.test_skill_rights import CALL_API, REFUSED_WITHIN

TOKEN = "/var/run/secrets/kubernetes.io/serviceaccount/token"
REACH = (
    "import socket\n"
    "try: socket.create_connection(('10.96.0.1', 443), 3); print('reached')\n"
    "except OSError as error: print('closed')"
)
LOOK = f'cat /workspace/found; cat {TOKEN} 2>&1; python3 -c "{REACH}"; echo by-the-agent >>/workspace/story'
CONVERSATIONS = {
    "conversations": [
        {"when": "never", "turns": [{"fault": {"kind": "silence"}}]},
        {"turns": [{"tools": [{"name": "execute_command", "arguments": {"command": LOOK}}]}, {"text": "Done."}]},
    ]
}
RIGHTS = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]}]
KEPT = ("agentruns", "events", "leases", "endpointslices", "endpoints")


@pytest.fixture(scope="module")
def model() -> Iterator[Model]:
    with runs.serve_model(from_data(CONVERSATIONS)) as served:
        yield served


@pytest.fixture
def tenant(sympozium: object, here: Kubectl, model: Model) -> Kubectl:
    """A namespace that admits restricted pods alone, with an instance whose policy allows everything."""
    here("label", "namespace", here.namespace, "pod-security.kubernetes.io/enforce=restricted")
    model.server.requests.clear()
    runs.furnish(here, model)
    return here


def hook(name: str, *command: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "image": images.image("skill"), "command": list(command), **more}


def shell(name: str, script: str, **more: Any) -> dict[str, Any]:
    return hook(name, "sh", "-c", script, **more)


def hooks_of(here: Kubectl, run: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = runs.status(here, run).get("hooks") or []
    return found


def inventory(kubectl: Kubectl, namespace: str) -> set[str]:
    """Every object of the namespace, and of the cluster what is nobody's: volumes and rights among them."""
    found: set[str] = set()
    for scope in ("true", "false"):
        names = kubectl("api-resources", "--verbs=list", f"--namespaced={scope}", "-o", "name").split()
        kinds = ",".join(name for name in names if name.split(".")[0] not in KEPT)
        found |= set(kubectl.within(namespace)("get", kinds, "-o", "name", "--ignore-not-found").split())
    return found


def test_hooks_have_the_rights_that_they_declare_and_the_agent_has_none(
    tenant: Kubectl, kubectl: Kubectl, namespace: str, model: Model
) -> None:
    eventually(lambda: tenant.exists("networkpolicy", "sympozium-run-pods"), "the namespace is closed before any pod")
    before = inventory(kubectl, namespace)
    paths = {
        f"/api/v1/namespaces/{namespace}/pods": 200,
        f"/api/v1/namespaces/{namespace}/secrets": 403,
        "/api/v1/namespaces/default/pods": 403,
        "/api/v1/nodes": 403,
        f"/apis/sympozium.ai/v1alpha1/namespaces/{namespace}/agentruns": 403,
    }
    look = f"cat >/tmp/call.py <<'END'\n{CALL_API}\nEND\npython3 /tmp/call.py '{json.dumps(list(paths))}' >found && echo first >story"
    wait = '[ "$(cat story)" = "$(printf "first\\nby-the-agent")" ] && [ "$AGENT_RESULT" = Done. ] || exit 7; until [ -e go ]; do sleep 0.1; done'
    lifecycle = {"preRun": [shell("look", look)], "postRun": [shell("wait", wait)], "rbac": RIGHTS}
    tenant.apply(runs.run("hooked", "look", lifecycle=lifecycle))

    def waits() -> bool:
        return [each["state"] for each in hooks_of(tenant, "hooked")] == ["Succeeded", "Running"]

    eventually(waits, "the hook after the agent runs", 120)
    status = runs.status(tenant, "hooked")
    assert (status["phase"], "result" in status) == ("Running", False), "told when the last hook has ended"
    told = str(model.server.requests[-1].body["messages"][-1]["content"])
    assert json.loads(next(line for line in told.splitlines() if line.startswith("{"))) == paths
    assert "No such file" in told, "no token in the agent's pod"
    assert "closed" in told
    assert "reached" not in told

    job = f"run-{tenant.get('agentrun', 'hooked')['metadata']['uid']}-post-1"
    pod = tenant("get", "pods", "-l", f"sympozium.ai/pod={job}", "-o", "jsonpath={.items[0].metadata.name}")
    token = tenant("exec", pod, "--", "cat", TOKEN)
    as_hook = tenant.with_token(token, Path(f"/tmp/{namespace}.kubeconfig"))
    try:
        as_hook("get", "pods")
        tenant("exec", pod, "--", "touch", "/workspace/go")
        status = runs.until_cleaned(tenant, "hooked")
        ended = time.monotonic()
        assert (status["phase"], status["result"]) == ("Succeeded", "Done.")
        asked, said = time.monotonic(), as_hook.refused("get", "pods")  # the rights are gone, at the latest now
        while "Unauthorized" not in said:
            assert asked - ended < REFUSED_WITHIN, said
            asked, said = time.monotonic(), as_hook.refused("get", "pods")
    finally:
        as_hook.kubeconfig.unlink()

    def left() -> set[str]:
        """Namespaces come and go with other tests."""
        made = inventory(kubectl, namespace) - before
        return {each for each in made if "networkpolicy" not in each and not each.startswith("namespace/")}

    eventually(lambda: not left(), "nothing is left but the network profile of hooks, which the next run may need", 90)


@pytest.mark.parametrize("kernel", ["", "gvisor"])
def test_a_hook_ends_the_run_as_skipped_by_way_of_the_kubelet(tenant: Kubectl, model: Model, kernel: str) -> None:
    under = 'python3 -c "$LOOK" | grep -qi gvisor || exit 8; ' if kernel else ""
    skip = shell("look", f'{under}echo "Nothing is new." >/ipc/control/skip', env=[{"name": "LOOK", "value": KERNEL_LOG}])
    sandbox: dict[str, Any] = {"agentSandbox": {"enabled": True, "runtimeClass": kernel}} if kernel else {}
    lifecycle = {"preRun": [skip], "postRun": [shell("never", "true")]}
    tenant.apply(runs.run("skipped", "look", lifecycle=lifecycle, **sandbox))
    status = runs.until_cleaned(tenant, "skipped")
    assert (status["phase"], status["reason"]) == ("Succeeded", "Completed")
    assert status["message"] == "skipped by preRun hook 'look': Nothing is new."
    assert [each["state"] for each in status["hooks"]] == ["Succeeded", "Skipped"]
    assert not model.server.requests
    assert tenant("get", "jobs", "-o", "name") == ""


def test_a_hook_that_fails_says_why(tenant: Kubectl, model: Model) -> None:
    broken = shell("fetch", "echo 'no such host' >&2; exit 4")
    tenant.apply(runs.run("broken", "look", lifecycle={"preRun": [broken]}))
    status = runs.until_cleaned(tenant, "broken")
    assert (status["phase"], status["reason"]) == ("Failed", "ToolError")
    assert status["message"] == "preRun hook 'fetch' ended with exit code 4: no such host"
    assert not model.server.requests
    assert "HookFailed" in tenant("describe", "agentrun", "broken")


def test_a_hook_without_rights_has_no_token_and_no_network(tenant: Kubectl) -> None:
    alone = shell("alone", f'[ ! -e {TOKEN} ] || exit 5; [ "$(python3 -c "{REACH}")" = closed ] || exit 6')
    tenant.apply(runs.run("alone", "look", lifecycle={"preRun": [alone]}))
    assert runs.until_cleaned(tenant, "alone")["phase"] == "Succeeded", runs.status(tenant, "alone")


def test_an_image_that_is_nowhere_and_a_cancel(tenant: Kubectl) -> None:
    missing = {"name": "gone", "image": "localhost/there-is-no-such-image:1"}
    tenant.apply(runs.run("missing", "look", lifecycle={"preRun": [missing]}))

    def held_up() -> bool:
        return any("Image" in str(each.get("message")) for each in hooks_of(tenant, "missing"))

    eventually(held_up, "why the hook does not start is told", 60)
    tenant("patch", "agentrun", "missing", "--type=merge", "-p", '{"spec":{"cancel":true}}')
    status = runs.until_phase(tenant, "missing", "Cancelled", within=30)
    assert status["hooks"][0]["state"] == "Failed"
    eventually(lambda: not tenant("get", "jobs,pods,persistentvolumeclaims", "-o", "name"), "nothing is left", 60)


@pytest.mark.parametrize("phase", ["preRun", "postRun"])
def test_deleting_a_run_while_a_hook_runs_leaves_nothing(tenant: Kubectl, phase: str) -> None:
    lifecycle = {phase: [shell("long", "trap '' TERM; sleep 600")], "rbac": RIGHTS}
    tenant.apply(runs.run("deleted", "look", lifecycle=lifecycle))
    eventually(lambda: any(each["state"] == "Running" for each in hooks_of(tenant, "deleted")), "the hook runs", 120)
    tenant("delete", "agentrun", "deleted", "--wait=true", "--timeout=60s")
    kinds = "jobs,pods,persistentvolumeclaims,roles,rolebindings"
    eventually(lambda: not tenant("get", kinds, "-o", "name"), "nothing is left", 90)
    assert tenant("get", "serviceaccounts", "-o", "name").split() == ["serviceaccount/default"]


def test_the_controllers_die_while_a_hook_runs(tenant: Kubectl, kubectl: Kubectl) -> None:
    """The hook goes on, ends while nobody looks, and is not run again."""
    control_plane = ControlPlane(kubectl.within(HOME))
    control_plane.whole()
    once = shell("once", "echo once >>times; until [ -e go ]; do sleep 0.1; done")
    count = shell("count", '[ "$(cat times)" = once ]')
    tenant.apply(runs.run("orphan", "look", lifecycle={"preRun": [once, count], "rbac": RIGHTS}))
    eventually(
        lambda: hooks_of(tenant, "orphan")[:1] != [] and hooks_of(tenant, "orphan")[0]["state"] == "Running", "it runs", 120
    )
    job = f"run-{tenant.get('agentrun', 'orphan')['metadata']['uid']}-pre-1"
    pod = tenant("get", "pods", "-l", f"sympozium.ai/pod={job}", "-o", "jsonpath={.items[0].metadata.name}")
    for each in control_plane.pods("controller"):
        control_plane.kill(each)
    tenant("exec", pod, "--", "touch", "/workspace/go")
    status = runs.until_phase(tenant, "orphan", "Succeeded", "Failed", within=150)
    assert status["phase"] == "Succeeded", status
    assert [each["state"] for each in status["hooks"]] == ["Succeeded", "Succeeded"]
    control_plane.whole()


def test_a_policy_denies_hooks_resources_and_images(tenant: Kubectl, model: Model) -> None:
    policy = {
        "apiVersion": "sympozium.ai/v1alpha1",
        "kind": "SympoziumPolicy",
        "metadata": {"name": "careful"},
        "spec": {
            "template": "Permissive",
            "lifecyclePolicy": {"deniedResources": ["secrets"]},
            "imagePolicy": {"allowedRegistries": [images.image("skill").partition(":")[0]]},
        },
    }
    tenant.apply(policy, runs.instance(model, "careful", policy="careful"))
    rights = [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}]
    bad = {"preRun": [{"name": "look", "image": "docker.io/library/busybox:1"}], "rbac": rights}
    said = tenant.apply_refused(runs.run("bad", "look", "careful", lifecycle=bad))
    assert "policy careful denies hooks any right to secrets" in said
    assert "does not allow image 'docker.io/library/busybox:1' of hook 'look'" in said
