from __future__ import annotations

import os
import re
import signal
from typing import Any

import pytest


def shown(out: str) -> list[tuple[str, str]]:
    """The live lines without their times."""
    return [(who, text) for who, text in re.findall(r"^ *\d+\.\d\ds  (\w+) +(.*)$", out, re.MULTILINE)]


def test_a_run_is_shown_from_its_admission_to_its_answer(helper: Any) -> None:
    done = helper.here("run", "count", "--instance", "helper", "--name", "c1")
    lines = shown(done.out)
    story = [text.split(":")[0].split(";")[0] for who, text in lines if who == "run"]
    assert story == ["agentrun/c1 admitted", "planned", "pod starts", "started"]
    assert ("tool", 'execute_command command="echo $((6 * 7))"') in lines
    assert any(who == "tool" and text.startswith("ok: 42") for who, text in lines)
    assert "\nIt is 42.\n" in done.out
    assert re.search(r"^Succeeded \(Completed\): 22 tokens in, 14 out, 1 tool calls, \d+\.\d\d s$", done.out, re.MULTILINE)


def test_as_json_the_whole_run_and_nothing_else(helper: Any) -> None:
    run = helper.here("run", "count", "--instance", "helper", "-o", "json").json
    assert run["metadata"]["name"].startswith("helper-")
    assert (run["status"]["phase"], run["status"]["result"]) == ("Succeeded", "It is 42.")
    assert run["spec"]["requestedBy"]["username"].startswith("local:")


def test_the_task_from_standard_input(helper: Any) -> None:
    run = helper.here("run", "-", "--instance", "helper", "-o", "json", stdin="count, please\n").json
    assert run["spec"]["task"].strip() == "count, please"


def test_options_reach_the_run(helper: Any) -> None:
    done = helper.here("run", "hi", "--instance", "helper", "--model", "other", "--timeout", "90s", "-o", "json", code=7).json
    assert (done["spec"]["model"], done["spec"]["timeout"]) == ({"model": "other"}, "90s")
    assert done["status"]["reason"] == "ModelError"


def test_without_watching_it_goes_on_by_itself(helper: Any) -> None:
    assert (
        helper.here("run", "hi", "--instance", "helper", "--name", "unwatched", "--no-watch").out
        == "agentrun/unwatched created\n"
    )
    helper.here("runs", "logs", "-f", "unwatched")
    assert helper.here("runs", "show", "unwatched", "-o", "json").json["status"]["phase"] == "Succeeded"


def test_a_run_that_fails_says_why(helper: Any) -> None:
    done = helper.here("run", "broken", "--instance", "helper", code=7)
    assert "Failed (ModelError)" in done.out
    assert "failed: " in done.out
    assert done.err.strip()


def test_a_secret_that_is_not_there(cli: Any, model_address: str) -> None:
    provider = {"name": "openai", "model": "practice", "baseURL": model_address, "apiKeySecret": "none"}
    cli.apply(cli.instance(provider=provider))
    done = cli.here("run", "hi", "--instance", "helper", code=7)
    assert f"make it with: sympozium secrets create none -n {cli.namespace}" in done.err


def test_a_run_that_times_out(helper: Any) -> None:
    done = helper.here("run", "slow", "--instance", "helper", "--timeout", "1s", code=7)
    assert "Failed (Timeout)" in done.out


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["hi", "--instance", "none"], 5, "there is no SympoziumInstance 'none'"),
        (["", "--instance", "helper"], 4, "spec.task: is empty"),
        (["hi", "--instance", "helper", "--timeout", "soon"], 4, "such as 90s, 10m or 1h30m"),
        (["hi", "--instance", "helper", "--name", "No Name"], 4, "metadata.name"),
    ],
)
def test_what_is_refused_is_said_once(arguments: list[str], code: int, words: str, helper: Any) -> None:
    done = helper.here("run", *arguments, code=code)
    assert done.err.count(words) == 1
    assert not done.out


@pytest.mark.parametrize("served", [True, False])
def test_control_c_cancels_the_run(served: bool, helper: Any, alone: Any, model_address: str) -> None:
    cli = helper
    if not served:
        cli = alone
        cli.apply(cli.instance(provider={"name": "lm-studio", "model": "practice", "baseURL": model_address}))
        cli.here("secrets", "create", "model-key", "--from-file", "apiKey=-", stdin="test-key-0123456789abcdef")
        provider = {"name": "openai", "model": "practice", "baseURL": model_address, "apiKeySecret": "model-key"}
        cli.apply(cli.instance(provider=provider))
    process = cli.start("run", "slow", "--instance", "helper", "--name", "stopped", "-n", cli.namespace)
    cli.until(process.stdout, "turn 1")
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130, (out, err)
    assert "Cancelled (Cancelled)" in out
    assert err.splitlines()[-1] == "interrupted"
    assert "Traceback" not in err
    assert cli.here("get", "run", "stopped", "-o", "json").json["status"]["phase"] == "Cancelled"


def test_what_a_hostile_agent_writes_does_not_steer_the_terminal(helper: Any) -> None:
    done = helper.here("run", "evil", "--instance", "helper", "--name", "evil")
    outputs = {"run": done.out + done.err}
    for line in (
        "runs show evil", "runs logs evil", "describe run evil", "get events", "get run evil -o json", "get run evil -o yaml",
        "runs show evil -o json", "runs logs evil -o json",
    ):  # fmt: skip
        outputs[line] = helper.here(*line.split()).out
    for line, text in outputs.items():
        bad = {char for char in text if not char.isprintable() and char not in "\n\t"}
        assert not bad, (line, bad)
    whole = helper.here("get", "run", "evil", "-o", "json").json
    assert whole["status"]["result"] == "I am \x1b[31mred\x1b]0;owned\x07, \u009b31m and \u202etxet."
    assert helper.here("get", "run", "evil", "-o", "yaml").yaml["status"]["result"] == whole["status"]["result"]
