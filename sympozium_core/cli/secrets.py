"""``sympozium secrets create``: values come from a prompt, a file or the environment, never from the command line, which others can read."""

from __future__ import annotations

import argparse
import base64
import os
from pathlib import Path

from sympozium_core.cli.target import add_scope, reach, run_async, settings_of


def configure(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="create")
    create = verbs.add_parser("create", help="create or replace a Secret")
    create.add_argument("name")
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
    values = _values(arguments)
    return run_async(lambda: _create(arguments, values))


def _values(arguments: argparse.Namespace) -> dict[str, bytes]:
    from sympozium_core.contracts.cluster import BadRequest

    values: dict[str, bytes] = {}
    for text in arguments.from_env:
        key, _, variable = text.partition("=")
        if (variable and variable not in os.environ) or (not variable and key not in os.environ):
            raise BadRequest(
                f"the variable {variable or key} is not set",
                hint="give the name of a variable, not a value: --from-env KEY=VARIABLE",
            )
        values[key] = os.environ[variable or key].encode()
    for text in arguments.from_file:
        key, _, file = text.partition("=")
        values[key] = _file(file, text)
    for key in arguments.prompt or ([] if values else ["apiKey"]):
        values[key] = _ask(key)
    empty = [key for key, value in values.items() if not value.strip()]
    if empty:
        raise BadRequest(f"the value of {', '.join(empty)} is empty", hint="a Secret without a value helps nobody")
    return values


def _file(file: str, text: str) -> bytes:
    import sys

    from sympozium_core.contracts.cluster import BadRequest

    if not file:
        raise BadRequest(f"{text!r} names no file", hint="write --from-file KEY=FILE")
    try:
        return (sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()).rstrip(b"\r\n")
    except OSError as error:
        raise BadRequest(f"cannot read {file}: {error.strerror}") from error


def _ask(key: str) -> bytes:
    import getpass

    from sympozium_core.contracts.cluster import BadRequest

    try:
        return getpass.getpass(f"{key}: ").encode()
    except EOFError as error:
        raise BadRequest(f"no value for {key}: nobody answered", hint="use --from-env or --from-file in scripts") from error


async def _create(arguments: argparse.Namespace, values: dict[str, bytes]) -> int:
    from sympozium_core.contracts.cluster import AlreadyExists
    from sympozium_core.resources.kinds import SECRET

    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "Opaque",
        "metadata": {"name": arguments.name, "namespace": arguments.namespace},
        "data": {key: base64.b64encode(value).decode() for key, value in values.items()},
    }
    async with reach(settings_of(arguments)) as target:
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
