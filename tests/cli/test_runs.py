from __future__ import annotations

import json
from typing import Any


def test_list_by_instance(cli: Any) -> None:
    cli.apply(cli.instance(), cli.instance("other"))
    cli.here("run", "hi", "--instance", "helper", "--name", "asked", code=7)
    assert cli.here("runs", "list", "--instance", "helper").rows[1][:4] == ["asked", "helper", "Failed", "ModelError"]
    assert cli.here("runs", "list", "--instance", "other").out == f"no agentruns in namespace {cli.namespace}\n"
    assert cli.here("runs", "list", "--instance", "helper", "-l", "sympozium.ai/source=cli", "-o", "name").out.split() == [
        "agentrun.sympozium.ai/asked"
    ]


def test_show(helper: Any) -> None:
    helper.here("run", "count", "--instance", "helper", "--name", "counted")
    out = helper.here("runs", "show", "counted").out
    facts = dict(line.split(":", 1) for line in out.partition("\n\n")[0].splitlines())
    assert facts["Run"].strip() == f"{helper.namespace}/counted"
    assert facts["Phase"].strip() == "Succeeded"
    assert facts["Tokens"].strip() == "22 in, 14 out"
    assert "Task:\n  count\n" in out
    assert "Answer:\n  It is 42.\n" in out
    assert helper.here("runs", "show", "counted", "-o", "yaml").yaml["status"]["result"] == "It is 42."


def test_logs_as_text_and_as_the_journal(helper: Any) -> None:
    ran = helper.here("run", "count", "--instance", "helper", "--name", "logged").out
    logs = helper.here("runs", "logs", "logged").out
    assert [line[18:] for line in logs.splitlines() if "  tool " in line] == [
        line[18:] for line in ran.splitlines() if "  tool " in line
    ]
    entries = [json.loads(line) for line in helper.here("runs", "logs", "logged", "-o", "json").out.splitlines()]
    assert [each["sequence"] for each in entries] == sorted(each["sequence"] for each in entries)
    types = [each["entry"]["type"] for each in entries]
    assert (types[0], types[-1]) == ("attempt", "ended")
    assert {"started", "model.request", "model.answer", "tool.requested", "tool.result", "result"} <= set(types)
    assert {each["source"] for each in entries} == {"ctl", "pod", "gw"}


def test_following_ends_with_the_run_and_cancel_ends_the_run(helper: Any) -> None:
    helper.here("run", "slow", "--instance", "helper", "--name", "long", "--no-watch")
    logs = helper.start("runs", "logs", "-f", "long", "-n", helper.namespace)
    helper.until(logs.stdout, "turn 1")
    assert helper.here("runs", "cancel", "long").out == "agentrun/long is being cancelled\n"
    _, errors = logs.communicate(timeout=30)
    assert (logs.returncode, errors) == (0, "")
    assert helper.here("runs", "show", "long", "-o", "json").json["status"]["phase"] == "Cancelled"
    assert helper.here("runs", "cancel", "long").out == "agentrun/long has ended already: Cancelled\n"


def test_somebody_else_cancels_the_run_that_is_watched(helper: Any) -> None:
    watcher = helper.start("run", "slow", "--instance", "helper", "--name", "watched", "-n", helper.namespace)
    helper.until(watcher.stdout, "turn 1")
    helper.here("runs", "cancel", "watched")
    out, _ = watcher.communicate(timeout=30)
    assert watcher.returncode == 8
    assert "Cancelled (Cancelled)" in out


def test_a_run_that_is_not_there(cli: Any) -> None:
    for command in (["show", "none"], ["logs", "none"], ["logs", "-f", "none"], ["cancel", "none"]):
        assert '"none" not found' in cli.here("runs", *command, code=3).err
