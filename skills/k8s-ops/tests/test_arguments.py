"""What a model gives becomes words of a command line only as what it is said to be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sympozium_core.testing.tool_client import ToolClient


@pytest.mark.parametrize(
    ("tool", "arguments", "says"),
    [
        ("k8s_get", {"kind": "--kubeconfig=/tmp/x"}, "kind"),
        ("k8s_get", {"kind": "pods", "name": "-w"}, "name"),
        ("k8s_get", {"kind": "pods", "name": "web", "all_namespaces": True}, "not both"),
        ("k8s_get", {"kind": "pods", "namespace": "a b"}, "namespace"),
        ("k8s_get", {"kind": "pods", "selector": "a=b --server=x\n"}, "selector"),
        ("k8s_describe", {"kind": "pod/web", "name": "x"}, "kind"),
        ("k8s_logs", {"pod": "web", "lines": 0}, "1 to 2000"),
        ("k8s_logs", {"pod": "web", "since": "yesterday"}, "15m"),
        ("k8s_logs", {"pod": "web", "container": "--all"}, "container"),
        ("k8s_events", {"about": "web"}, "kind and name"),
        ("k8s_top", {"of": "secrets"}, "one of pods, nodes"),
        ("k8s_apply", {"manifest": " "}, "give YAML"),
        ("k8s_scale", {"kind": "deployment", "name": "web", "replicas": -1}, "0 to 1000"),
        ("k8s_scale", {"kind": "pod", "name": "web", "replicas": 1}, "one of deployment"),
        ("k8s_rollout", {"action": "restart", "kind": "deployment", "name": "web", "revision": 2}, "undo"),
        ("k8s_delete", {"kind": "pods", "name": "web --all"}, "name"),
        ("k8s_exec", {"pod": "web", "command": []}, "1 to 64"),
        ("k8s_exec", {"pod": "web", "command": "ls"}, "type array"),
    ],
)
def test_what_does_not_fit_is_refused(
    serve: Callable[..., ToolClient], tool: str, arguments: dict[str, Any], says: str
) -> None:
    assert says in serve(PATH="/nowhere").refused(tool, **arguments)


def test_without_kubectl_the_image_is_named(serve: Callable[..., ToolClient]) -> None:
    assert "sympozium-skill-kubectl" in serve(PATH="/nowhere").refused("k8s_get", kind="pods")
