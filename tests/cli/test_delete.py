from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import yaml


def names(cli: Any, kind: str = "si") -> list[str]:
    return [name.rpartition("/")[2] for name in cli.here("get", kind, "-o", "name").out.split()]


def three(cli: Any) -> None:
    made = [cli.instance(name) for name in ("a", "b", "c")]
    made[2]["metadata"]["labels"] = {"keep": "no"}
    cli.apply(*made)


def test_by_name_by_label_and_all(cli: Any) -> None:
    three(cli)
    assert cli.here("delete", "si", "-l", "keep=no").out == "sympoziuminstance/c deleted\n"
    assert cli.here("delete", "si/a").out == "sympoziuminstance/a deleted\n"
    assert names(cli) == ["b"]
    assert cli.here("delete", "instances", "--all").out == "sympoziuminstance/b deleted\n"
    assert names(cli) == []


def test_what_files_name_the_last_first(cli: Any, tmp_path: Path) -> None:
    three(cli)
    file = tmp_path / "some.yaml"
    file.write_text(yaml.safe_dump_all([cli.instance("a"), cli.instance("c")]))
    assert cli.here("delete", "-f", str(file)).out == "sympoziuminstance/c deleted\nsympoziuminstance/a deleted\n"
    assert names(cli) == ["b"]


def test_what_is_not_there(cli: Any) -> None:
    three(cli)
    done = cli.here("delete", "si", "none", "a", code=3)
    assert done.out == "sympoziuminstance/a deleted\n"
    assert '"none" not found' in done.err
    assert cli.here("delete", "si", "none", "--ignore-not-found").out == ""


def test_what_to_delete_has_to_be_said(cli: Any) -> None:
    assert "name a KIND" in cli.here("delete", code=4).err
    assert "--all" in cli.here("delete", "si", code=4).err


def test_a_run_that_works_is_stopped_first(helper: Any) -> None:
    """Deleting waits until the pod is gone: its finalizer holds the object."""
    helper.here("run", "slow", "--instance", "helper", "--name", "busy", "--no-watch")
    logs = helper.start("runs", "logs", "-f", "busy", "-n", helper.namespace)
    helper.until(logs.stdout, "turn 1")
    assert helper.here("delete", "run", "busy").out == "agentrun/busy deleted\n"
    helper.here("get", "run", "busy", code=3)
    logs.communicate(timeout=30)


def test_it_gives_up_in_time(cli: Any) -> None:
    held = cli.instance("held")
    held["metadata"]["finalizers"] = ["example.com/held"]
    cli.apply(held)
    began = time.monotonic()
    done = cli.here("delete", "si", "held", "--timeout", "0.3", code=6)
    assert time.monotonic() - began < 10
    assert "still there after 0.3 s (see what holds it: sympozium describe sympoziuminstance held)" in done.err
