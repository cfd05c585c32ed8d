from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def package(tmp_path: Path, alone: Any) -> Callable[..., Any]:
    """Installs a package on a path of its own; returns the CLI that sees it."""

    def install(name: str, group: str, code: str) -> Any:
        site = tmp_path / "site"
        information = site / f"{name}-1.0.dist-info"
        information.mkdir(parents=True)
        (information / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\nSummary: for \x1b[31mtests\n"
        )
        (information / "entry_points.txt").write_text(f"[{group}]\n{name} = {name}_module\n")
        (site / f"{name}_module.py").write_text(code)
        return replace(alone, environment={"PYTHONPATH": str(site)})

    return install


def row(done: Any, name: str) -> list[str]:
    return next(list(each) for each in done.rows if each[1] == name)


def test_a_table_of_what_is_installed(alone: Any) -> None:
    done = alone("plugins", "list")
    assert done.rows[0] == ["KIND", "NAME", "VERSION", "DISTRIBUTION", "STATE"]
    assert row(done, "shell")[:2] == ["skill", "shell"]
    assert row(done, "shell")[3:] == ["sympozium-skill-shell", "not loaded yet"]
    assert {each[0] for each in alone("plugins", "list", "--kind", "provider").rows[1:]} == {"provider"}
    names = alone("plugins", "list", "--kind", "skill", "-o", "name").out.splitlines()
    assert names == sorted(names)
    assert {"skill/shell", "skill/k8s-ops"} <= set(names)
    assert {each["name"] for each in alone("plugins", "list", "-o", "json").json} >= {"openai", "replay", "process", "shell"}


def test_what_was_loaded_is_remembered(alone: Any) -> None:
    alone("plugins", "show", "skill/shell", "--check")
    out = alone("plugins", "show", "shell").out
    assert "State:        ok" in out
    assert "Last loaded:" in out
    assert row(alone("plugins", "list"), "openai")[4] == "not loaded yet"


def test_a_broken_plugin_is_shown_and_breaks_nothing(package: Any) -> None:
    cli = package("wrecked", "sympozium.hooks", "raise RuntimeError('no \\x1b[2Jtoday')\n")
    assert row(cli("plugins", "list"), "wrecked")[4] == "not loaded yet"
    checked = cli("plugins", "show", "wrecked", "--check")
    assert "broken: RuntimeError" in checked.out
    assert "\x1b" not in checked.out + cli("plugins", "list", "-o", "wide").out
    assert cli("plugins", "list", "--check", "--kind", "hook", code=1).rows[1][4].startswith("broken: ")
    assert cli("get", "si").out.startswith("no sympoziuminstances")
    assert cli("plugins", "commands", code=None).out.startswith("plugin wrecked: ")


def test_a_plugin_adds_a_command(package: Any) -> None:
    cli = package(
        "greeter",
        "sympozium.hooks",
        "from sympozium_core.hooks import hookimpl\n"
        "def greet(parsed):\n    print('hello', parsed.who)\n    return 9\n"
        "@hookimpl\n"
        "def sympozium_cli_commands(subcommands):\n"
        "    parser = subcommands.add_parser('greet')\n"
        "    parser.add_argument('who')\n"
        "    parser.set_defaults(run=greet)\n",
    )
    assert cli("greet", "you", code=9).out == "hello you\n"
    assert cli("plugins", "commands").out == "greet\n"
    assert "did you mean greet?" in cli("greeet", code=2).err
    assert "greet" not in cli("--help").out


def test_a_plugin_that_is_not_there(alone: Any) -> None:
    done = alone("plugins", "show", "none", code=3)
    assert "no plugin is called 'none'" in done.err
    assert "shell" in done.err


def test_a_new_package_is_written_where_it_is_said(alone: Any, tmp_path: Path) -> None:
    done = alone("plugins", "new", "hook", "word-count", "--directory", str(tmp_path))
    folder = tmp_path / "sympozium-hook-word-count"
    assert f"{folder}/setup.cfg\n" in done.out
    assert done.out.endswith(f"now: cd {folder} && pip install -e '.[test]' && pytest --sympozium-conformance\n")
    assert "there already" in alone("plugins", "new", "hook", "word-count", "--directory", str(tmp_path), code=1).err
    assert "there is no kind of plugin 'thing'" in alone("plugins", "new", "thing", "chat", code=1).err


def test_the_recipe_of_an_image(alone: Any) -> None:
    out = alone("plugins", "image", "--base", "registry.example.com/base:1").out
    assert "FROM registry.example.com/base:1 AS control-plane\n" in out
    assert "sympozium-skill-shell==0.1.0" in out
