"""A tool call waits for a person on a real cluster: kubectl alone decides, with the rights of whoever decides."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from sympozium_core.testing.servers.script import from_data
from tests.kubernetes import runs
from tests.kubernetes.installed import HOME
from tests.kubernetes.kubectl import Kubectl, eventually
from tests.kubernetes.runs import Model

GRACE, ALICE, EVE = "grace@example.com", "alice@example.com", "eve@example.com"
CONTROLLER = "deployment/sympozium-controller"
CALL = {"name": "execute_command", "arguments": {"command": "echo approved-by-a-person"}}
CONVERSATIONS = {"conversations": [{"turns": [{"text": "I ask.", "tools": [CALL]}, {"text": "Done."}]}]}
POLICY = runs.policy("asking", requireApproval=["execute_command"])


@pytest.fixture(scope="module")
def model() -> Iterator[Model]:
    with runs.serve_model(from_data(CONVERSATIONS)) as served:
        yield served


@pytest.fixture
def tenant(sympozium: object, here: Kubectl, model: Model) -> Kubectl:
    """Alice makes runs and holds the verb; Grace has the approver's role and nothing else; Eve may write everything, and not approve."""
    here.apply(POLICY)
    runs.furnish(here, model, policy="asking")
    here("create", "rolebinding", "grace", "--clusterrole=sympozium-approver", f"--user={GRACE}")
    here("create", "rolebinding", "alice", "--clusterrole=edit", f"--user={ALICE}")
    here("create", "rolebinding", "alice-too", "--clusterrole=sympozium-approver", f"--user={ALICE}")
    rules = ["get", "list", "watch", "create", "update", "patch", "delete"]
    here(
        "create",
        "role",
        "eve",
        f"--verb={','.join(rules)}",
        "--resource=toolapprovals.sympozium.ai,toolapprovals.sympozium.ai/status",
    )
    here("create", "rolebinding", "eve", "--role=eve", f"--user={EVE}")
    return here


def ask(tenant: Kubectl, name: str) -> str:
    """A run of Alice's whose call waits; the name of its approval."""
    said = tenant.call("create", f"--as={ALICE}", "-f", "-", stdin=json.dumps(runs.run(name, "do it")))
    assert said.returncode == 0, said.stderr
    assert "this run may wait for approval of: execute_command" in said.stderr
    eventually(lambda: bool(pending(tenant, name)), f"a call of {name} waits", 90)
    return str(pending(tenant, name)[0]["metadata"]["name"])


def pending(tenant: Kubectl, name: str) -> list[dict[str, Any]]:
    items = tenant.get("toolapprovals", "-l", f"sympozium.ai/agent-run={name}")["items"]
    return [each for each in items if (each.get("status") or {}).get("phase") == "Pending"]


def decision(approval: str, value: str = "Approved", **more: Any) -> list[str]:
    change = json.dumps({"spec": {"decision": value, **more}})
    return ["patch", "toolapproval", approval, "--type", "merge", "-p", change]


def condition(tenant: Kubectl, run: str) -> str:
    conditions = runs.status(tenant, run).get("conditions") or []
    return next((each["status"] for each in conditions if each["type"] == "WaitingForApproval"), "")


def test_approved_by_who_has_the_verb(tenant: Kubectl) -> None:
    approval = ask(tenant, "work")
    eventually(lambda: condition(tenant, "work") == "True", "the run says that it waits")
    assert runs.status(tenant, "work")["phase"] == "Running"
    forged: dict[str, Any] = {
        "decidedBy": {"username": "root", "groups": ["system:masters"]},
        "decidedAt": "2001-01-01T00:00:00Z",
    }
    tenant(*decision(approval, comment="go", **forged), f"--as={GRACE}")
    status = runs.until_cleaned(tenant, "work")
    assert (status["phase"], status["result"], condition(tenant, "work")) == ("Succeeded", "Done.", "False")
    found = tenant.get("toolapproval", approval)
    assert found["status"]["phase"] == "Approved"
    assert found["spec"]["decidedBy"]["username"] == GRACE
    assert abs(datetime.fromisoformat(found["spec"]["decidedAt"]).timestamp() - time.time()) < 120
    assert "was made already" in tenant.refused(*decision(approval, "Denied"), f"--as={GRACE}")
    told = tenant("describe", "agentrun", "work")
    assert all(word in told for word in ("ApprovalRequested", "Approved", f"approved by {GRACE}: go"))
    tenant("delete", "agentrun", "work", "--timeout=60s")
    eventually(lambda: not tenant.exists("toolapproval", approval), "the question goes with its run", 60)


def test_refused_are_all_others(tenant: Kubectl) -> None:
    approval = ask(tenant, "work")
    assert "may not approve" in tenant.refused(*decision(approval), f"--as={EVE}")
    assert "asked for the run" in tenant.refused(*decision(approval), f"--as={ALICE}")
    assert "is what was asked" in tenant.refused(*decision(approval, selfApproval=True), f"--as={GRACE}")
    assert "is what was asked" in tenant.refused(*decision(approval, arguments={"command": "rm"}), f"--as={GRACE}")
    comment = ["patch", "toolapproval", approval, "--type", "merge", "-p"]
    assert "is missing" in tenant.refused(*comment, '{"spec":{"decidedBy":{"username":"grace"}}}', f"--as={GRACE}")
    status = json.dumps({"status": {"phase": "Approved"}})
    assert "only the controller" in tenant.refused(*comment, status, "--subresource=status", f"--as={EVE}")
    copied = tenant.get("toolapproval", approval)
    copied["metadata"] = {"name": "forged"}
    assert "made by the controller alone" in tenant.refused("create", f"--as={EVE}", "-f", "-", stdin=json.dumps(copied))
    tenant(*decision(approval, "Denied", comment="not today"), f"--as={GRACE}")
    assert runs.until_cleaned(tenant, "work")["phase"] == "Succeeded"


def test_the_api_server_refuses_by_itself(tenant: Kubectl, kubectl: Kubectl) -> None:
    """Without our webhooks nobody signs a decision: the policies in the API server let none through."""
    approval = ask(tenant, "work")
    kinds = ("mutatingwebhookconfiguration", "validatingwebhookconfiguration")
    kept = [kubectl.get(kind, "sympozium") for kind in kinds]
    home = kubectl.within(HOME)
    home("scale", CONTROLLER, "--replicas=0")  # which would put them back
    try:
        for kind in kinds:
            kubectl("delete", kind, "sympozium")
        eventually(
            lambda: "is not whoever makes this request" in tenant.call(*decision(approval), f"--as={GRACE}").stderr,
            "no webhook is asked",
        )
        grace = {"username": GRACE, "groups": ["system:authenticated"]}
        signed: dict[str, Any] = {"decidedBy": grace, "decidedAt": "2026-01-01T00:00:00Z"}
        alice: dict[str, Any] = {"decidedBy": {**grace, "username": ALICE}, "decidedAt": signed["decidedAt"]}
        assert "is not whoever" in tenant.refused(*decision(approval, **alice), f"--as={GRACE}")
        assert "may not decide what it does" in tenant.refused(*decision(approval, **alice), f"--as={ALICE}")
        assert "needs the verb approve" in tenant.refused(*decision(approval, **signed), f"--as={EVE}")
        copied = tenant.get("toolapproval", approval)
        copied["metadata"] = {"name": "forged"}
        assert "made by the controller alone" in tenant.refused("create", f"--as={EVE}", "-f", "-", stdin=json.dumps(copied))
    finally:
        for each in kept:
            for field in ("resourceVersion", "uid", "generation", "creationTimestamp", "managedFields"):
                each["metadata"].pop(field, None)
        kubectl.apply(*kept)
        home("scale", CONTROLLER, "--replicas=2")
        home("rollout", "status", CONTROLLER, "--timeout=120s")
    # The bridge asks the new leader again, and finds the same question.
    tenant(*decision(approval), f"--as={GRACE}")
    status = runs.until_cleaned(tenant, "work")
    assert (status["phase"], status["result"]) == ("Succeeded", "Done.")


def test_soon_after_a_decision_the_call_goes_on(tenant: Kubectl, model: Model) -> None:
    """Not a figure to hold, a bound that shows that nobody polls: see bench."""
    approval = ask(tenant, "work")
    before = len(model.server.requests)
    tenant(*decision(approval), f"--as={GRACE}")
    decided = time.monotonic()
    eventually(lambda: len(model.server.requests) > before, "the model has the result", 10)
    print(f"decision → the model is asked again: {(time.monotonic() - decided) * 1000:.0f} ms")
    runs.until_cleaned(tenant, "work")
