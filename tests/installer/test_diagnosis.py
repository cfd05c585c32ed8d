from __future__ import annotations

from typing import Any

import pytest

from sympozium_core.installer.diagnosis import pod_reasons

CASES: list[tuple[dict[str, Any], str]] = [
    ({"containerStatuses": [{"state": {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}}]}, "ImagePullBackOff: no such image"),
    ({"initContainerStatuses": [{"state": {"waiting": {"reason": "CrashLoopBackOff"}}}]}, "CrashLoopBackOff"),
    (
        {"containerStatuses": [{"state": {"running": {}}, "lastState": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}}]},
        "ended with 137 (OOMKilled)",
    ),
    (
        {"conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes are available"}]},
        "Unschedulable: 0/3 nodes are available",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("status", "said"), CASES)
def test_why_a_pod_is_not_ready(status: dict[str, Any], said: str) -> None:
    assert pod_reasons({"metadata": {"name": "p"}, "status": status}) == [f"pod p: {said}"]


@pytest.mark.parametrize("reason", ["ContainerCreating", "PodInitializing"])
def test_what_only_takes_its_time_is_no_reason(reason: str) -> None:
    status = {"containerStatuses": [{"state": {"waiting": {"reason": reason}}}]}
    assert pod_reasons({"metadata": {"name": "p"}, "status": status}) == []
