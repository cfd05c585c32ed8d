"""What an API server is told to ask and to check. That it does so is shown in tests/kubernetes/test_admission.py."""

from __future__ import annotations

import base64
from typing import Any

from sympozium_core import names
from sympozium_core.admission.webhook import DEADLINE
from sympozium_core.installation.admission import TIMEOUT, admission, policies, service, webhook_configurations
from sympozium_core.installation.options import Options, released_images
from sympozium_core.resources.kinds import AGENT_RUN, OURS, TOOL_APPROVAL

OPTIONS = Options("1.2.3", released_images("1.2.3"))


def configurations(ca_bundle: str = "") -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    mutating, validating = webhook_configurations(OPTIONS, service(OPTIONS, ca_bundle))
    assert (mutating["kind"], validating["kind"]) == ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration")
    assert {mutating["metadata"]["name"], validating["metadata"]["name"]} == {names.WEBHOOKS}
    return mutating["webhooks"], validating["webhooks"]


def test_every_kind_is_reviewed_in_every_namespace_and_nothing_else_is() -> None:
    """So no namespace has runs that nobody reviewed, and the webhook cannot keep anything of the cluster's own from working."""
    mutating, validating = configurations()
    assert {webhook["rules"][0]["resources"][0] for webhook in validating} == {kind.plural for kind in OURS}
    for webhook in (*mutating, *validating):
        (rule,) = webhook["rules"]
        assert rule["apiGroups"] == [names.GROUP]
        assert len(rule["resources"]) == 1
        assert "*" not in rule["resources"][0]
        assert "/" not in rule["resources"][0]
        assert "namespaceSelector" not in webhook
        assert "objectSelector" not in webhook


def test_only_new_runs_and_decisions_are_changed() -> None:
    mutating, _ = configurations()
    changed = {webhook["rules"][0]["resources"][0]: webhook["rules"][0]["operations"] for webhook in mutating}
    assert changed == {AGENT_RUN.plural: ["CREATE"], TOOL_APPROVAL.plural: ["UPDATE"]}
    assert all((webhook["reinvocationPolicy"], webhook["failurePolicy"]) == ("Never", "Fail") for webhook in mutating)


def test_what_guards_something_fails_closed_and_never_blocks_metadata() -> None:
    _, validating = configurations()
    assert {webhook["name"] for webhook in validating if webhook["failurePolicy"] == "Ignore"} == {
        "sympoziumschedules.sympozium.ai",
    }
    for webhook in validating:
        (condition,) = webhook["matchConditions"]
        assert "oldObject.spec" in condition["expression"]
        assert "metadata" not in condition["expression"]


def test_dry_runs_are_asked_about_too_and_the_webhook_answers_before_it_is_given_up() -> None:
    for webhook in (each for kind in configurations() for each in kind):
        assert webhook["sideEffects"] == "None"
        assert webhook["timeoutSeconds"] == TIMEOUT > DEADLINE


def test_whom_to_trust_is_the_controllers_to_say_unless_it_is_given() -> None:
    """A field that is not there is not taken from whoever owns it when the object is applied again."""
    bundle = base64.b64encode(b"PEM").decode()
    for given in ("", bundle):
        for webhook in (each for kind in configurations(given) for each in kind):
            config = webhook["clientConfig"]
            assert config.get("caBundle", "") == given
            assert config["service"]["name"] == names.SERVICE_WEBHOOK
            assert config["service"]["namespace"] == OPTIONS.namespace
            assert config["service"]["path"] in ("/mutate", "/validate")


def test_each_policy_is_bound_and_denies() -> None:
    objects = policies(OPTIONS)
    bound = {each["spec"]["policyName"] for each in objects if each["kind"] == "ValidatingAdmissionPolicyBinding"}
    made = {each["metadata"]["name"] for each in objects if each["kind"] == "ValidatingAdmissionPolicy"}
    assert bound == made == {"sympozium-agentruns", "sympozium-status", "sympozium-toolapprovals"}
    for each in objects:
        if "policyName" in each["spec"]:
            assert each["spec"]["validationActions"] == ["Deny"]
        else:
            assert each["spec"]["failurePolicy"] == "Fail"


def test_the_controller_of_this_installation_writes_status() -> None:
    text = str(policies(Options("1.2.3", released_images("1.2.3"), namespace="elsewhere")))
    assert "system:serviceaccount:elsewhere:sympozium-controller" in text


def test_policies_come_before_the_webhooks() -> None:
    kinds = [each["kind"] for each in admission(OPTIONS)]
    assert kinds.index("MutatingWebhookConfiguration") > max(i for i, kind in enumerate(kinds) if "Policy" in kind)
