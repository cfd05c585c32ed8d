"""What changed between two revisions, in words; the tools themselves are tried on a cluster, in ``tests/kubernetes``."""

from __future__ import annotations

from typing import Any

import pytest
from sympozium_skill_incident_response.workload import changes, trouble


def template(*containers: dict[str, Any], **spec: Any) -> dict[str, Any]:
    return {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": list(containers), **spec}}


WEB = {"name": "web", "image": "web:1", "env": [{"name": "PASSWORD", "value": "old-secret"}]}


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (template(WEB), template({**WEB, "image": "web:2"}), ["web: image web:1 -> web:2"]),
        (template(WEB), template(WEB, {"name": "proxy", "image": "p:1"}), ["container proxy is new"]),
        (template(WEB, {"name": "proxy"}), template(WEB), ["container proxy is gone"]),
        (
            template(WEB),
            template({**WEB, "env": [{"name": "PASSWORD", "value": "new-secret"}, {"name": "DEBUG", "value": "1"}]}),
            ["web: variables changed: DEBUG, PASSWORD"],
        ),
        (
            template({**WEB, "resources": {"limits": {"memory": "1Gi"}}}),
            template({**WEB, "resources": {"limits": {"memory": "128Mi", "cpu": "1"}}}),
            ["web: resources memory=1Gi -> cpu=1,memory=128Mi"],
        ),
        (template(WEB), template({**WEB, "command": ["x"], "livenessProbe": {}}), ["web: command changed", "web: livenessProbe changed"]),
        (template(WEB), template(WEB, nodeSelector={"disk": "ssd"}), ["nodeSelector changed"]),
        (template(WEB), template(WEB), ["labels or annotations of the pods changed"]),
        ({}, template(WEB), ["container web is new"]),
    ],
)  # fmt: skip
def test_what_changed_is_told_and_no_value(old: dict[str, Any], new: dict[str, Any], expected: list[str]) -> None:
    found = changes(old, new)
    assert found == expected
    assert "secret" not in " ".join(found)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ({"state": {"running": {}}}, False),
        ({"state": {"running": {}}, "lastState": {"terminated": {"exitCode": 0}}}, True),
        ({"state": {"waiting": {"reason": "CrashLoopBackOff"}}}, True),
        ({"state": {"terminated": {"exitCode": 0}}}, False),
        ({"state": {"terminated": {"exitCode": 137}}}, True),
        ({}, False),
    ],
)
def test_which_containers_are_in_trouble(status: dict[str, Any], expected: bool) -> None:
    assert trouble(status) is expected
