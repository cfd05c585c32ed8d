"""Whether the control plane's accounts have the rights that they need, as the API server sees it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from sympozium_core.contracts.builtin_kinds import SUBJECT_ACCESS_REVIEW
from sympozium_core.contracts.cluster import Object
from sympozium_core.installation import rights
from sympozium_core.installation.rbac import account
from sympozium_core.installation.rights import Right
from sympozium_core.installer.doctor.findings import Finding, Subject, fail, passed

AT_ONCE = 16
SHOWN = 6


async def accounts(subject: Subject) -> list[Finding]:
    found = []
    for component in (rights.CONTROLLER, rights.GATEWAY, rights.WEBHOOK):
        missing = await _missing(subject, component)
        if missing:
            shown = missing[:SHOWN] + ([f"and {len(missing) - SHOWN} more"] if len(missing) > SHOWN else [])
            todo = "sympozium upgrade puts roles and bindings right; something else may deny it: a webhook, another authorizer"
            found += fail(f"ServiceAccount {account(component)} lacks rights", todo, *shown)
    return found or passed("the control plane has the rights that it needs")


async def _missing(subject: Subject, component: str) -> list[str]:
    questions = [
        *_questions(rights.EVERYWHERE.get(component, ()), ""),
        *_questions(rights.AT_HOME.get(component, ()), subject.namespace),
    ]
    line = asyncio.Semaphore(AT_ONCE)

    async def ask(attributes: Object) -> bool:
        async with line:
            return await _may(subject, component, attributes)

    answers = await asyncio.gather(*(ask(attributes) for attributes in questions))
    return [_words(attributes) for attributes, may in zip(questions, answers, strict=True) if not may]


def _questions(found: tuple[Right, ...], namespace: str) -> Iterator[Object]:
    for right in found:
        for resource in right.resources:
            plural, _, part = resource.partition("/")
            for verb in right.verbs:
                for name in right.names or ("",):
                    asked = {"group": right.group, "resource": plural, "subresource": part, "verb": verb, "name": name}
                    yield {key: value for key, value in {**asked, "namespace": namespace}.items() if value}


async def _may(subject: Subject, component: str, attributes: Object) -> bool:
    groups = ["system:serviceaccounts", f"system:serviceaccounts:{subject.namespace}", "system:authenticated"]
    user = f"system:serviceaccount:{subject.namespace}:{account(component)}"
    spec = {"user": user, "groups": groups, "resourceAttributes": attributes}
    answer = await subject.cluster.create(SUBJECT_ACCESS_REVIEW, {"spec": spec})
    return (answer.get("status") or {}).get("allowed") is True


def _words(attributes: Object) -> str:
    resource = attributes["resource"] + (f"/{attributes['subresource']}" if "subresource" in attributes else "")
    group = f".{attributes['group']}" if "group" in attributes else ""
    return f"{attributes['verb']} {resource}{group}" + (f" {attributes['name']}" if "name" in attributes else "")
