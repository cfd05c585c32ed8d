"""``sympozium features``: the feature gates of a stored policy."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sympozium_core.cli.output import print_rows
from sympozium_core.cli.target import add_scope, place_of, reach, run_async

if TYPE_CHECKING:
    from sympozium_core.cli.target import Target
    from sympozium_core.contracts.cluster import Object


def configure(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="list|enable|disable")
    listing = verbs.add_parser("list", help="list the gates of a policy")
    enable = verbs.add_parser("enable", help="open a gate")
    disable = verbs.add_parser("disable", help="close a gate")
    for verb in (enable, disable):
        verb.add_argument("gate", metavar="GATE")
    for verb in (listing, enable, disable):
        verb.add_argument("--policy", required=True, metavar="NAME", help="name of the SympoziumPolicy")
        add_scope(verb)


def run(arguments: argparse.Namespace) -> int:
    if arguments.verb == "list":
        return run_async(lambda: _list(arguments))
    _check(arguments.gate)
    return run_async(lambda: _set(arguments, is_open=arguments.verb == "enable"))


def _check(gate: str) -> None:
    from difflib import get_close_matches

    from sympozium_core.contracts.cluster import BadRequest
    from sympozium_core.resources.rules import GATES

    if gate in GATES:
        return
    near = get_close_matches(gate, GATES, 1)
    meant = f"did you mean {near[0]}? " if near else ""
    raise BadRequest(f"there is no feature gate {gate!r}", hint=f"{meant}one of {', '.join(GATES)}")


async def _list(arguments: argparse.Namespace) -> int:
    from sympozium_core.contracts.cluster import NotFound
    from sympozium_core.resources.builtin import builtin_policy
    from sympozium_core.resources.rules import GATES

    async with reach(place_of(arguments)) as target:
        try:
            policy: Mapping[str, Any] = await _stored(target, arguments.policy)
        except NotFound:
            builtin = builtin_policy(arguments.policy)
            if builtin is None:
                raise
            policy = builtin
    gates = policy["spec"].get("featureGates") or {}
    known = (*GATES, *sorted(gates.keys() - set(GATES)))
    print_rows(["GATE", "STATE"], [[gate, _state(gates.get(gate))] for gate in known])
    return 0


def _state(is_open: bool | None) -> str:
    if is_open is None:
        return "open (not set)"
    return "open" if is_open else "closed"


async def _set(arguments: argparse.Namespace, *, is_open: bool) -> int:
    from sympozium_core.resources.kinds import SYMPOZIUM_POLICY

    done = "enabled" if is_open else "disabled"
    async with reach(place_of(arguments)) as target:
        policy = await _stored(target, arguments.policy)
        if (policy["spec"].get("featureGates") or {}).get(arguments.gate) is is_open:
            print(f"{arguments.gate} is {done} already in sympoziumpolicy/{arguments.policy}")
            return 0
        patch = {"spec": {"featureGates": {arguments.gate: is_open}}}
        await target.cluster.patch(SYMPOZIUM_POLICY, target.namespace, arguments.policy, patch)
    meanwhile = (
        "keep what they began with" if is_open else "lose its tools within seconds, but for those in the agent's own container"
    )
    print(f"{arguments.gate} {done} in sympoziumpolicy/{arguments.policy}; runs that are under way {meanwhile}")
    return 0


async def _stored(target: Target, name: str) -> Object:
    """Raises NotFound, which says of a built-in policy how to get one that can be changed."""
    from sympozium_core.contracts.cluster import NotFound
    from sympozium_core.resources.builtin import builtin_policy
    from sympozium_core.resources.kinds import SYMPOZIUM_POLICY

    try:
        return await target.cluster.get(SYMPOZIUM_POLICY, target.namespace, name)
    except NotFound as error:
        if builtin_policy(name) is None:
            raise
        raise NotFound(
            f"policy {name!r} is built in and not stored in namespace {target.namespace!r}, so it cannot be changed",
            hint="apply a SympoziumPolicy of your own; one of the same name comes first",
        ) from error
