"""``sympozium secrets create``: values come from a prompt, a file or the environment, never from the command line, which others can read."""

from __future__ import annotations

import argparse
import base64
import os
import re
import sys
from pathlib import Path

from sympozium_core.cli.target import add_scope, place_of, reach, run_async

_VARIABLE = re.compile("[A-Z_][A-Z0-9_]{0,63}")


def configure(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="create")
    create = verbs.add_parser("create", help="create or replace a Secret")
    create.add_argument("name")
    create.add_argument("values", nargs="*", help=argparse.SUPPRESS)
    create.add_argument(
        "--prompt", action="append", default=[], metavar="KEY", help="ask for the value of KEY (default: --prompt apiKey)"
    )
    create.add_argument(
        "--from-file",
        action="append",
        default=[],
        metavar="KEY=FILE",
        help="the value is the file's content; - is standard input",
    )
    create.add_argument(
        "--from-env", action="append", default=[], metavar="KEY[=VARIABLE]", help="the value is that of a variable"
    )
    create.add_argument("--replace", action="store_true", help="replace a Secret that exists")
    add_scope(create)


def run(arguments: argparse.Namespace) -> int:
    from sympozium_core.contracts.cluster import BadRequest

    if arguments.values:  # not repeated here: it may be a key
        raise BadRequest(
            "a Secret's value is never given on the command line, where other users of the machine can read it",
            hint="use --prompt KEY, --from-file KEY=FILE or --from-env KEY=VARIABLE; if that was a key, replace it",
        )
    values = _values(arguments)
    return run_async(lambda: _create(arguments, values))


def _values(arguments: argparse.Namespace) -> dict[str, bytes]:
    from sympozium_core.contracts.cluster import BadRequest

    values: dict[str, bytes] = {}
    for text in arguments.from_env:
        key, _, variable = text.partition("=")
        values[key] = _variable(variable or key)
    for text in arguments.from_file:
        key, _, file = text.partition("=")
        values[key] = _file(file)
    for key in arguments.prompt or ([] if values else ["apiKey"]):
        values[key] = _ask(key)
    empty = [key for key, value in values.items() if not value.strip()]
    if empty:
        raise BadRequest(f"the value of {', '.join(empty)} is empty", hint="a Secret without a value helps nobody")
    return values


def _variable(name: str) -> bytes:
    from sympozium_core.contracts.cluster import BadRequest

    if name in os.environ:
        return os.fsencode(os.environ[name])
    # Whoever puts a key where a name belongs does not want to read it again in a log.
    shown = f"the variable {name} is not set" if _VARIABLE.fullmatch(name) else "--from-env has no name of a variable"
    raise BadRequest(shown, hint="give the name of a variable, not a value: --from-env KEY=VARIABLE")


def _file(file: str) -> bytes:
    from sympozium_core.contracts.cluster import BadRequest

    if not file:
        raise BadRequest("--from-file names no file", hint="write --from-file KEY=FILE")
    try:
        return (sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()).rstrip(b"\r\n")
    except OSError as error:
        raise BadRequest(f"cannot read {file}: {error.strerror}") from error


def _ask(key: str) -> bytes:
    import getpass

    from sympozium_core.contracts.cluster import BadRequest

    hint = "in scripts use --from-env KEY=VARIABLE or --from-file KEY=FILE; --from-file KEY=- reads standard input"
    if not sys.stdin.isatty():  # getpass would read it with a warning, and echo what is typed
        raise BadRequest(f"cannot ask for {key}: standard input is not a terminal", hint=hint)
    try:
        return getpass.getpass(f"{key}: ").encode()
    except EOFError as error:
        raise BadRequest(f"no value for {key}: nobody answered", hint=hint) from error


async def _create(arguments: argparse.Namespace, values: dict[str, bytes]) -> int:
    from sympozium_core.contracts.builtin_kinds import SECRET
    from sympozium_core.contracts.cluster import AlreadyExists

    async with reach(place_of(arguments)) as target:
        secret = {
            "apiVersion": "v1",
            "kind": "Secret",
            "type": "Opaque",
            "metadata": {"name": arguments.name, "namespace": target.namespace},
            "data": {key: base64.b64encode(value).decode() for key, value in values.items()},
        }
        try:
            await target.cluster.create(SECRET, secret)
            done = "created"
        except AlreadyExists as error:
            if not arguments.replace:
                raise AlreadyExists(
                    f"secret {arguments.name} exists", hint="--replace puts these values in its place"
                ) from error
            await target.cluster.replace(SECRET, secret)
            done = "replaced"
    print(f"secret/{arguments.name} {done}")
    return 0
