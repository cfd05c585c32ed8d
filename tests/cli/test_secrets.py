from __future__ import annotations

import fcntl
import os
import subprocess
import termios
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

VALUE = "sk-very-secret-0123456789"


def test_from_the_environment_a_file_and_standard_input(cli: Any, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(VALUE + "\n")
    with_value = replace(cli, environment={"MY_KEY": VALUE, "apiKey": VALUE})
    made = [
        with_value.here("secrets", "create", "a", "--from-env", "apiKey=MY_KEY", "--from-env", "apiKey"),
        cli.here("secrets", "create", "b", "--from-file", f"apiKey={tmp_path / 'key'}"),
        cli.here("secrets", "create", "c", "--from-file", "apiKey=-", stdin=VALUE + "\n"),
    ]
    assert [done.out for done in made] == [f"secret/{name} created\n" for name in "abc"]
    assert all(VALUE not in done.out + done.err for done in made)


def test_replacing_is_asked_for(cli: Any) -> None:
    cli.here("secrets", "create", "a", "--from-file", "apiKey=-", stdin=VALUE)
    refused = cli.here("secrets", "create", "a", "--from-file", "apiKey=-", stdin="other", code=4)
    assert "secret a exists (--replace" in refused.err
    assert (
        cli.here("secrets", "create", "a", "--replace", "--from-file", "apiKey=-", stdin="other").out == "secret/a replaced\n"
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((VALUE,), "never given on the command line"),
        (("--from-env", f"apiKey={VALUE}"), "give the name of a variable, not a value"),
        (("--from-env", "NOT_SET_ANYWHERE"), "the variable NOT_SET_ANYWHERE is not set"),
        (("--from-file", VALUE), "write --from-file KEY=FILE"),
        (("--from-file", "apiKey=/nowhere/key"), "cannot read /nowhere/key"),
        (("--from-file", "apiKey=-"), "the value of apiKey is empty"),
        ((), "standard input is not a terminal"),
    ],
)
def test_a_value_on_the_command_line_is_refused_and_not_repeated(arguments: tuple[str, ...], words: str, cli: Any) -> None:
    done = cli.here("secrets", "create", "a", *arguments, code=4)
    assert words in done.err
    assert VALUE not in done.out + done.err


def test_a_bad_name(cli: Any) -> None:
    assert "metadata.name" in cli.here("secrets", "create", "Bad_Name", "--from-file", "k=-", stdin="x", code=4).err


def test_a_prompt_on_a_terminal_does_not_echo(cli: Any) -> None:
    ours, theirs = os.openpty()

    def own_terminal() -> None:
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    process = subprocess.Popen(
        **cli.arguments("secrets", "create", "asked", "-n", cli.namespace),
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        preexec_fn=own_terminal,  # noqa: PLW1509 (this process has no threads)
    )
    os.close(theirs)
    seen = b""
    while b"apiKey: " not in seen:
        seen += os.read(ours, 1024)
    os.write(ours, VALUE.encode() + b"\n")
    out, err = process.communicate(timeout=30)
    os.close(ours)
    assert (process.returncode, out) == (0, "secret/asked created\n"), err
    assert VALUE.encode() not in seen
    assert VALUE not in err


def test_the_value_is_nowhere_in_the_data_directory(cli: Any) -> None:
    cli.here("secrets", "create", "a", "--from-file", "apiKey=-", stdin="sk-look-for-me-0123456789")
    files = [path for path in cli.data.rglob("*") if path.is_file()]
    assert files
    assert not [path for path in files if b"look-for-me" in path.read_bytes()]
