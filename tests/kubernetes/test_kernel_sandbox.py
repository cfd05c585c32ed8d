"""A run whose policy demands a kernel sandbox: it really has one, or it says which one is missing."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from sympozium_core.testing.servers.script import Answer, Conversation, Script, ToolCall
from tests.kubernetes import runs
from tests.kubernetes.kubectl import Kubectl, eventually
from tests.kubernetes.runs import Model

ANSWER = "There is nothing in the workspace."
SEEN = threading.Event()
"""Until then the run waits for its answer."""
LOOK = ToolCall("list_directory", '{"path": "/workspace"}')
SCRIPT = Script((Conversation((Answer(tool_calls=(LOOK,)), Answer(ANSWER, until=SEEN.is_set))),))
KERNEL_LOG = """
import ctypes
text = ctypes.create_string_buffer(65536)
length = ctypes.CDLL(None, use_errno=True).klogctl(3, text, len(text))
print(text.raw[:max(length, 0)].decode(errors="replace"))
"""
"""A container under gVisor reads gVisor's own log; another one is not allowed to read any."""


def policy(runtime_class: str) -> dict[str, Any]:
    return runs.policy("closed", template="Restrictive", sandbox={"enabled": True, "runtimeClass": runtime_class})


@pytest.fixture(scope="module")
def model() -> Iterator[Model]:
    with runs.serve_model(SCRIPT) as served:
        yield served


def test_a_restrictive_run_works_under_gvisor(sympozium: object, here: Kubectl, model: Model) -> None:
    runs.furnish(here, model, policy="closed")
    here.apply(policy("gvisor"), runs.run("sandboxed", "what is in the workspace?"))
    pod = runs.pod_of(here, "sandboxed")
    assert here.get("pod", pod)["spec"]["runtimeClassName"] == "gvisor"
    assert "gvisor" in here("exec", "-i", pod, "-c", "agent", "--", "python3", "-", stdin=KERNEL_LOG).lower()
    SEEN.set()
    status = runs.until_phase(here, "sandboxed", "Succeeded", "Failed")
    assert (status["phase"], status["output"]) == ("Succeeded", ANSWER)
    assert status["tokenUsage"]["modelCalls"] == 2


def test_a_runtime_class_that_is_missing_is_named_while_the_run_waits(sympozium: object, here: Kubectl, model: Model) -> None:
    runs.furnish(here, model, policy="closed")
    here.apply(policy("kata"), runs.run("waiting", "what is in the workspace?"))

    def said() -> str:
        status = runs.status(here, "waiting")
        assert status.get("phase", "Pending") == "Pending", status
        return " ".join(f"{each['reason']}: {each['message']}" for each in status.get("conditions") or ())

    eventually(lambda: "kata" in said(), "the run says which runtime class is missing", 30)
    here("patch", "agentrun", "waiting", "--type=merge", "-p", '{"spec":{"cancel":true}}')
    runs.until_phase(here, "waiting", "Cancelled", within=30)
