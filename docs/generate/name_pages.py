"""Pages of closed lists: exit codes, phases and reasons, hooks, settings."""

from __future__ import annotations

import dataclasses
import inspect
import typing

import source_docs
from tables import code, page, prose, table

from sympozium_core import hooks, names, settings
from sympozium_core.cli.failures import Exit


def exit_codes() -> str:
    meaning = source_docs.of_members(Exit)
    rows = [[str(int(member)), code(member.name), prose(meaning.get(member.name))] for member in Exit]
    return page("Exit codes", "sympozium_core/cli/failures.py", prose(Exit.__doc__), table(["Code", "Name", "When"], rows))


def phases_and_reasons() -> str:
    phases, reasons = source_docs.of_members(names.Phase), source_docs.of_members(names.Reason)
    return page(
        "Phases and reasons of a run",
        "sympozium_core/names.py",
        "## Phases",
        prose(names.Phase.__doc__),
        table(
            ["Phase", "Ends the run", "Meaning"],
            (
                [code(each), "yes" if each.terminal else "", PHASES[each] or prose(phases.get(each.name))]
                for each in names.Phase
            ),
        ),
        "## Reasons",
        prose(names.Reason.__doc__),
        table(["Reason", "Meaning"], ([code(each), REASONS[each] or prose(reasons.get(each.name))] for each in names.Reason)),
    )


PHASES = {
    names.Phase.PENDING: "Admitted; it is being decided and planned, or it has its place, and its preRun hooks run or its pod is on its way up. What holds a pod up stands in the condition `PodReady`.",
    names.Phase.QUEUED: "Planned; as many runs as may be are at work. `status.queuePosition` says how many are to go first.",
    names.Phase.RUNNING: "Its pod is at work, or its postRun hooks are.",
    names.Phase.SERVING: "Not used in this version; kept for web endpoints.",
    names.Phase.SUCCEEDED: "There is an answer in `status.result`; or a preRun hook has ended it as skipped, as `status.message` says.",
    names.Phase.FAILED: "It ended without one; `status.reason` and `status.message` say why.",
    names.Phase.CANCELLED: "Somebody set `spec.cancel`, pressed Ctrl-C or deleted it.",
}
REASONS = {
    names.Reason.COMPLETED: "The agent gave its answer, or a preRun hook found that there is nothing to do.",
    names.Reason.MODEL_ERROR: "The model could not be asked or did not answer: no key, a refused key, an unknown model, an address that is not there, answers that are none.",
    names.Reason.TOOL_ERROR: "The agent itself ended with an error, or a preRun hook did.",
    names.Reason.POLICY_DENIED: "The policy, or a plugin, refused the run when it was planned. A run that is refused at admission is never stored.",
    names.Reason.BUDGET_EXCEEDED: "More tokens, turns or tool calls than the run may have: the message says which, and what was used.",
    names.Reason.APPROVAL_DENIED: "The agent ended with an error after a person had refused one of its calls, and it had called nothing since. A run that goes on without the call may still succeed.",
    names.Reason.APPROVAL_TIMEOUT: "Its time was over while a call waited for a person; or as `ApprovalDenied`, where nobody had decided in time.",
    names.Reason.TIMEOUT: "Not finished within `spec.timeout`, or a preRun hook within its own time.",
    names.Reason.OUT_OF_MEMORY: "A container of the pod needed more memory than it may have.",
    names.Reason.EVICTED: "The cluster took the pods of the run away again and again, or one used more of its node than it may.",
    names.Reason.CANCELLED: "As the phase of that name.",
    names.Reason.INFRASTRUCTURE_ERROR: "The pod went away without a result, in each of its attempts; or the run asks for what no run here has, as its message says; or something in Sympozium itself is broken.",
}


def hook_page() -> str:
    parts = ["How to write one: [plugins](../plugins.md).", prose(_first_paragraphs(hooks.__doc__ or ""))]
    found = [function for name, function in vars(hooks).items() if name.startswith("sympozium_") and callable(function)]
    for function in found:
        signature = inspect.signature(function)
        shown = ", ".join(f"{each.name}: {_annotation(each.annotation)}" for each in signature.parameters.values())
        parts += [
            f"## {function.__name__}",
            f"`{function.__name__}({shown}) -> {_annotation(signature.return_annotation)}`",
            prose(function.__doc__),
        ]
    parts.append("## What hooks are given and give back")
    for owner in (hooks.PlanPatch, hooks.ToolCall, hooks.Veto, hooks.RunEvent):
        meaning = source_docs.of_members(owner)
        rows = [
            [code(each.name), code(_annotation(each.type)), prose(meaning.get(each.name))] for each in dataclasses.fields(owner)
        ]
        own = inspect.getdoc(owner) or ""
        parts += [
            f"### {owner.__name__}",
            "" if own.startswith(f"{owner.__name__}(") else prose(own),
            table(["Field", "Type", "Meaning"], rows),
        ]
    return page("Hooks", "sympozium_core/hooks.py", *parts)


def _first_paragraphs(text: str) -> str:
    return text.partition("\n\n    ")[0]


def _annotation(annotation: object) -> str:
    return str(annotation).replace("argparse._SubParsersAction[argparse.ArgumentParser]", "argparse subcommands")


def settings_page() -> str:
    parts = [
        "What the control plane on one machine can be told, and how. The command line wins over the environment.",
        table(
            ["Variable", "Meaning"],
            [
                [code(names.ENV_DATA_DIR), prose(settings.default_data_dir.__doc__)],
                [code("OPENAI_API_KEY"), "Read by `sympozium demo` alone: uses a live model instead of the recording."],
            ],
        ),
    ]
    for owner in (settings.EmbeddedSettings, settings.ControllerSettings):
        meaning, hints = source_docs.of_members(owner), typing.get_type_hints(owner)
        rows = [
            [
                code(each.name),
                code(getattr(hints[each.name], "__name__", str(hints[each.name]))),
                _default(each),
                prose(meaning.get(each.name)),
            ]
            for each in dataclasses.fields(owner)
        ]
        parts += [f"## {owner.__name__}", table(["Field", "Type", "Default", "Meaning"], rows)]
    return page("Settings", "sympozium_core/settings.py", *parts)


def _default(field: dataclasses.Field[object]) -> str:
    if field.default is dataclasses.MISSING or dataclasses.is_dataclass(field.default):
        return ""
    return code(repr(field.default))
