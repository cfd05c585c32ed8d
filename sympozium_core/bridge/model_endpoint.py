"""The model as the agent sees it: an OpenAI-compatible endpoint, so that any framework is a Sympozium agent by its base URL alone.

``POST /v1/chat/completions`` (streamed as server-sent events, or whole) and ``GET /v1/models``
(https://platform.openai.com/docs/api-reference). Errors have OpenAI's shape, ``{"error": {"message", "type", "param", "code", "status"}}``:

=======  =====================  ==========================================================================
status   ``code``               when; ``x-should-retry`` says whether asking again may help
=======  =====================  ==========================================================================
400      invalid_body           not a chat completions body
401      invalid_token          the token of `task.json` is missing or wrong
403      budget_exceeded        the run's turns are used up; final
424      the run's reason       ``ModelError`` and the like: the gateway has tried and given up; final
503      unavailable            the bus or the gateway is away; ask again
504      Timeout                the run's deadline has passed; final
=======  =====================  ==========================================================================

Client libraries repeat 408, 409, 429 and everything above 499 by themselves; what is final here has been repeated by the gateway already,
or must not be, so it has none of those.

After the first chunk an error is a last event ``data: {"error": …}`` without ``[DONE]``.
"""

from __future__ import annotations

import hmac
import json
import secrets
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from pathlib import Path
from typing import Any

from sympozium_core.bridge.http_server import HttpRequest, HttpResponse, HttpServer
from sympozium_core.bridge.model_calls import Frame, ModelCalls
from sympozium_core.errors import BudgetExceeded, SympoziumError, Temporary
from sympozium_core.ipc import layout
from sympozium_core.ipc.documents import parse_object
from sympozium_core.ipc.files import FileRefused, Root
from sympozium_core.ipc.task import ModelEndpoint as Address

MAX_BODY = 8 * 1024 * 1024
_JSON = {"content-type": "application/json"}
_EVENTS = {"content-type": "text/event-stream", "cache-control": "no-store", "transfer-encoding": "chunked"}


class ModelEndpoint:
    def __init__(self, calls: ModelCalls, model: str) -> None:
        self._calls = calls
        self._model = model
        self._token = ""
        self._server = HttpServer(self._answer, max_body=MAX_BODY)

    async def listen(self, where: str, agent: Root) -> Address:
        """`where` is ``unix``, for a socket in the agent's volume, or ``host:port``. Returns what the agent's task says of it.

        A socket in the agent's own volume needs no token: nobody else has the volume. A port is open to the whole machine, or the whole pod.
        """
        if where == "unix":
            agent.remove(layout.MODEL_SOCKET)
            # By descriptor: the path may be longer than the 107 bytes that a socket's name can have, and the agent could swap it.
            await self._server.listen_unix(Path(f"/proc/self/fd/{agent.descriptor}/{layout.MODEL_SOCKET}"))
            return Address(f"http://127.0.0.1:{layout.MODEL_PORT}/v1", self._model)
        self._token = secrets.token_urlsafe(24)
        host, _, port = where.rpartition(":")
        bound = await self._server.listen_tcp(host, int(port))
        return Address(f"http://{host}:{bound}/v1", self._model, self._token)

    async def close(self) -> None:
        await self._server.close()

    async def _answer(self, request: HttpRequest, response: HttpResponse) -> None:
        if not self._allowed(request.headers.get("authorization", "")):
            await _fail(response, 401, "invalid_token", "the bearer token is missing or not that of task.json", retry=False)
        elif request.path == "/v1/chat/completions":
            await (self._complete if request.method == "POST" else _not_allowed)(request, response)
        elif request.path == "/v1/models":
            await (self._models if request.method == "GET" else _not_allowed)(request, response)
        else:
            await _fail(response, 404, "not_found", f"{request.path[:80]!r} is not served here", retry=False)

    def _allowed(self, authorization: str) -> bool:
        if not self._token:
            return True
        scheme, _, given = authorization.partition(" ")
        return scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), self._token.encode())

    async def _models(self, request: HttpRequest, response: HttpResponse) -> None:
        model = {"id": self._model, "object": "model", "created": 0, "owned_by": "sympozium"}
        await response.send(200, _JSON, json.dumps({"object": "list", "data": [model]}).encode())

    async def _complete(self, request: HttpRequest, response: HttpResponse) -> None:
        try:
            body = parse_object(request.body, "body")
        except FileRefused as error:
            await _fail(response, 400, "invalid_body", f"the request body {error.what}", retry=False)
            return
        streamed = body.get("stream") is True
        try:
            async with aclosing(self._calls.ask(request.body)) as items:
                await (_stream if streamed else _whole)(body, items, response)
        except SympoziumError as error:
            if not response.finished:
                await _tell(response, error)


async def _stream(body: Mapping[str, Any], items: AsyncGenerator[list[Frame], None], response: HttpResponse) -> None:
    """What came together goes out together, and the end with the last of it."""
    options = body.get("stream_options")
    wants_usage = isinstance(options, Mapping) and options.get("include_usage") is True
    head: dict[str, Any] = {}
    response.begin_with(200, _EVENTS)
    async for frames in items:
        events = []
        for frame in frames:
            chunk = frame.get("chunk")
            if chunk is None and wants_usage:
                chunk = {**head, "choices": [], "usage": frame["usage"]}
            if chunk is None:
                continue
            head = head or {name: chunk[name] for name in ("id", "object", "created", "model") if name in chunk}
            events.append(b"data: " + json.dumps(chunk, separators=(",", ":")).encode() + b"\n\n")
        if "usage" in frames[-1]:
            events.append(b"data: [DONE]\n\n")
            await response.finish(b"".join(events))
        elif events:
            await response.write(b"".join(events))


async def _whole(body: Mapping[str, Any], items: AsyncGenerator[list[Frame], None], response: HttpResponse) -> None:
    completion: Any = None
    async for frames in items:
        for frame in frames:
            completion = frame.get("completion", completion)
    await response.send(200, _JSON, json.dumps(completion).encode())


async def _not_allowed(request: HttpRequest, response: HttpResponse) -> None:
    await _fail(response, 405, "method_not_allowed", f"{request.method[:16]} is not served here", retry=False)


async def _tell(response: HttpResponse, error: SympoziumError) -> None:
    if error.reason == BudgetExceeded.reason:
        await _fail(response, 403, "budget_exceeded", str(error), retry=False)
    elif error.reason == "Timeout":
        await _fail(response, 504, "Timeout", str(error), retry=False)
    elif isinstance(error, Temporary):
        await _fail(response, 503, "unavailable", str(error), retry=True)
    else:
        await _fail(response, 424, error.reason, str(error), retry=False)


async def _fail(response: HttpResponse, status: int, code: str, message: str, *, retry: bool) -> None:
    kind = "invalid_request_error" if status < 406 and code != "budget_exceeded" else "sympozium_error"
    body = json.dumps({"error": {"message": message, "type": kind, "param": None, "code": code, "status": status}}).encode()
    if response.started:
        await response.finish(b"data: " + body + b"\n\n")
        return
    headers = {**_JSON, "x-should-retry": "true" if retry else "false"}
    await response.send(status, {**headers, "retry-after": "1"} if retry else headers, body)
