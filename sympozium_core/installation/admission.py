"""What makes an API server ask the webhook, and what it checks by itself beside it.

The webhook comes first, because it says every reason at once; it is asked where a spec changes, never about metadata, so that finalizers,
labels and owners can always be written. No selector leaves a namespace out: there would be runs in it that nobody reviewed. Objects of other
groups are none of its business, so that it cannot keep anything else of the cluster from working.

The ValidatingAdmissionPolicies are the second line. They run inside the API server and hold when the webhook, or its configuration, is gone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sympozium_core import names
from sympozium_core.contracts.builtin_kinds import (
    MUTATING_WEBHOOK,
    VALIDATING_POLICY,
    VALIDATING_POLICY_BINDING,
    VALIDATING_WEBHOOK,
)
from sympozium_core.contracts.cluster import Object, ResourceType
from sympozium_core.installation.options import Options
from sympozium_core.installation.parts import make
from sympozium_core.resources.kinds import (
    AGENT_RUN,
    MCP_SERVER,
    PERSONA_PACK,
    SKILL_PACK,
    SYMPOZIUM_INSTANCE,
    SYMPOZIUM_POLICY,
    SYMPOZIUM_SCHEDULE,
    TOOL_APPROVAL,
)

COMPONENT = "admission"
TIMEOUT = 10
"""Seconds that an API server waits; the webhook itself gives up earlier, and says so."""

CLOSED = (SYMPOZIUM_INSTANCE, SKILL_PACK, PERSONA_PACK, MCP_SERVER, SYMPOZIUM_POLICY, TOOL_APPROVAL)
"""Kinds whose review guards Secrets, rights, what a policy forbids, or who has decided: no webhook, no write."""
OPEN = (SYMPOZIUM_SCHEDULE,)
"""Kinds whose review only explains what is wrong with an object. What it would refuse acts on nothing."""

_SPEC_CHANGED = "request.operation == 'CREATE' || object.spec != oldObject.spec"
_NEW, _OLD = "dyn(object.spec)", "dyn(oldObject.spec)"


def _differs(but: Sequence[str]) -> str:
    """CEL: a field of the spec was added, changed or removed that is not one of `but`."""
    others = ", ".join(f"'{name}'" for name in but)
    changed = f"{_NEW}.exists(k, !(k in [{others}]) && !(k in {_OLD} && {_OLD}[k] == {_NEW}[k]))"
    removed = f"{_OLD}.exists(k, !(k in [{others}]) && !(k in {_NEW}))"
    return f"{changed} || {removed}"


_RUN_CHANGED = _differs(["cancel"])
_CANCEL_TAKEN_BACK = "has(oldObject.spec.cancel) && oldObject.spec.cancel && !(has(object.spec.cancel) && object.spec.cancel)"
_ANSWER = ("decision", "comment", "decidedBy", "decidedAt")
"""The fields of a ToolApproval that a decider writes; the rest is the question."""

ClientConfig = Callable[[str], Object]
"""From the path of an endpoint to the `clientConfig` that reaches it."""


def admission(options: Options) -> list[Object]:
    """Everything, policies first."""
    return [*policies(options), *webhook_configurations(options, service(options))]


def service(options: Options, ca_bundle: str = "") -> ClientConfig:
    """The webhook behind its Service. Without `ca_bundle` (base64 of PEM) the field stays the controller's, which renews it."""

    def config(path: str) -> Object:
        reference = {"name": names.SERVICE_WEBHOOK, "namespace": options.namespace, "path": path, "port": 443}
        return {"service": reference, **({"caBundle": ca_bundle} if ca_bundle else {})}

    return config


def webhook_configurations(options: Options, client_config: ClientConfig) -> list[Object]:
    run_made = _webhook(AGENT_RUN, ["CREATE"], client_config("/mutate"), fails_closed=True)
    answered = _webhook(TOOL_APPROVAL, ["UPDATE"], client_config("/mutate"), fails_closed=True)
    answered["matchConditions"] = [_condition("spec-changed", "object.spec != oldObject.spec")]
    mutating = [{**webhook, "reinvocationPolicy": "Never"} for webhook in (run_made, answered)]
    run = _webhook(AGENT_RUN, ["CREATE", "UPDATE"], client_config("/validate"), fails_closed=True)
    changed = f"request.operation == 'CREATE' || {_RUN_CHANGED} || ({_CANCEL_TAKEN_BACK})"
    run["matchConditions"] = [_condition("spec-changed-beyond-cancel", changed)]
    validating = [run]
    for kind in (*CLOSED, *OPEN):
        webhook = _webhook(kind, ["CREATE", "UPDATE"], client_config("/validate"), fails_closed=kind in CLOSED)
        validating.append({**webhook, "matchConditions": [_condition("spec-changed", _SPEC_CHANGED)]})
    return [
        # No second call when another webhook comes after: what that one overwrites is refused, not mended in silence.
        make(options, MUTATING_WEBHOOK, names.WEBHOOKS, COMPONENT, {"webhooks": mutating}),
        make(options, VALIDATING_WEBHOOK, names.WEBHOOKS, COMPONENT, {"webhooks": validating}),
    ]


def policies(options: Options) -> list[Object]:
    """Each with its binding."""
    found = []
    for name, rules, validations in (
        ("sympozium-agentruns", _rules([AGENT_RUN.plural], ["CREATE", "UPDATE"]), _run_validations()),
        ("sympozium-status", _rules(["*/status"], ["UPDATE"]), [_status_validation(options)]),
        ("sympozium-toolapprovals", _rules([TOOL_APPROVAL.plural], ["CREATE", "UPDATE"]), _approval_validations(options)),
    ):
        # With the API server's defaults: this is one field, and who applies it as well must find it equal to what is stored.
        matched = {"matchPolicy": "Equivalent", "namespaceSelector": {}, "objectSelector": {}, "resourceRules": rules}
        spec = {"failurePolicy": "Fail", "matchConstraints": matched, "validations": validations}
        binding = {"policyName": name, "validationActions": ["Deny"]}
        found.append(make(options, VALIDATING_POLICY, name, COMPONENT, {"spec": spec}))
        found.append(make(options, VALIDATING_POLICY_BINDING, name, COMPONENT, {"spec": binding}))
    return found


def _webhook(kind: ResourceType, operations: Sequence[str], client_config: Object, *, fails_closed: bool) -> Object:
    return {
        "name": kind.resource,
        "clientConfig": client_config,
        "rules": _rules([kind.plural], operations),
        "failurePolicy": "Fail" if fails_closed else "Ignore",
        "matchPolicy": "Equivalent",
        "sideEffects": "None",
        "timeoutSeconds": TIMEOUT,
        "admissionReviewVersions": ["v1"],
    }


def _rules(resources: Sequence[str], operations: Sequence[str]) -> list[Object]:
    return [
        {
            "apiGroups": [names.GROUP],
            "apiVersions": ["*"],
            "operations": list(operations),
            "resources": list(resources),
            "scope": "Namespaced",
        }
    ]


def _condition(name: str, expression: str) -> Object:
    return {"name": name, "expression": expression}


def _validation(expression: str, message: str) -> Object:
    return {"expression": expression, "message": message, "reason": "Forbidden"}


def _run_validations() -> list[Object]:
    requester = "object.spec.requestedBy"
    same_groups = (
        f"(has({requester}.groups) ? {requester}.groups : []) == (has(request.userInfo.groups) ? request.userInfo.groups : [])"
    )
    return [
        _validation(
            f"request.operation == 'CREATE' || !({_RUN_CHANGED})",
            "nothing of spec but cancel can be changed after the run was created; create another run",
        ),
        _validation(
            f"request.operation == 'CREATE' || !({_CANCEL_TAKEN_BACK})",
            "spec.cancel cannot be taken back; create another run",
        ),
        _validation(
            f"request.operation != 'CREATE' || (has({requester}) && {requester}.username == request.userInfo.username"
            f" && {same_groups})",
            "spec.requestedBy is not whoever makes this request; Sympozium's webhook sets it, so it was not asked, or overwritten:"
            f" kubectl get mutatingwebhookconfigurations {names.WEBHOOKS}",
        ),
    ]


def _controller(options: Options) -> str:
    return f"system:serviceaccount:{options.namespace}:{names.ACCOUNT_CONTROLLER}"


def _status_validation(options: Options) -> Object:
    controller = _controller(options)
    return _validation(
        f"request.userInfo.username == '{controller}'",
        f"only the controller ({controller}) may write a status; set spec.cancel to stop a run",
    )


def _approval_validations(options: Options) -> list[Object]:
    answered = ", ".join(f"'{name}'" for name in _ANSWER)
    # On a CREATE there is no old object: a field that is there makes the first half true before the second is looked at.
    answer_changed = (
        f"[{answered}].exists(k, (k in {_NEW}) != (oldObject != null && k in {_OLD})"
        f" || (k in {_NEW} && {_NEW}[k] != {_OLD}[k]))"
    )
    approves = (
        f"authorizer.group('{names.GROUP}').resource('{TOOL_APPROVAL.plural}').namespace(request.namespace)"
        ".name(request.name).check('approve').allowed()"
    )
    return [
        _validation(
            f"request.operation != 'CREATE' || request.userInfo.username == '{_controller(options)}'",
            "a ToolApproval is made by the controller alone, when a call needs one",
        ),
        _validation(f"!({answer_changed}) || {approves}", f"deciding needs the verb approve on {TOOL_APPROVAL.resource}"),
        _validation(
            f"request.operation == 'CREATE' || !({_differs(_ANSWER)})", "what is asked cannot be changed, only be answered"
        ),
        _validation(
            f"request.operation == 'CREATE' || !has(oldObject.spec.decision) || !({answer_changed})",
            "spec.decision was made already and stands",
        ),
        _validation(
            f"request.operation == 'CREATE' || !({answer_changed}) || !has(oldObject.status) || !has(oldObject.status.phase)"
            f" || oldObject.status.phase == '{names.ApprovalPhase.PENDING}'",
            "the time to decide is over",
        ),
        *_decider_validations(answer_changed),
    ]


def _decider_validations(answer_changed: str) -> list[Object]:
    """Who has decided is who makes the request, and is not who asked for the run."""
    decider = "object.spec.decidedBy"
    same_groups = (
        f"(has({decider}.groups) ? {decider}.groups : []) == (has(request.userInfo.groups) ? request.userInfo.groups : [])"
    )
    unchanged = f"request.operation == 'CREATE' || !({answer_changed}) || has(oldObject.spec.decision)"
    return [
        _validation(
            f"{unchanged} || (has(object.spec.decision) && has(object.spec.decidedAt) && has({decider})"
            f" && {decider}.username == request.userInfo.username && {same_groups})",
            "spec.decidedBy is not whoever makes this request; Sympozium's webhook sets it, so it was not asked, or overwritten:"
            f" kubectl get mutatingwebhookconfigurations {names.WEBHOOKS}",
        ),
        _validation(
            f"{unchanged} || (has(oldObject.spec.selfApproval) && oldObject.spec.selfApproval)"
            " || !has(oldObject.spec.requestedBy) || oldObject.spec.requestedBy.username != request.userInfo.username",
            "whoever asked for the run may not decide what it does, unless the policy says allowSelfApproval",
        ),
    ]
