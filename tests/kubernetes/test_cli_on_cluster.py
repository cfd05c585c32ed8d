"""The command line on a real API server. No control plane runs here: where a run has to go on, the test says what a controller would."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.kubernetes.kubectl import Kubectl, eventually

pytestmark = pytest.mark.usefixtures("crds")

ROOT = Path(__file__).parents[2]
DEADLINE = 60.0


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Cli:
    """`sympozium` with one kubeconfig whose context names the test's namespace."""

    kubeconfig: Path
    home: Path
    environment: dict[str, str] = field(default_factory=dict)

    def _options(self, arguments: tuple[str, ...]) -> dict[str, Any]:
        environment = {**os.environ, "HOME": str(self.home), "SYMPOZIUM_DATA_DIR": str(self.home / "data"), **self.environment}
        command = [sys.executable, "-m", "sympozium_core.cli.main", *arguments]
        return {"args": command, "env": environment, "text": True, "cwd": ROOT}

    def __call__(self, *arguments: str, stdin: str = "", code: int = 0) -> Done:
        words = (*arguments, "--kubeconfig", str(self.kubeconfig))
        return self.plain(*words, stdin=stdin, code=code)

    def plain(self, *arguments: str, stdin: str = "", code: int = 0) -> Done:
        ended = subprocess.run(**self._options(arguments), input=stdin, capture_output=True, timeout=DEADLINE, check=False)
        assert ended.returncode == code, (ended.returncode, ended.stdout, ended.stderr)
        assert "Traceback" not in ended.stderr
        return Done(ended.returncode, ended.stdout, ended.stderr)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        words = (*arguments, "--kubeconfig", str(self.kubeconfig))
        return subprocess.Popen(**self._options(words), stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)


@pytest.fixture
def cli(kubeconfig: Path, namespace: str, tmp_path: Path) -> Iterator[Cli]:
    config = yaml.safe_load(kubeconfig.read_text())
    config["contexts"][0]["context"]["namespace"] = namespace
    own = tmp_path / "kubeconfig"
    own.write_text(yaml.safe_dump(config))
    yield Cli(own, tmp_path)
    assert not (tmp_path / "data").exists(), "nothing of this machine is touched"


INSTANCE = {
    "apiVersion": "sympozium.ai/v1alpha1",
    "kind": "SympoziumInstance",
    "metadata": {"name": "helper"},
    "spec": {"provider": {"name": "openai", "model": "gpt-4o", "apiKeySecret": "key"}, "skills": ["shell"]},
}


def applied(cli: Cli, *objects: dict[str, Any], code: int = 0) -> Done:
    return cli("apply", "-f", "-", stdin=yaml.safe_dump_all(objects), code=code)


def changed(**spec: Any) -> dict[str, Any]:
    return {**INSTANCE, "spec": {**INSTANCE["spec"], **spec}}  # type: ignore[dict-item]


def test_apply_get_describe_delete(cli: Cli, here: Kubectl) -> None:
    assert applied(cli, INSTANCE).out == "sympoziuminstance/helper created\n"
    assert applied(cli, INSTANCE).out == "sympoziuminstance/helper unchanged\n"
    assert applied(cli, changed(systemPrompt="Be brief.")).out == "sympoziuminstance/helper configured\n"
    assert here.get("si", "helper")["spec"]["systemPrompt"] == "Be brief."
    assert "systemPrompt" not in json.loads(_again(cli))["spec"]
    listed = cli("get", "instances").out.splitlines()
    assert listed[0].split()[:2] == ["NAME", "PHASE"]
    assert listed[1].split()[0] == "helper"
    assert "helper" in cli("instances", "list", "-o", "name").out
    assert "Events:" in cli("describe", "si", "helper").out
    assert cli("delete", "si", "helper").out == "sympoziuminstance/helper deleted\n"
    assert not here.exists("si", "helper")
    assert "not found" in cli("get", "si", "helper", code=3).err


def _again(cli: Cli) -> str:
    assert applied(cli, INSTANCE).out == "sympoziuminstance/helper configured\n"
    return cli("get", "si", "helper", "-o", "json").out


def test_kubectl_goes_on_where_apply_left_off(cli: Cli, here: Kubectl) -> None:
    applied(cli, changed(systemPrompt="Be brief."))
    done = here.call("apply", "-f", "-", stdin=json.dumps(INSTANCE))
    assert (done.returncode, done.stderr) == (0, "")
    assert "systemPrompt" not in here.get("si", "helper")["spec"]


def test_faults_are_all_said_by_field(cli: Cli) -> None:
    refused = applied(cli, changed(colour="red"), code=4)
    assert 'unknown field "spec.colour"' in refused.err
    run = {"apiVersion": "sympozium.ai/v1alpha1", "kind": "AgentRun", "metadata": {"name": "r"}, "spec": {"timeout": "never"}}
    refused = applied(cli, run, code=4)
    assert "standard input" in refused.err
    causes = [line.strip() for line in refused.err.splitlines() if line.startswith("  - ")]
    assert any(cause.startswith("- spec.timeout: ") for cause in causes), refused.err
    assert len(causes) == len(set(causes))


def test_a_dry_run_changes_nothing(cli: Cli, here: Kubectl) -> None:
    done = cli("apply", "--dry-run", "-f", "-", stdin=yaml.safe_dump(INSTANCE))
    assert done.out == "sympoziuminstance/helper created (dry run)\n"
    assert not here.exists("si", "helper")


def test_another_namespace_and_all(cli: Cli, here: Kubectl) -> None:
    applied(cli, INSTANCE)
    assert "helper" not in cli("get", "si", "-n", "default").out
    rows = [line.split()[:2] for line in cli("get", "si", "-A").out.splitlines()]
    assert [here.namespace, "helper"] in rows


def test_a_secret_is_created_and_never_shown(cli: Cli, here: Kubectl) -> None:
    with_key = Cli(cli.kubeconfig, cli.home, {"KEY": "s3cret"})
    assert with_key("secrets", "create", "key", "--from-env", "apiKey=KEY").out == "secret/key created\n"
    assert here.get("secret", "key")["data"] == {"apiKey": "czNjcmV0"}
    assert "--replace" in with_key("secrets", "create", "key", "--from-env", "apiKey=KEY", code=4).err
    Cli(cli.kubeconfig, cli.home, {"KEY": "another"})("secrets", "create", "key", "--from-env", "apiKey=KEY", "--replace")
    assert here.get("secret", "key")["data"] == {"apiKey": "YW5vdGhlcg=="}
    shown = cli("get", "secret", "key", "-o", "yaml").out
    assert "YW5vdGhlcg==" not in shown
    assert "<hidden>" in shown


def test_the_context_of_the_environment(cli: Cli) -> None:
    applied(cli, INSTANCE)
    name = yaml.safe_load(cli.kubeconfig.read_text())["current-context"]
    chosen = {"KUBECONFIG": str(cli.kubeconfig), "SYMPOZIUM_CONTEXT": name}
    assert "helper" in Cli(cli.kubeconfig, cli.home, chosen).plain("get", "si").out


def test_what_is_not_allowed(cli: Cli, here: Kubectl) -> None:
    config = yaml.safe_load(cli.kubeconfig.read_text())
    config["users"][0]["user"]["as"] = "jane"
    cli.kubeconfig.write_text(yaml.safe_dump(config))
    assert 'User "jane" cannot list resource "agentruns"' in cli("runs", "list", code=5).err


class Controller:
    """What a controller would write about a run."""

    def __init__(self, here: Kubectl, run: str) -> None:
        self.here, self.run = here, run
        self.uid = here.get("run", run)["metadata"]["uid"]

    def status(self, **status: Any) -> None:
        self.here("patch", "run", self.run, "--subresource=status", "--type=merge", "-p", json.dumps({"status": status}))

    def event(self, name: str, reason: str, message: str, kind: str = "Normal") -> None:
        involved = {
            "apiVersion": "sympozium.ai/v1alpha1", "kind": "AgentRun", "name": self.run, "namespace": self.here.namespace,
            "uid": self.uid,
        }  # fmt: skip
        moment = "2026-01-01T00:00:00Z"
        event = {
            "apiVersion": "v1", "kind": "Event", "metadata": {"name": f"{self.run}.{name}", "namespace": self.here.namespace},
            "involvedObject": involved, "type": kind, "reason": reason, "message": message, "count": 1,
            "firstTimestamp": moment, "lastTimestamp": moment,
        }  # fmt: skip
        self.here("create", "-f", "-", stdin=json.dumps(event))


def started(cli: Cli, here: Kubectl, *options: str) -> tuple[subprocess.Popen[str], Controller]:
    signal.signal(
        signal.SIGINT, signal.default_int_handler
    )  # ignored in a shell's background, it would be ignored by the command too
    process = cli.start("run", "count the files", "--instance", "helper", "--name", "one", *options)
    eventually(lambda: here.exists("run", "one"), "the run is created", DEADLINE)
    return process, Controller(here, "one")


ENDED = {"phase": "Succeeded", "reason": "Completed", "result": "There are four.", "attempt": 1}
USAGE = {"inputTokens": 12, "outputTokens": 3, "totalTokens": 15, "toolCalls": 1, "durationMs": 2500}


def test_a_run_is_followed_to_its_end(cli: Cli, here: Kubectl) -> None:
    process, controller = started(cli, here)
    assert process.stdout is not None
    until(process, "waits for a controller")
    controller.status(phase="Queued", queuePosition=2)
    until(process, "Queued, position 2")
    controller.event("1", "PolicyResolved", "policy permissive")
    until(process, "PolicyResolved: policy permissive")
    controller.status(phase="Running", pod="run-1", queuePosition=None)
    until(process, "Running in pod run-1")
    controller.event("2", "NotProvided", "no walls", kind="Warning")
    until(process, "warning: NotProvided: no walls")
    controller.event("3", "Completed", "all is done")
    controller.status(**ENDED, tokenUsage=USAGE)
    rest, errors = process.communicate(timeout=DEADLINE)
    assert process.returncode == 0, errors
    assert rest.count("Completed: all is done") == 1
    assert "There are four." in rest
    assert "Succeeded (Completed): 12 tokens in, 3 out, 1 tool calls, 2.50 s" in rest


def until(process: subprocess.Popen[str], words: str) -> None:
    """Reads up to the first line with these words; pytest's own timeout is the deadline."""
    assert process.stdout is not None
    read = ""
    for line in process.stdout:
        read += line
        if words in line:
            return
    raise AssertionError(f"{words!r} did not come; there was:\n{read}")


@pytest.mark.parametrize(("phase", "code"), [("Failed", 7), ("Cancelled", 8)])
def test_the_end_of_a_run_is_the_exit_code(cli: Cli, here: Kubectl, phase: str, code: int) -> None:
    process, controller = started(cli, here, "-o", "json")
    controller.status(phase=phase, reason="Timeout", message="too late")
    out, errors = process.communicate(timeout=DEADLINE)
    assert process.returncode == code, errors
    assert json.loads(out)["status"]["phase"] == phase


def test_a_run_that_is_deleted_meanwhile(cli: Cli, here: Kubectl) -> None:
    process, _ = started(cli, here)
    until(process, "waits for a controller")
    here("delete", "run", "one")
    _, errors = process.communicate(timeout=DEADLINE)
    assert (process.returncode, "agentrun one was deleted" in errors or "not found" in errors) == (3, True), errors


def test_an_interrupt_cancels_the_run(cli: Cli, here: Kubectl) -> None:
    process, controller = started(cli, here)
    until(process, "waits for a controller")
    process.send_signal(signal.SIGINT)
    eventually(lambda: here.get("run", "one")["spec"].get("cancel") is True, "the run is cancelled", DEADLINE)
    controller.status(phase="Cancelled", reason="Cancelled")
    process.communicate(timeout=DEADLINE)
    assert process.returncode == 130


def test_runs_are_listed_shown_and_cancelled(cli: Cli, here: Kubectl) -> None:
    created = cli("run", "count the files", "--instance", "helper", "--name", "one", "--no-watch")
    assert (created.out, created.err) == ("agentrun/one created\n", "")
    run = here.get("run", "one")
    assert (run["spec"]["instanceRef"], run["spec"]["task"]) == ("helper", "count the files")
    assert cli("runs", "list", "--instance", "helper").out.splitlines()[1].split()[:2] == ["one", "helper"]
    assert "no agentruns" in cli("runs", "list", "--instance", "other").out
    assert "not seen by a controller yet" in cli("runs", "show", "one").out
    assert cli("runs", "cancel", "one").out == "agentrun/one is being cancelled\n"
    assert here.get("run", "one")["spec"]["cancel"] is True
    Controller(here, "one").status(**ENDED)
    assert "There are four." in cli("runs", "show", "one").out
    assert "has ended already: Succeeded" in cli("runs", "cancel", "one").out


def test_the_log_of_a_run_is_said_to_be_elsewhere(cli: Cli, here: Kubectl) -> None:
    cli("run", "count the files", "--instance", "helper", "--name", "one", "--no-watch")
    Controller(here, "one").status(phase="Running", pod="run-1")
    refused = cli("runs", "logs", "one", code=1)
    assert "a later version" in refused.err
    assert f"kubectl logs -n {here.namespace} -l sympozium.ai/pod=run-1" in refused.err
    assert "not found" in cli("runs", "logs", "two", code=3).err
