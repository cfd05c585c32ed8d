"""Instances and runs on a cluster, as the seeds' user makes them with kubectl; and a model server that pods reach on the node's address."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sympozium_core.testing.servers.openai import OpenAIServer
from sympozium_core.testing.servers.script import Script
from tests.kubernetes.kubectl import Kubectl, eventually

NODE_ADDRESS = "10.244.0.1"
KEY = "sk-cluster-4fd1c0ffee-never-in-clear"
SECRET = "openai-secret"
POLICY = "tests"


@dataclass(frozen=True)
class Model:
    """A strict server of OpenAI's wire format, in a thread of the tests' own."""

    server: OpenAIServer
    base_url: str


@contextmanager
def serve_model(script: Script, kind: type[OpenAIServer] = OpenAIServer) -> Iterator[Model]:
    server = kind(key=KEY, model="gpt-4o", script=script)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    asyncio.run_coroutine_threadsafe(server.start(0, NODE_ADDRESS), loop).result(10)
    try:
        yield Model(server, f"http://{NODE_ADDRESS}:{server.port}/v1")
    finally:
        asyncio.run_coroutine_threadsafe(server.stop(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


def instance(model: Model, name: str = "my-first-agent", **spec: Any) -> dict[str, Any]:
    """The seeds' instance; its model is served here."""
    provider = {"name": "openai", "model": "gpt-4o", "apiKeySecret": SECRET, "baseURL": model.base_url}
    prompt = "You are a helpful assistant running on Kubernetes.\nAnswer questions clearly and concisely.\n"
    return {
        "apiVersion": "sympozium.ai/v1alpha1",
        "kind": "SympoziumInstance",
        "metadata": {"name": name},
        "spec": {"provider": provider, "systemPrompt": prompt, "policy": POLICY, **spec},
    }


def policy(name: str = POLICY, **spec: Any) -> dict[str, Any]:
    """A policy that allows everything, and lets models be asked on the node's address."""
    private = {"template": "Permissive", "modelPolicy": {"allowedPrivate": [NODE_ADDRESS]}}
    return {
        "apiVersion": "sympozium.ai/v1alpha1",
        "kind": "SympoziumPolicy",
        "metadata": {"name": name},
        "spec": {**private, **spec},
    }


def run(name: str, task: str, agent: str = "my-first-agent", **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "sympozium.ai/v1alpha1",
        "kind": "AgentRun",
        "metadata": {"name": name},
        "spec": {"instanceRef": agent, "input": task, **spec},
    }


def furnish(here: Kubectl, model: Model, **spec: Any) -> None:
    """The Secret and the instance, in the seeds' two steps; and the policy that it names."""
    here.apply(policy())
    here("create", "secret", "generic", SECRET, f"--from-literal=apiKey={KEY}")
    here.apply(instance(model, **spec))


def status(here: Kubectl, name: str) -> dict[str, Any]:
    found: dict[str, Any] = here.get("agentrun", name).get("status") or {}
    return found


def until_phase(here: Kubectl, name: str, *phases: str, within: float = 90) -> dict[str, Any]:
    """The run's status once its phase is one of these. The message of a failure has what kubectl says of the run and its pods."""
    try:
        eventually(lambda: status(here, name).get("phase") in phases, f"{name} is {' or '.join(phases)}", within)
    except AssertionError as late:
        described = here.call("describe", "agentrun", name).stdout + here.call("describe", "pods").stdout
        raise AssertionError(f"{late}\n{described}") from None
    return status(here, name)


def until_cleaned(here: Kubectl, name: str, within: float = 90) -> dict[str, Any]:
    eventually(lambda: bool(status(here, name).get("cleaned")), f"{name} has ended and nothing is left of its pod", within)
    return status(here, name)


def pod_of(here: Kubectl, name: str, within: float = 60) -> str:
    """The name of the pod of the run's current attempt, once its agent works."""

    def found() -> list[dict[str, Any]]:
        pod = status(here, name).get("pod")
        items: list[dict[str, Any]] = here.get("pods", "-l", f"sympozium.ai/pod={pod}")["items"] if pod else []
        return [each for each in items if _agent_runs(each)]

    eventually(lambda: bool(found()), f"the pod of {name} works", within)
    return str(found()[0]["metadata"]["name"])


def _agent_runs(pod: dict[str, Any]) -> bool:
    statuses = pod.get("status", {}).get("containerStatuses") or []
    return any(each["name"] == "agent" and "running" in each.get("state", {}) for each in statuses)
