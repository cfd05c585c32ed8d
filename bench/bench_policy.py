"""Measures what policies cost: decisions a second, the first one of a process, and admission with many policies in the store.

    python bench/bench_policy.py [--quick]

Admission is the embedded server's, by its socket: a dry run of an AgentRun, so that nothing but the review and its lookups is in it.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from sympozium_core.call_conditions.examined import ExaminedCall
from sympozium_core.cluster.client import ClusterClient
from sympozium_core.contracts.cluster import Object
from sympozium_core.contracts.tool_policy import ToolPolicy
from sympozium_core.names import API_VERSION, SYSTEM_NAMESPACE
from sympozium_core.planning.factory import build_run
from sympozium_core.planning.policy import effective_policy
from sympozium_core.processes.embedded import serve_embedded
from sympozium_core.resources.kinds import AGENT_RUN, SYMPOZIUM_INSTANCE, SYMPOZIUM_POLICY
from sympozium_core.settings import EmbeddedSettings

SPACE = "default"
ARGUMENTS = {"command": "kubectl get pods --namespace staging -o 'jsonpath={.items[*].metadata.name}'"}
COLD = """
import time
from sympozium_core.call_conditions.examined import ExaminedCall
call = ExaminedCall("execute_command", "shell", {"command": "kubectl get pods"})
begun = time.perf_counter()
call.holds("argv.slice(0, 2) == ['kubectl', 'get']")
print((time.perf_counter() - begun) * 1000)
"""


def rule(tool: str, action: str, when: str = "") -> dict[str, str]:
    return {"tool": tool, "action": action, **({"when": when} if when else {})}


POLICIES: Mapping[str, list[dict[str, str]]] = {
    "3 rules": [rule("read_file", "allow"), rule("memory_*", "ask"), rule("execute_command", "deny")],
    "100 rules, the last decides": [
        *(rule(f"tool_{number}_*", "deny") for number in range(99)),
        rule("execute_command", "allow"),
    ],
    "a condition on argv": [rule("execute_command", "allow", "argv[0] == 'kubectl' && argv[1] == 'get'")],
    "argv.slice": [rule("execute_command", "allow", "argv.slice(0, 2) == ['kubectl', 'get']")],
    "a regular expression": [rule("execute_command", "allow", "args.command.matches('^kubectl (get|describe) ')")],
    "10 conditions, the last holds": [
        rule("execute_command", "allow", f"size(argv) == {number}") for number in range(20, 11, -1)
    ]
    + [rule("execute_command", "allow", "size(argv) == 7")],
}


def decisions(seconds: float) -> None:
    for label, rules in POLICIES.items():
        policy = effective_policy("bench", {"toolGating": {"defaultAction": "deny", "rules": rules}}).tools
        print(f"decisions, {label:<40} {_rate(policy, seconds):>10,.0f} a second")


def _rate(policy: ToolPolicy, seconds: float) -> float:
    def decide() -> None:
        """As the bridge does it: the command is read only where a condition may ask for it."""
        policy.decide("execute_command", ExaminedCall("execute_command", "shell", ARGUMENTS) if policy.conditional else None)

    decide()
    count, begun = 0, time.perf_counter()
    while (taken := time.perf_counter() - begun) < seconds:
        for _ in range(50):
            decide()
        count += 50
    return count / taken


def first(times: int) -> None:
    taken = [
        float(subprocess.run([sys.executable, "-c", COLD], capture_output=True, check=True, text=True).stdout)
        for _ in range(times)
    ]
    print(f"the first condition of a process, CEL loaded for it: {statistics.median(taken):.1f} ms")


def worst() -> None:
    """What a policy can be made to cost by whoever writes the arguments: the longest that a condition is asked about."""
    for when in (
        "args.x.matches('(a|aa)+b')",
        "argv.all(a, argv.all(b, argv.all(c, a != b || b != c)))",
        "argv.all(a, args.x.contains('ab') || a != 'b')",
    ):
        call = ExaminedCall("execute_command", "shell", {"command": "a " * 512, "x": "a" * 64_000})
        call.holds(when)
        begun = time.perf_counter()
        call.holds(when)
        print(f"the dearest call of {when:<60} {(time.perf_counter() - begun) * 1000:8.2f} ms")


async def admission(count: int, policies: int) -> None:
    with tempfile.TemporaryDirectory(prefix="sym-") as folder:
        settings = EmbeddedSettings(Path(folder) / "data", "process")
        async with serve_embedded(settings, controllers=False):
            client = ClusterClient.over_socket(settings.api_socket)
            try:
                await _admission(client, count, policies)
            finally:
                await client.close()


async def _admission(client: ClusterClient, count: int, policies: int) -> None:
    condition = [rule("execute_command", "allow", "argv[0] == 'kubectl'"), rule("execute_command", "deny")]
    for name, rules in (("plain", POLICIES["3 rules"]), ("conditional", condition)):
        await client.create(SYMPOZIUM_POLICY, policy_object(name, rules, SPACE))
        instance = {"provider": {"name": "ollama", "model": "m"}, "policy": name}
        await client.create(SYMPOZIUM_INSTANCE, _object("SympoziumInstance", name, instance, SPACE))
    held = 2
    for more in (0, policies):
        for number in range(more):
            namespace = SYSTEM_NAMESPACE if number % 10 == 0 else SPACE
            await client.create(SYMPOZIUM_POLICY, policy_object(f"more-{number}", condition, namespace))
        held += more
        for name in ("plain", "conditional"):
            wanted = build_run(name, "do it", namespace=SPACE, source="bench", spec={})
            taken = await timed(count, partial(client.create, AGENT_RUN, wanted, dry_run=True))
            show(f"AgentRun, {name} policy, {held} policies", taken)
        new = policy_object("new", condition, SPACE)
        taken = await timed(count, partial(client.create, SYMPOZIUM_POLICY, new, dry_run=True))
        show(f"SympoziumPolicy with a condition, {held} policies", taken)


def policy_object(name: str, rules: list[dict[str, str]], namespace: str) -> Object:
    return _object("SympoziumPolicy", name, {"template": "Permissive", "toolGating": {"rules": rules}}, namespace)


def _object(kind: str, name: str, spec: Mapping[str, Any], namespace: str) -> Object:
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": {"name": name, "namespace": namespace}, "spec": dict(spec)}


async def timed(count: int, call: Callable[[], Awaitable[object]]) -> list[float]:
    """Milliseconds of each call, one at a time."""
    taken: list[float] = []
    for _ in range(count):
        begun = time.perf_counter()
        await call()
        taken.append((time.perf_counter() - begun) * 1000)
    return sorted(taken)


def show(what: str, taken: list[float]) -> None:
    print(f"{what:<52} p50 {statistics.median(taken):7.2f}  p99 {taken[int(len(taken) * 0.99)]:7.2f} ms")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    decisions(0.2 if quick else 2.0)
    first(3 if quick else 15)
    worst()
    asyncio.run(admission(100 if quick else 1000, 1000))


if __name__ == "__main__":
    main()
