"""Admission on a real API server: the webhook that it asks over a Service, the policies that it checks itself, and who may write what."""

from __future__ import annotations

import json
import signal
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from cryptography import x509

from sympozium_core import names
from sympozium_core.cluster.client import ClusterClient
from sympozium_core.resources.kinds import AGENT_RUN
from tests.kubernetes import foreign_webhook
from tests.kubernetes.admission import (
    ALICE,
    GUARDED,
    HOUR,
    NODE_ADDRESS,
    REVIEWED,
    NewNamespace,
    Webhook,
    instance,
    patch,
    refused,
    resource,
    run,
    served_webhook,
    tenants,
    write,
)
from tests.kubernetes.kubectl import Kubectl, eventually
from tests.kubernetes.machine.layout import Layout

DEV = "--as-group=dev"
Object = dict[str, Any]


@pytest.fixture(scope="module")
def webhook(kubectl: Kubectl, cluster: Layout, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Webhook]:
    """`cluster`: the API server is beside this process, so that it can reach it."""
    with served_webhook(kubectl, tmp_path_factory.mktemp("webhook")) as served:
        yield served


@pytest.fixture
def namespaces(kubectl: Kubectl, webhook: Webhook) -> Iterator[NewNamespace]:
    with tenants(kubectl, webhook) as make:
        yield make


@pytest.fixture
def tenant(namespaces: NewNamespace) -> Kubectl:
    """As an installation has it: reviewed and guarded."""
    return namespaces(REVIEWED, GUARDED)


def as_controller(webhook: Webhook, tenant: Kubectl, status: Object) -> None:
    async def write(client: ClusterClient) -> None:
        await client.patch(AGENT_RUN, tenant.namespace, "run", {"status": status}, subresource="status")

    webhook.as_controller(write)


def test_a_run_is_stamped_with_who_makes_it(tenant: Kubectl) -> None:
    write(tenant, instance(), ALICE)
    write(tenant, run(requestedBy={"username": "root", "groups": ["system:masters"]}), ALICE, DEV)
    stored = tenant.get("agentrun", "run")
    assert stored["spec"]["requestedBy"] == {"username": "alice", "groups": ["dev", "system:authenticated"]}
    assert stored["metadata"]["finalizers"] == [names.FINALIZER_RUN]
    assert stored["metadata"]["labels"] == {names.LABEL_INSTANCE: "agent"}


def test_every_reason_is_said_at_once_and_nothing_is_stored(tenant: Kubectl) -> None:
    strict = {
        "modelPolicy": {"allowedModels": ["claude*"]},
        "toolGating": {"defaultAction": "deny"},
        "subagentPolicy": {"maxDepth": 1},
        "sandboxPolicy": {"maxMemory": "1Gi"},
    }
    write(tenant, resource("SympoziumPolicy", "strict", strict))
    write(tenant, instance(policy="strict"))
    against_policy = run(
        toolPolicy={"allow": ["execute_command", "read_file"]},
        parent={"runName": "other", "sessionKey": "s", "spawnDepth": 5},
        sandbox={"enabled": True, "resources": {"limits": {"memory": "4Gi"}}},
    )
    said = refused(tenant, against_policy)
    assert 'admission webhook "agentruns.sympozium.ai" denied the request' in said
    for words in ("gpt-4o", "toolPolicy.allow[0]", "toolPolicy.allow[1]", "spawnDepth", "4Gi", "maxMemory 1Gi"):
        assert words in said
    malformed = refused(tenant, run(timeout="soon", env={"1x": "a"}))
    assert 'The AgentRun "run" is invalid' in malformed
    for words in ("* spec.timeout: 'soon' is no duration", "* spec.env['1x']"):
        assert words in malformed
    assert not tenant.exists("agentruns")


def test_warnings_reach_the_terminal(tenant: Kubectl) -> None:
    done = tenant.call("apply", "-f", "-", stdin=json.dumps(instance(policy="nowhere", skills=["no-such-skill"])))
    assert done.returncode == 0
    assert "Warning: spec.policyRef: there is no policy 'nowhere' yet" in done.stderr
    assert "Warning: there is no skill 'no-such-skill' yet" in done.stderr


def test_a_dry_run_is_decided_alike_and_stores_nothing(tenant: Kubectl) -> None:
    write(tenant, instance())
    shown = json.loads(tenant("create", "--dry-run=server", "-o", "json", "-f", "-", ALICE, stdin=json.dumps(run())))
    assert shown["spec"]["requestedBy"]["username"] == "alice"
    assert "no SympoziumInstance" in refused(tenant, run(instanceRef="nobody"), "--dry-run=server")
    assert not tenant.exists("agentruns")


def test_a_status_is_the_controllers_alone(tenant: Kubectl, webhook: Webhook) -> None:
    write(tenant, instance())
    write(tenant, {**run(), "status": {"phase": "Succeeded", "result": "forged"}}, ALICE)
    assert "status" not in tenant.get("agentrun", "run")
    forged = {"status": {"phase": "Succeeded", "result": "forged"}}
    for kind, name, flags in (("agentrun", "run", ()), ("agentrun", "run", (ALICE,)), ("sympoziuminstance", "agent", ())):
        said = tenant.refused(*patch(kind, name, forged, "--subresource=status", *flags))
        assert f"only the controller ({webhook.controller}) may write a status" in said
    assert "status" not in tenant.get("agentrun", "run")
    as_controller(webhook, tenant, {"phase": "Running"})
    assert tenant.get("agentrun", "run")["status"]["phase"] == "Running"


def test_a_spec_stands_but_for_cancel(tenant: Kubectl) -> None:
    write(tenant, instance())
    write(tenant, run())
    for change in ({"task": "x"}, {"timeout": "1h"}, {"requestedBy": {"username": "root"}}, {"requestedBy": None}):
        tenant.refused(*patch("agentrun", "run", {"spec": change}))
    tenant(*patch("agentrun", "run", {"metadata": {"labels": {"a": "b"}}}))
    tenant(*patch("agentrun", "run", {"spec": {"cancel": True}}))
    tenant.refused(*patch("agentrun", "run", {"spec": {"cancel": False}}))


@pytest.mark.parametrize(
    ("which", "words"),
    [(REVIEWED, "spec.requestedBy.username: was changed or removed after"), (GUARDED, "spec.requestedBy is not whoever makes")],
)
def test_another_webhook_that_forges_the_requester_is_found_out(
    namespaces: NewNamespace, webhook: Webhook, which: str, words: str
) -> None:
    """By our webhook without the policies, and by the policies without our webhook."""
    tenant = namespaces(which)
    write(tenant, instance())
    forgery = [{"op": "add", "path": "/spec/requestedBy", "value": {"username": "root", "groups": ["system:masters"]}}]

    def said() -> str:
        return tenant.call("create", "-f", "-", "--dry-run=server", stdin=json.dumps(run())).stderr

    with foreign_webhook.served(webhook, tenant.namespace, forgery):
        eventually(lambda: words in said(), words)
    assert not tenant.exists("agentruns")


def test_without_a_webhook_nothing_is_admitted_and_everything_can_end(tenant: Kubectl, webhook: Webhook) -> None:
    """Fail closed for what guards something; finalizers, metadata, cancel and deletion never wait for a webhook."""
    write(tenant, instance())
    write(tenant, run())
    assert webhook.stop(signal.SIGKILL) == -signal.SIGKILL
    try:
        for obj in (run("late"), instance("late"), resource("SkillPack", "late", {"skills": []})):
            assert "failed calling webhook" in refused(tenant, obj)
        assert "failed calling webhook" in tenant.refused(*patch("sympoziuminstance", "agent", {"spec": {"systemPrompt": "x"}}))
        schedule = {"instanceRef": "agent", "schedule": "0 9 * * *", "task": "x"}
        write(tenant, resource("SympoziumSchedule", "daily", schedule))
        tenant(*patch("agentrun", "run", {"metadata": {"annotations": {"a": "b"}}}))
        tenant(*patch("sympoziuminstance", "agent", {"metadata": {"labels": {"a": "b"}}}))
        tenant(*patch("agentrun", "run", {"spec": {"cancel": True}}))
        as_controller(webhook, tenant, {"phase": "Cancelled"})
        tenant("delete", "agentrun", "run", "--wait=false")
        tenant(*patch("agentrun", "run", {"metadata": {"finalizers": None}}))
        assert not tenant.exists("agentrun", "run")
        tenant("delete", "sympoziuminstance", "agent")
    finally:
        webhook.start()
    eventually(lambda: tenant.call("apply", "-f", "-", stdin=json.dumps(instance())).returncode == 0, "the webhook is back")


def test_a_webhook_that_ends_in_good_order_loses_nothing(tenant: Kubectl, webhook: Webhook) -> None:
    """It serves on for a while after SIGTERM: requests that are still sent there are answered."""
    write(tenant, instance())
    assert webhook.process is not None
    webhook.process.send_signal(signal.SIGTERM)
    write(tenant, run("last"))
    assert webhook.process.poll() is None
    assert webhook.process.wait(30) == 0
    webhook.start()


def test_policies_alone_refuse_what_was_never_reviewed(namespaces: NewNamespace) -> None:
    tenant = namespaces(GUARDED)
    assert "spec.requestedBy is not whoever makes this request" in refused(tenant, run(), ALICE)
    forged = {"username": "root", "groups": ["system:masters"]}
    assert "spec.requestedBy is not whoever" in refused(tenant, run(requestedBy=forged), ALICE)
    more = {"username": "alice", "groups": ["system:authenticated", "system:masters"]}
    assert "spec.requestedBy is not whoever" in refused(tenant, run(requestedBy=more), ALICE)
    write(tenant, run(requestedBy={"username": "alice", "groups": ["system:authenticated"]}), ALICE)


def test_a_decision_needs_the_verb_approve(namespaces: NewNamespace, webhook: Webhook) -> None:
    tenant = namespaces(GUARDED)
    tenant("create", "role", "approver", "--verb=approve", "--resource=toolapprovals.sympozium.ai")
    tenant("create", "rolebinding", "approver", "--role=approver", "--user=bob")
    question = {"runRef": "run", "runUID": "1", "call": "c", "tool": "execute_command", "arguments": {"command": "ls"}}
    write(tenant, resource("ToolApproval", "ask", question), f"--as={webhook.controller}", "--as-group=system:masters")
    assert "made by the controller alone" in refused(tenant, resource("ToolApproval", "ready", question), ALICE)
    for change in ({"decision": "Approved"}, {"decision": "Denied", "comment": "no"}, {"decidedBy": {"username": "bob"}}):
        assert "needs the verb approve" in tenant.refused(*patch("toolapproval", "ask", {"spec": change}, ALICE))
    tenant(*patch("toolapproval", "ask", {"metadata": {"labels": {"a": "b"}}}, ALICE))
    bob = {"username": "bob", "groups": ["system:authenticated"]}
    answer = {"decision": "Denied", "decidedBy": bob, "decidedAt": "2026-01-01T00:00:00Z"}
    eventually(
        lambda: tenant.call(*patch("toolapproval", "ask", {"spec": answer}, "--as=bob")).returncode == 0,
        "bob decides",
    )
    tenant.refused(*patch("toolapproval", "ask", {"spec": {"decision": "Approved"}}, "--as=bob"))


@contextmanager
def without_schema(kubectl: Kubectl, webhook: Webhook, kind: str, plural: str) -> Iterator[str]:
    """A group of its own in which the kind has no schema, guarded by a copy of its policy. Definitions have rules of their own, which come first.

    Yields the group.
    """
    group = f"{webhook.id}.sympozium.test"
    version = {
        **{"name": "v1alpha1", "served": True, "storage": True},
        "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
    }
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {"group": group, "names": {"kind": kind, "plural": plural}, "scope": "Namespaced", "versions": [version]},
    }
    policy, copied = f"sympozium-{plural}-{webhook.id}", f"sympozium-loose-{plural}-{webhook.id}"
    kinds = ("validatingadmissionpolicy", "validatingadmissionpolicybinding")
    copies = []
    for found in (kubectl.get(each, policy) for each in kinds):
        found["metadata"] = {"name": copied, "labels": found["metadata"]["labels"]}
        found.pop("status", None)
        text = json.dumps(found).replace(f'"{names.GROUP}"', f'"{group}"').replace(f"'{names.GROUP}'", f"'{group}'")
        copies.append(json.loads(text.replace(f'"{policy}"', f'"{copied}"')))
    kubectl.apply(definition)
    try:
        kubectl.wait("condition=Established", f"crd/{plural}.{group}")
        kubectl.apply(*copies)
        yield group
    finally:
        kubectl("delete", ",".join(kinds), copied)
        kubectl("delete", "crd", f"{plural}.{group}", "--wait=false")


def test_the_policies_keep_a_runs_spec_by_themselves(kubectl: Kubectl, webhook: Webhook, namespaces: NewNamespace) -> None:
    tenant = namespaces(GUARDED)
    with without_schema(kubectl, webhook, "AgentRun", "agentruns") as group:
        me = {"username": "admin", "groups": ["system:masters", "system:authenticated"]}
        bare = {"apiVersion": f"{group}/v1alpha1", "kind": "AgentRun", "metadata": {"name": "run"}}
        forged = json.dumps({**bare, "spec": {"task": "x", "requestedBy": {"username": "root"}}})
        eventually(
            lambda: "is not whoever" in tenant.call("create", "--dry-run=server", "-f", "-", stdin=forged).stderr,
            "the copy of the policy holds",
        )
        write(tenant, {**bare, "spec": {"task": "x", "list": [1, {"a": 2}], "requestedBy": me}})
        kind = f"agentruns.{group}"
        changes: list[Object] = [
            {"task": "y"},
            {"more": 1},
            {"task": None},
            {"list": [1, {"a": 3}]},
            {"requestedBy": {"username": "x"}},
            {"requestedBy": None},
            {"cancel": True, "task": "z"},
        ]
        for change in changes:
            assert "nothing of spec but cancel" in tenant.refused(*patch(kind, "run", {"spec": change}))
        tenant(*patch(kind, "run", {"metadata": {"finalizers": ["a.example.com/b"]}}))
        tenant(*patch(kind, "run", {"spec": {"cancel": False}}))
        tenant(*patch(kind, "run", {"spec": {"cancel": True}}))
        for value in (False, None):
            assert "cannot be taken back" in tenant.refused(*patch(kind, "run", {"spec": {"cancel": value}}))
        tenant(*patch(kind, "run", {"metadata": {"finalizers": None}}))


def test_the_policies_keep_a_question_by_themselves(kubectl: Kubectl, webhook: Webhook, namespaces: NewNamespace) -> None:
    tenant = namespaces(GUARDED)
    with without_schema(kubectl, webhook, "ToolApproval", "toolapprovals") as group:
        bare = {"apiVersion": f"{group}/v1alpha1", "kind": "ToolApproval", "metadata": {"name": "ask"}}
        kind = f"toolapprovals.{group}"
        asked = {**bare, "spec": {"tool": "execute_command", "arguments": {"command": "ls"}}}

        def by_hand() -> str:
            return tenant.call("create", "--dry-run=server", "-f", "-", stdin=json.dumps(asked)).stderr

        eventually(lambda: "is made by the controller alone" in by_hand(), "the copy of the policy holds for new ones")
        by_controller = f"--as={webhook.controller}"
        tenant("create", "-f", "-", by_controller, "--as-group=system:masters", stdin=json.dumps(asked))

        def said(change: Object) -> str:
            return tenant.call(*patch(kind, "ask", {"spec": change}, "--dry-run=server")).stderr

        eventually(lambda: "what is asked cannot be changed" in said({"tool": "x"}), "the copy of the policy holds")
        for change in ({"arguments": {"command": "rm"}}, {"more": 1}, {"tool": "x", "decision": "Approved"}):
            assert "what is asked cannot be changed" in said(change)
        me = {"username": "admin", "groups": ["system:masters", "system:authenticated"]}
        answer: Object = {"decision": "Denied", "comment": "no", "decidedBy": me, "decidedAt": "2026-01-01T00:00:00Z"}
        for beside in ({}, {"decidedBy": {**me, "username": "root"}}, {"decidedAt": None}, {"decision": None}):
            assert "is not whoever makes this request" in said({**answer, "decidedBy": None, **beside})
        tenant(*patch(kind, "ask", {"spec": answer}))
        for value in ("Approved", None):
            assert "was made already and stands" in said({"decision": value})


def test_the_api_server_finds_nothing_wrong_with_the_policies(kubectl: Kubectl, webhook: Webhook) -> None:
    def checked() -> bool:
        found = kubectl.get("validatingadmissionpolicies", "-l", f"sympozium.test/id={webhook.id}")["items"]
        return len(found) == 3 and all("typeChecking" in (each.get("status") or {}) for each in found)

    eventually(checked, "the API server has checked the types of the expressions")
    for each in kubectl.get("validatingadmissionpolicies", "-l", f"sympozium.test/id={webhook.id}")["items"]:
        assert each["status"]["typeChecking"] == {}


def test_certificates_rotate_while_kubectl_goes_on(tenant: Kubectl, kubectl: Kubectl, webhook: Webhook) -> None:
    """The certificate that is served was made two months ago; the controller renews it, kubelet brings the files."""
    write(tenant, instance())
    before = served_serial(webhook)
    failed: list[str] = []
    calls: list[float] = []
    stop = threading.Event()

    def go_on() -> None:
        while not stop.is_set():
            done = tenant.call("create", "--dry-run=server", "-f", "-", stdin=json.dumps(run()))
            calls.append(time.monotonic())
            if done.returncode:
                failed.append(done.stderr)

    def ten_more() -> None:
        goal = len(calls) + 10
        eventually(lambda: len(calls) >= goal, "kubectl goes on", 60)

    thread = threading.Thread(target=go_on)
    thread.start()
    try:
        ten_more()
        webhook.ensure()
        renewed = serial(webhook.mount())
        ten_more()
        assert served_serial(webhook) == renewed != before
        webhook.ensure(ago=-2 * HOUR)  # when the next authority is introduced: API servers connect anew, and verify by either
        assert kubectl.get("secret", names.SECRET_AUTHORITY, "-n", webhook.system)["data"].keys() >= {"next.crt", "next.key"}
        assert serial(webhook.mount()) == renewed
        ten_more()
    finally:
        stop.set()
        thread.join()
    assert failed == []
    assert "the certificate was exchanged" in webhook.log
    assert "PRIVATE KEY" not in webhook.log


def serial(pem: bytes) -> int:
    return x509.load_pem_x509_certificate(pem).serial_number


def served_serial(webhook: Webhook) -> int:
    return serial(ssl.get_server_certificate((NODE_ADDRESS, webhook.port)).encode())
