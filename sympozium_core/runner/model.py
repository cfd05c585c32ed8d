"""Asks the model and gives one whole answer; repeats what may be repeated, until the run's deadline.

The body of a request depends on nothing but the conversation, so that a recorded run can be compared byte for byte.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from sympozium_core.ipc.task import ModelEndpoint
from sympozium_core.runner.answer import Answer, AnswerTooLarge, Assembler
from sympozium_core.runner.connection import Address, Connection, ConnectionLost, NotHttp
from sympozium_core.runner.event_stream import NotEvents, events
from sympozium_core.runner.stop import Stop, Stopped

FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0
"""Seconds before the first repetition, doubled up to the longest."""
MAX_BROKEN = 3
"""Answers in a row that are no chat completion at all, after which the endpoint is given up."""
MAX_ERROR_BODY = 64 * 1024
TEMPORARY = (408, 409, 425, 429)
"""Statuses below 500 that may be different next time."""


class ModelFailed(Exception):
    """No answer is to be had; the message is for the run's result."""


class _Again(Exception):
    """This attempt failed in a way that may pass."""


class _Broken(Exception):
    """The endpoint answered something that is no chat completion."""


class Model:
    """One endpoint and one model. `on_text` gets the text of an answer as it comes."""

    def __init__(
        self, endpoint: ModelEndpoint, stop: Stop, *, unix: str = "", on_text: Callable[[str], None] = lambda text: None
    ) -> None:
        try:
            self._connection = Connection(Address(endpoint.base_url, unix), stop)
        except ValueError as error:
            raise ModelFailed(str(error)) from error
        self._stop = stop
        self._on_text = on_text
        self._model = json.dumps(endpoint.name, ensure_ascii=False)
        self._headers = {"Content-Type": "application/json", "Accept": "text/event-stream"}
        if endpoint.token:
            self._headers["Authorization"] = f"Bearer {endpoint.token}"

    def ask(self, messages: Sequence[str], tools: str, turn: int, used: set[str]) -> Answer:
        """The model's answer to messages that are JSON already, with the offer of `tools` (a JSON list, or empty).

        An empty answer is asked for once more. Raises ModelFailed or Stopped.
        """
        body = self._body(messages, tools)
        for last in (False, True):
            assembler = self._until_answered(body)
            if not assembler.empty:
                return assembler.answer(turn, used)
            if last:
                break
        raise ModelFailed("the model answered nothing, twice: no text and no tool call")

    def close(self) -> None:
        self._connection.close()

    def _body(self, messages: Sequence[str], tools: str) -> bytes:
        offer = f',"tools":{tools}' if tools else ""
        return (
            f'{{"model":{self._model},"messages":[{",".join(messages)}]{offer},"stream":true,"stream_options":{{"include_usage":true}}}}'
        ).encode()

    def _until_answered(self, body: bytes) -> Assembler:
        pause, broken, because = FIRST_PAUSE, 0, ""
        while True:
            try:
                if because:
                    # What follows an answer that was not read to its end is not the next answer.
                    self._connection.close()
                    self._stop.sleep(pause)
                    pause = min(pause * 2, LONGEST_PAUSE)
                return self._attempt(body)
            except (_Again, ConnectionLost) as error:
                because = str(error)
            except (_Broken, NotHttp, NotEvents) as error:
                broken, because = broken + 1, str(error)
                if broken == MAX_BROKEN:
                    raise ModelFailed(f"{because}, {broken} times") from error
            except AnswerTooLarge as error:
                raise ModelFailed(str(error)) from error
            except Stopped as stopped:
                if not because:
                    raise
                raise Stopped(stopped.reason, f"{stopped}; the model could not be asked: {because}") from None

    def _attempt(self, body: bytes) -> Assembler:
        status, headers, pieces = self._connection.post("/chat/completions", self._headers, body)
        if status != 200:
            message = f"the model endpoint answered {status}: {_message(_head(pieces))}"
            self._connection.close()
            if status >= 500 or status in TEMPORARY:
                raise _Again(message)
            raise ModelFailed(message)
        assembler = Assembler()
        if "json" in headers.get("content-type", ""):
            # An endpoint that does not stream: one object.
            assembler.take(_object(b"".join(pieces)))
            assembler.finished = True
            return assembler
        return self._stream(assembler, pieces)

    def _stream(self, assembler: Assembler, pieces: Iterator[bytes]) -> Assembler:
        done = chunks = False
        for data in events(pieces):
            if data == b"[DONE]":
                # Read on to the end of the body, so that the connection can be kept.
                done = True
                continue
            if done:
                continue
            chunk = _object(data)
            if chunk.get("error"):
                self._fail(chunk)
            chunks = True
            if text := assembler.take(chunk):
                self._on_text(text)
        if not chunks:
            raise _Broken("the model endpoint answered no chat completion")
        if not done and not assembler.finished:
            raise _Again("the model's answer ended in the middle")
        return assembler

    def _fail(self, chunk: Mapping[str, Any]) -> None:
        """An error in the middle of a stream, in the form that OpenAI uses; temporary unless its code is of the 400s."""
        error = chunk["error"]
        message = f"the model endpoint broke off: {_message(json.dumps(chunk).encode())}"
        self._connection.close()
        code = error.get("status", error.get("code")) if isinstance(error, dict) else None
        if str(code).isdigit() and 400 <= int(str(code)) < 500 and int(str(code)) not in TEMPORARY:
            raise ModelFailed(message)
        raise _Again(message)


def _object(data: bytes) -> dict[str, Any]:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise _Broken("the model endpoint's answer is not JSON") from error
    if not isinstance(value, dict):
        raise _Broken("the model endpoint's answer is not a JSON object")
    return value


def _head(pieces: Iterator[bytes]) -> bytes:
    data = b""
    try:
        for piece in pieces:
            data += piece
            if len(data) > MAX_ERROR_BODY:
                break
    except ConnectionLost:
        pass  # what came of the explanation is enough
    return data


def _message(data: bytes) -> str:
    """The text of an error body in OpenAI's form, or its head."""
    try:
        error = json.loads(data).get("error")
        text = error.get("message") if isinstance(error, dict) else error
    except (ValueError, AttributeError, RecursionError):
        text = None
    shown = text if isinstance(text, str) and text else data.decode("utf-8", "replace")
    return " ".join(shown.split())[:1000] or "nothing"
