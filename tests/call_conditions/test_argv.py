"""What a command's words are, held against the shells themselves."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sympozium_core.call_conditions.argv import MAX_COMMAND, MAX_WORDS, argv_of, command_of, words_of

SHELLS = [found for name in ("bash", "dash", "sh") if (found := shutil.which(name))]


def split_by(shell: str, command: str) -> tuple[str, ...]:
    """The words that the shell makes of a command, without running it: they are handed to printf."""
    line = f"printf '%s\\0' {command}"
    done = subprocess.run([shell, "-c", line], capture_output=True, check=True, env={"LC_ALL": "C.UTF-8"})
    return tuple(done.stdout.decode().split("\0")[:-1])


PLAIN = st.sampled_from(["kubectl", " get ", "a", " ", "\t", "''", "'b; c'", '"d | e"', "--", "a=b", "=", "'ü'", "'", '"'])
ODD = st.sampled_from([*"$`\\;&|<>(){}[]*?!#~\n\r\v\f\0%^", "ü", "；", "\u00a0", "\u2028", "$(id)", "\\\n"])
COMMANDS = st.builds(
    lambda plain, odd, at: "".join([*plain[:at], *odd, *plain[at:]]),
    st.lists(PLAIN, min_size=1, max_size=8),
    st.lists(ODD, max_size=1),
    st.integers(0, 8),
)


@settings(max_examples=400, deadline=None)
@given(COMMANDS)
def test_every_shell_splits_what_has_words_into_the_same(command: str) -> None:
    words = words_of(command)
    if words is not None:
        for shell in SHELLS:
            assert split_by(shell, command) == words, command
            assert split_by(shell, command_of(words)) == words, command


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("kubectl get pods", ("kubectl", "get", "pods")),
        ("  kubectl\tget  ", ("kubectl", "get")),
        ("kubectl get pods -l 'app=x,tier in (a, b)'", ("kubectl", "get", "pods", "-l", "app=x,tier in (a, b)")),
        ("""jq '.items[] | .name; "$x"' a.json""", ("jq", '.items[] | .name; "$x"', "a.json")),
        ('grep -n "two words" a.txt', ("grep", "-n", "two words", "a.txt")),
        ("kube'ctl' g\"et\"", ("kubectl", "get")),
        ("git log --format='%h %s'", ("git", "log", "--format=%h %s")),
        ("echo ''", ("echo", "")),
        ("echo 'ü'", ("echo", "ü")),
        ("ls a=b", ("ls", "a=b")),
    ],
)
def test_words(command: str, words: tuple[str, ...]) -> None:
    assert words_of(command) == words


@pytest.mark.parametrize(
    "command",
    [
        "", " ", "''", "a\nb", "a\rb", "a\0b", "a\x0bb", "'a\nb'", '"a\nb"', "a;b", "a&b", "a|b", "a>b", "a<b", "(a)", "{ a; }", "$a", "a $(b)",
        "a `b`", 'a "$b"', 'a "`b`"', 'a "b\\"', "a\\b", "a *", "a ?", "a [b]", "a ~", "a #b", "! a", "a=b c", "'a=b' c", "a 'b", 'a "b',
        "a {b,c}", "a^b", "if true", "time a", "while a", "coproc a", "ü", "a\u00a0b", "a \ud800", "kubectl get x； rm", 'a "!b"',
    ],
)  # fmt: skip
def test_no_words(command: str) -> None:
    assert words_of(command) is None


def test_lengths_are_bounded() -> None:
    assert words_of("a" * MAX_COMMAND) is not None
    assert words_of("a" * (MAX_COMMAND + 1)) is None
    assert words_of("a " * MAX_WORDS) is not None
    assert words_of("a " * (MAX_WORDS + 1)) is None


@pytest.mark.parametrize("arguments", [{}, {"command": None}, {"command": ["ls"]}, {"command": 3}])
def test_only_execute_command_has_words(arguments: dict[str, object]) -> None:
    assert argv_of("execute_command", arguments) is None
    assert argv_of("other", {"command": "ls"}) is None
    assert argv_of("execute_command", {"command": "ls"}) == ("ls",)
