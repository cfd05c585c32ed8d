"""``sympozium skills``: list what is installed; lint and test a skill that is being written, without a model and without a server."""

from __future__ import annotations

import argparse
import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sympozium_core.cli.failures import Exit
from sympozium_core.cli.printable import printable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sympozium_core.ipc.protocol import ToolDefinition, ToolResult
    from sympozium_core.processes.skill_folders import FoundFolder, Located
    from sympozium_core.processes.skill_trial import Trial
    from sympozium_core.resources.skill_calls import AskedCall

SHOWN = 2_000
"""Characters of a result that are shown."""


def configure(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="list|lint|test")
    verbs.add_parser("list", help="list the skills of installed packages")
    lint = verbs.add_parser("lint", help="find what is wrong with a skill, without running it")
    test = verbs.add_parser("test", help="run a skill alone in a sandbox, and call its tools")
    for verb in (lint, test):
        verb.add_argument("place", type=Path, metavar="FOLDER", help="a skill folder, or that of a package with skills")
    test.add_argument(
        "--call",
        action="append",
        default=[],
        metavar="TOOL[=ARGUMENTS]",
        help="a call to make, with arguments as JSON; may be given again (default: those of tests/calls.yaml)",
    )
    test.add_argument(
        "--param", action="append", default=[], metavar="NAME=VALUE", help="a parameter of the skill (SKILL_NAME)"
    )
    test.add_argument(
        "--secret",
        action="append",
        default=[],
        metavar="KEY=VARIABLE",
        help="a key of the Secret that the skill asks for, and the variable of the environment that has its value",
    )
    test.add_argument("--sandbox", default="", metavar="NAME", help="sandbox driver (default: the one that promises most here)")
    test.add_argument("--timeout", type=float, default=120.0, metavar="SECONDS", help="of each call (default: 120)")


def run(arguments: argparse.Namespace) -> int:
    return {"list": _list, "lint": _lint, "test": _test}[arguments.verb](arguments)


def _list(arguments: argparse.Namespace) -> int:
    from sympozium_core.cli.output import print_rows
    from sympozium_core.errors import Refused
    from sympozium_core.names import GROUP_SKILLS
    from sympozium_core.registry.catalogue import installed
    from sympozium_core.registry.drivers import Drivers
    from sympozium_core.registry.loading import PluginBroken
    from sympozium_core.resources.skill_folder import read_skill_folder

    rows = []
    for entry in installed([GROUP_SKILLS]):
        try:
            from sympozium_core.contracts.skill import Skill

            skill = Drivers[Skill](GROUP_SKILLS, Skill).get(entry.name)
            pack = read_skill_folder(skill.folder())["spec"]
            rights = [field for field in ("rbac", "clusterRBAC", "secretRef") if (pack.get("sidecar") or {}).get(field)]
            about = "; ".join(str(each.get("description") or "") for each in pack["skills"])
            rows.append([entry.name, entry.version, entry.distribution, ", ".join(rights) or "none", about])
        except (PluginBroken, Refused) as error:
            rows.append([entry.name, entry.version, entry.distribution, "", f"broken: {error.message}"])
    if not rows:
        print("no skills are installed")
        return Exit.OK
    print_rows(["NAME", "VERSION", "DISTRIBUTION", "NEEDS", "ABOUT"], [[printable(cell)[:100] for cell in row] for row in rows])
    return Exit.OK


def _lint(arguments: argparse.Namespace) -> int:
    from sympozium_core.processes.skill_folders import locate
    from sympozium_core.resources.skill_lint import lint

    code: int = Exit.OK
    for located in locate(arguments.place):
        title = _title(located)
        found = lint(located.folder, name=located.entry_point)
        for finding in found:
            print(printable(f"{title}: {finding}"))
        if not found:
            print(f"{title}: nothing to say")
        if any(finding.level == "error" for finding in found):
            code = Exit.INVALID
    return code


def _title(located: Located) -> str:
    return located.entry_point or located.folder.name


def _test(arguments: argparse.Namespace) -> int:
    from sympozium_core.processes.skill_folders import locate, read

    params = dict(_parted(text, "--param", "NAME=VALUE") for text in arguments.param)
    secret = {key: _variable(name) for key, name in (_parted(text, "--secret", "KEY=VARIABLE") for text in arguments.secret)}
    asked = [_asked(text) for text in arguments.call]
    codes = []
    for located in locate(arguments.place):
        found = read(located)
        codes.append(asyncio.run(_try(found, asked or list(found.calls.calls), (params, secret), arguments)))
    return max(codes)


async def _try(
    found: FoundFolder,
    calls: Sequence[AskedCall],
    given: tuple[Mapping[str, str], Mapping[str, bytes]],
    arguments: argparse.Namespace,
) -> int:
    import tempfile

    from sympozium_core.processes.skill_trial import TrialSettings, on_trial

    with tempfile.TemporaryDirectory(prefix="sympozium-trial-") as folder:
        async with on_trial(found, TrialSettings(Path(folder), arguments.sandbox, *given, heard=_print_progress)) as trial:
            print(printable(trial.sandbox))
            print(f"{found.name}: {_many(len(trial.tools), 'tool')}, up in {trial.took:.2f} s")
            failed = 0
            for tool in trial.tools:
                _print_tool(tool)
                mine = [call for call in calls if call.tool == tool.name]
                if not mine:
                    print("  not called: give --call, or write it into tests/calls.yaml")
                for call in mine:
                    failed += not await _one(trial, call, arguments.timeout)
            unknown = sorted({call.tool for call in calls} - {tool.name for tool in trial.tools})
            for name in unknown:
                print(f"{printable(name)}: there is no such tool")
            print(f"{_many(len(calls), 'call')}, {failed + len(unknown)} not as they should be")
    return Exit.ERROR if failed or unknown or not calls else Exit.OK


def _many(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"


def _print_tool(tool: ToolDefinition) -> None:
    required = tool.parameters.get("required", [])
    shown = [
        f"{name}{'' if name in required else '?'}: {_kind(schema)}"
        for name, schema in tool.parameters.get("properties", {}).items()
    ]
    print(printable(f"{tool.name}({', '.join(shown)})"))
    for line in tool.description.strip().splitlines()[:1]:
        print(f"  {printable(line)}")


def _kind(schema: Any) -> str:
    if not isinstance(schema, dict):
        return "any"
    if "enum" in schema:
        return "|".join(map(str, schema["enum"]))
    if "anyOf" in schema:
        return " or ".join(_kind(each) for each in schema["anyOf"])
    return str(schema.get("type", "any"))


async def _one(trial: Trial, call: AskedCall, timeout: float) -> bool:
    """Makes a call and shows it; whether its result is what it should be."""
    import time

    print(printable(f"  {call.tool} {json.dumps(dict(call.arguments), ensure_ascii=False)}"))
    began = time.monotonic()
    result = await trial.call(call.tool, call.arguments, timeout)
    took = time.monotonic() - began
    code = f", exit {result.exit_code}" if result.exit_code is not None else ""
    cut = ", cut" if result.truncated else ""
    print(f"    {result.status}{code}{cut}  [{took:.2f}s]")
    for line in result.content[:SHOWN].splitlines():
        print(f"    | {printable(line)}")
    for name in result.artifacts:
        print(f"    artifact {printable(name)}")
    wrong = _wrong(call, result)
    if wrong:
        print(printable(f"    NOT AS IT SHOULD BE: {wrong}"))
    return not wrong


def _print_progress(text: str) -> None:
    for line in text.splitlines()[-1:]:
        print(printable(f"    … {line}"), flush=True)


def _wrong(call: AskedCall, result: ToolResult) -> str:
    if result.status != call.status:
        return f"the status is {result.status}, not {call.status}"
    if call.contains not in result.content:
        return f"{call.contains!r} is not in its content"
    if call.exit_code is not None and result.exit_code != call.exit_code:
        return f"the exit code is {result.exit_code}, not {call.exit_code}"
    return ""


def _asked(text: str) -> AskedCall:
    from sympozium_core.contracts.cluster import BadRequest
    from sympozium_core.resources.skill_calls import AskedCall

    tool, sep, written = text.partition("=")
    try:
        arguments = json.loads(written) if sep else {}
    except ValueError as error:
        raise BadRequest(
            f"--call {tool}: the arguments are not JSON: {error}", hint='such as count_words={"text": "a b"}'
        ) from error
    if not isinstance(arguments, dict):
        raise BadRequest(f"--call {tool}: the arguments are not an object", hint='such as count_words={"text": "a b"}')
    return AskedCall(tool, arguments)


def _variable(name: str) -> bytes:
    import os

    from sympozium_core.contracts.cluster import BadRequest

    if name not in os.environ:
        raise BadRequest(
            "--secret: there is no such variable", hint="give the name of a variable, not a value: --secret KEY=VARIABLE"
        )
    return os.environ[name].encode()


def _parted(text: str, option: str, form: str) -> tuple[str, str]:
    from sympozium_core.contracts.cluster import BadRequest

    name, sep, value = text.partition("=")
    if not sep or not name:
        raise BadRequest(f"{option} {text!r} is not of the form {form}")
    return name, value
