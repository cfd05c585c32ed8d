"""Measures on a real node how soon a tool call goes on once a person has decided: ``python -m tests.kubernetes.machine run --node -- python bench/bench_approval_cluster.py``.

The decision is a patch by an approver over a connection that stays; what is measured ends where the model has been given the call's result.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import secrets
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from on_cluster import connected, given, show

from sympozium_core.resources.kinds import TOOL_APPROVAL
from sympozium_core.testing.servers.openai import OpenAIServer
from sympozium_core.testing.servers.script import from_data
from tests.kubernetes import installed, runs

CALL = {"name": "execute_command", "arguments": {"command": "true"}}
POLICY = runs.policy("asking", requireApproval=["execute_command"])


class Clocked(OpenAIServer):
    """Remembers when it was asked."""

    async def _handle(self, request: Any) -> Any:
        self.at = [*getattr(self, "at", []), time.time()]
        return await super()._handle(request)


async def decide(namespace: str, kubectl: Any, server: Clocked, calls: int) -> list[float]:
    taken: list[float] = []
    async with connected(kubectl) as client:
        page = await client.list(TOOL_APPROVAL, namespace)
        watch = client.watch(TOOL_APPROVAL, namespace, resource_version=page.resource_version)
        async for event in watch:
            if event.type not in ("ADDED", "MODIFIED") or (event.object.get("status") or {}).get("phase") != "Pending":
                continue
            if event.object["spec"].get("decision"):
                continue
            before, decided = len(server.at), time.time()
            await client.patch(TOOL_APPROVAL, namespace, event.object["metadata"]["name"], {"spec": {"decision": "Approved"}})
            async with asyncio.timeout(30):
                while len(server.at) == before:  # noqa: ASYNC110  nobody tells
                    await asyncio.sleep(0.001)
            taken.append(server.at[before] - decided)
            if len(taken) == calls:
                return taken
    return taken


def main(calls: int) -> None:
    kubectl, layout = given(__doc__)
    installed.install(kubectl.kubeconfig, layout)
    script = from_data({"conversations": [{"turns": [*({"tools": [CALL]} for _ in range(calls)), {"text": "Done."}]}]})
    here = kubectl.within(f"bench-{secrets.token_hex(3)}")
    kubectl("create", "namespace", here.namespace)
    with runs.serve_model(script, Clocked) as model:
        here.apply(POLICY)
        runs.furnish(here, model, policy="asking")
        rules: dict[str, Any] = {"limits": {"maxTurns": calls + 2, "maxToolCalls": calls}, "timeout": "30m"}
        here(
            "create",
            "--as=alice",
            "--as-group=system:masters",
            "-f",
            "-",
            stdin=json.dumps(runs.run("bench", "go on", **rules)),
        )
        assert isinstance(model.server, Clocked)
        show("decided → the model has the result", asyncio.run(decide(here.namespace, kubectl, model.server, calls)))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition(":")[0])
    parser.add_argument("--quick", action="store_true")
    main(10 if parser.parse_args().quick else 60)
