"""``sympozium policy``: lint, test and explain; the first two need no server, so that they run where policies are reviewed."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from sympozium_core.cli.decisions import asked_call, print_calls, print_made, print_tools
from sympozium_core.cli.failures import Exit
from sympozium_core.cli.printable import printable
from sympozium_core.cli.target import add_scope, place_of, reach, run_async

if TYPE_CHECKING:
    from sympozium_core.cli.manifests import Manifest
    from sympozium_core.contracts.tool_policy import ToolPolicy
    from sympozium_core.planning.policy import EffectivePolicy


def configure(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="lint|test|explain")
    lint = verbs.add_parser("lint", help="find what policies say in vain, and what is wrong with them")
    _add_files(lint)
    test = verbs.add_parser("test", help="would a run, with these tool calls, pass a policy?")
    _add_files(test)
    test.add_argument("--run", metavar="FILE", help="an AgentRun, and perhaps its SympoziumInstance (default: any run)")
    test.add_argument(
        "--call",
        action="append",
        default=[],
        metavar="TOOL[@SERVER[+HINT…]][=ARGUMENTS]",
        help="a call that the run makes, with arguments as JSON where rules have conditions; may be given again (default: ask for all tools)",
    )
    explain = verbs.add_parser("explain", help="what was decided for a run, and by which rule")
    explain.add_argument("name", metavar="RUN")
    add_scope(explain)


def _add_files(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "files", nargs="+", metavar="FILE|NAME", help="manifests with policies, or the name of a built-in policy"
    )


def run(arguments: argparse.Namespace) -> int:
    return int(_VERBS[arguments.verb](arguments))


def _lint(arguments: argparse.Namespace) -> int:
    code: int = Exit.OK
    for manifest in _policies(arguments.files):
        title = f"{manifest.origin}: {manifest.object['metadata'].get('name')}"
        wrong, doubtful = _examined(manifest)
        for line in (*wrong, *doubtful):
            print(printable(f"{title}: {line}"))
        if not wrong and not doubtful:
            print(f"{title}: nothing to say")
        code = Exit.INVALID if wrong else code or (Exit.ERROR if doubtful else Exit.OK)
    return code


def _examined(manifest: Manifest) -> tuple[list[str], list[str]]:
    """What an apply would refuse, and what it would take although it is in vain."""
    from sympozium_core.errors import Cause
    from sympozium_core.planning.policy_lint import findings
    from sympozium_core.resources import load

    if wrong := load.problems(manifest.object):
        return [str(cause) for cause in wrong], []
    loaded = load.read(manifest.object)
    found = findings(loaded.normal["spec"])
    doubts = [str(Cause(loaded.as_written(path), message, hint)) for path, message, hint in found]
    return [], [*loaded.warnings, *doubts]


def _test(arguments: argparse.Namespace) -> int:
    from sympozium_core.contracts.cluster import BadRequest

    found = _policies(arguments.files)
    if len(found) != 1:
        names = ", ".join(str(manifest.object["metadata"].get("name")) for manifest in found)
        raise BadRequest(
            f"a test is of one policy, not of {len(found)}: {names}", hint="give one file with one SympoziumPolicy"
        )
    policy = _effective(found[0])
    tools, passes = policy.tools, True
    if arguments.run:
        tools, refusals = _reviewed(arguments.run, policy)
        passes = not refusals
        print(f"policy {policy.name}: the run is {'admitted' if passes else 'refused'}")
        for refusal in refusals:
            print(f"  - {printable(refusal)}")
    if not arguments.call:
        print_tools(tools)
        return Exit.OK if passes else Exit.REFUSED
    allowed = print_calls(tools, [asked_call(text) for text in arguments.call])
    return Exit.OK if passes and allowed else Exit.REFUSED


def _effective(manifest: Manifest) -> EffectivePolicy:
    """Raises Invalid."""
    from sympozium_core.planning.policy import effective_policy
    from sympozium_core.resources import load

    normal = load.normalise(manifest.object)
    return effective_policy(str(normal["metadata"].get("name")), normal["spec"])


def _reviewed(file: str, policy: EffectivePolicy) -> tuple[ToolPolicy, list[str]]:
    """What the run may call, and why it is refused, by the function that admission asks; the sandbox is one that keeps every promise."""
    from sympozium_core.cli.manifests import read_manifests
    from sympozium_core.contracts.cluster import BadRequest
    from sympozium_core.contracts.sandbox import ALL_FEATURES, ALL_PROMISES
    from sympozium_core.planning.inputs import SandboxFacts
    from sympozium_core.planning.policy import run_tools
    from sympozium_core.planning.review import review_run
    from sympozium_core.resources import load
    from sympozium_core.resources.kinds import AGENT_RUN, SYMPOZIUM_INSTANCE

    manifests = read_manifests([file], recursive=False)
    runs = [each for each in manifests if each.kind is AGENT_RUN]
    if len(runs) != 1:
        raise BadRequest(f"{file} has {len(runs)} AgentRuns", hint="a test is of one run")
    agent_run = load.normalise(runs[0].object)
    wanted = agent_run["spec"]["instanceRef"]
    instances = [
        each.object for each in manifests if each.kind is SYMPOZIUM_INSTANCE and each.object["metadata"].get("name") == wanted
    ]
    instance = load.normalise(instances[0]) if instances else {"metadata": {"name": wanted}, "spec": {}}
    # Where it will run is not known: a model on the loopback may be one beside the control plane.
    sandbox = SandboxFacts("any that isolates", ALL_PROMISES, ALL_FEATURES - {"images"})
    return run_tools(policy, agent_run), [str(cause) for cause in review_run(agent_run, instance, policy, sandbox)]


def _explain(arguments: argparse.Namespace) -> int:
    from sympozium_core.contracts.plan_reading import tool_policy_from_json
    from sympozium_core.resources.kinds import AGENT_RUN

    async def show() -> int:
        async with reach(place_of(arguments)) as target:
            found = await target.cluster.get(AGENT_RUN, target.namespace, arguments.name)
            entries = []
            if target.embedded:
                entries = [each["entry"] async for each in target.journal(target.namespace, arguments.name, follow=False)]
        status = found.get("status") or {}
        stamp = status.get("effectivePolicy")
        if stamp is None:
            print(
                f"run {arguments.name} has not been planned"
                + (f": {printable(status['message'])}" if status.get("message") else "")
            )
            return Exit.OK
        asked = (found["spec"].get("requestedBy") or {}).get("username") or "an unknown user"
        template = f", template {stamp['template']}" if stamp.get("template") else ""
        beside = f", and {', '.join(stamp['mandatory'])}, mandatory here" if stamp.get("mandatory") else ""
        print(f"admitted for {printable(asked)} under policy {stamp['name']}{template}{beside} (digest {stamp['digest']})")
        if stamp.get("tightenedBy"):
            print(f"tightened while it was under way, by {', '.join(stamp['tightenedBy'])}")
        print_tools(tool_policy_from_json(stamp["tools"]))
        print_made(entries)
        if not target.embedded:
            print("\nwhat it called is in its journal, which this version serves on one machine only")
        return Exit.OK

    return run_async(show)


def _policies(places: list[str]) -> list[Manifest]:
    """Those in files and folders, and built-in ones by their names. Raises BadRequest when there are none."""
    from pathlib import Path

    from sympozium_core.cli.manifests import Manifest, read_manifests
    from sympozium_core.contracts.cluster import BadRequest
    from sympozium_core.resources.builtin import POLICIES, builtin_policy
    from sympozium_core.resources.kinds import SYMPOZIUM_POLICY

    found: list[Manifest] = []
    for place in places:
        builtin = builtin_policy(place) if not Path(place).exists() else None
        if builtin is not None:
            found.append(Manifest(SYMPOZIUM_POLICY, builtin, "built in"))
        else:
            found += [each for each in read_manifests([place], recursive=True) if each.kind is SYMPOZIUM_POLICY]
    if not found:
        raise BadRequest(f"no SympoziumPolicy in {', '.join(places)}", hint=f"built in are {', '.join(POLICIES)}")
    return found


_VERBS = {"lint": _lint, "test": _test, "explain": _explain}
