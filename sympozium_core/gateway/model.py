"""The gateway: answers `.req.model`, `.req.replay`, `.req.artifact` and, where it is handed who does, `.req.fetch` and others of every run."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing
from functools import partial
from types import MappingProxyType
from typing import Any

from sympozium_core.bus import subjects
from sympozium_core.bus.calls import CallRequest, Handler, Server, serve
from sympozium_core.bus.journal import FAILURE_BUDGET
from sympozium_core.clock import Clock
from sympozium_core.contracts.bus import Bus
from sympozium_core.contracts.provider import Chunk, ProviderError
from sympozium_core.errors import BudgetExceeded, Permanent, SympoziumError, Temporary
from sympozium_core.gateway import answer, artifact, replay
from sympozium_core.gateway.ahead import Ahead
from sympozium_core.gateway.answer import Answer
from sympozium_core.gateway.asking import ask
from sympozium_core.gateway.body import BadBody, call_key, canonical, clean_body
from sympozium_core.gateway.joining import joined
from sympozium_core.gateway.record import ModelRecord, Recorded
from sympozium_core.gateway.state import RunState, RunStates
from sympozium_core.gateway.target import ModelTarget, Providers, Resolve

QUEUE = "gateway"

Answers = Callable[[str, bytes, float], AsyncIterator[bytes]]
"""By a run's UID, what was asked, and until when."""
Fetch = Callable[[str, bytes, float, RunState], AsyncIterator[bytes]]
"""As `Answers`, with the run's state, in which it is counted: `fetch.Fetches.answer`."""


class Gateway:
    """One per process; any number of processes share the work. `start` once, `close` once."""

    def __init__(
        self,
        bus: Bus,
        resolve: Resolve,
        providers: Providers,
        clock: Clock,
        fetch: Fetch | None = None,
        others: Mapping[str, Answers] = MappingProxyType({}),
    ) -> None:
        """Without `fetch`, nobody answers `.req.fetch` here. `others` answer further calls, by what stands behind ``.req.``."""
        self._bus = bus
        self._resolve = resolve
        self._providers = providers
        self._clock = clock
        self._fetch = fetch
        self._others = others
        self._states = RunStates(bus)
        self._servers: list[Server] = []

    async def start(self) -> None:
        """Returns when calls are answered."""
        handlers: dict[str, Handler] = {
            subjects.MODEL: self._model,
            subjects.REPLAY: self._replay,
            subjects.ARTIFACT: self._artifact,
        }
        if self._fetch is not None:
            handlers[subjects.FETCH] = partial(self._fetched, self._fetch)
        handlers |= {what: partial(_passed_on, answers) for what, answers in self._others.items()}
        for what, handler in handlers.items():
            self._servers.append(await serve(self._bus, subjects.request("*", what), handler, queue=QUEUE))

    async def close(self) -> None:
        """Ends calls that are under way with a temporary error."""
        for server in self._servers:
            await server.close()

    async def _model(self, request: CallRequest) -> AsyncIterator[bytes]:
        call = await self._call(request)
        async with aclosing(joined(call.frames())) as batches:
            async for frames in batches:
                yield json.dumps(frames, separators=(",", ":")).encode()

    async def _call(self, request: CallRequest) -> _Call:
        uid = subjects.uid_of(request.subject)
        try:
            told = json.loads(request.data)
            attempt, ordinal, body = int(told["attempt"]), int(told.get("ordinal", 0)), told["body"]
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise BadBody("a model call is {attempt, ordinal, body}") from error
        target = await self._resolve(uid, attempt)
        if attempt != target.attempt:
            raise Permanent(
                f"attempt {attempt} of the run is over; attempt {target.attempt} goes on", reason="InfrastructureError"
            )
        clean = clean_body(body, target.endpoint.model)
        return _Call(self, uid, target, clean, call_key(clean, ordinal), request.deadline, body.get("stream") is True)

    async def _replay(self, request: CallRequest) -> AsyncIterator[bytes]:
        uid = subjects.uid_of(request.subject)
        yield json.dumps(await replay.replay(self._bus, uid, self._states.get(uid)), separators=(",", ":")).encode()

    async def _artifact(self, request: CallRequest) -> AsyncIterator[bytes]:
        yield json.dumps(await artifact.keep(self._bus, subjects.uid_of(request.subject), request.data)).encode()

    async def _fetched(self, fetch: Fetch, request: CallRequest) -> AsyncIterator[bytes]:
        uid = subjects.uid_of(request.subject)
        async for item in fetch(uid, request.data, request.deadline, self._states.get(uid)):
            yield item

    async def ask(self, target: ModelTarget, body: Mapping[str, Any], uid: str, deadline: float) -> AsyncGenerator[Chunk, None]:
        """Chunks from the run's provider, retries included. Raises ProviderError, or what `providers.get` raises."""
        provider = await self._providers.get(target.provider, target.private)
        until = min(deadline, target.deadline)
        async with aclosing(ask(provider, target.endpoint, body, uid=uid, deadline=until, clock=self._clock)) as chunks:
            async for chunk in chunks:
                yield chunk

    def state(self, uid: str) -> RunState:
        return self._states.get(uid)


async def _passed_on(answers: Answers, request: CallRequest) -> AsyncIterator[bytes]:
    async for item in answers(subjects.uid_of(request.subject), request.data, request.deadline):
        yield item


class _Call:
    """One model call: from the record when it has an answer, else from the provider, with the answer on record before its last chunk."""

    def __init__(
        self,
        gateway: Gateway,
        uid: str,
        target: ModelTarget,
        body: Mapping[str, Any],
        call: str,
        deadline: float,
        streamed: bool,
    ) -> None:
        self._gateway = gateway
        self._uid = uid
        self._target = target
        self._body = body
        self._call = call
        self._deadline = deadline
        self._streamed = streamed
        self._state = gateway.state(uid)
        self._sent = self._begun = False
        self._started = time.monotonic()

    async def frames(self) -> AsyncGenerator[dict[str, Any], None]:
        """A call that is new by all that this gateway knows is asked while it goes on record: disk and model take their time together.
        Nothing of the answer is handed on before the call is there, and an answer that another gateway has put there counts instead of ours.

        Raises BudgetExceeded for a call that is new when a limit of the run is reached."""
        async with aclosing(self._chunks()) as chunks:
            if isinstance(chunks, Ahead):
                await chunks.under_way()
            try:
                new = await self._append(self._request_entry)
            except BudgetExceeded as exceeded:
                raise await self._failed(exceeded) from None
            if new:
                async for frame in self._asked(chunks):
                    yield frame
        if not new:
            async for frame in self._from_record():
                yield frame

    def _chunks(self) -> AsyncGenerator[Chunk, None] | Ahead[Chunk]:
        chunks = self._gateway.ask(self._target, self._body, self._uid, self._deadline)
        new = self._state.is_new(self._call) and not self._state.record.exceeded(self._target.limits)
        return Ahead(chunks) if new else chunks

    async def _asked(self, chunks: AsyncIterator[Chunk]) -> AsyncGenerator[dict[str, Any], None]:
        """The provider's answer to a call that is on record."""
        collected, held = Answer(), list[Chunk]()
        try:
            async for chunk in chunks:
                self._begun = True
                collected.add(chunk)
                if held or answer.is_final(chunk):
                    held.append(chunk)
                elif self._streamed and chunk["choices"]:
                    self._sent = True
                    yield {"chunk": chunk}
            finished = self._finished(collected)
        except SympoziumError as error:
            raise await self._failed(error) from error
        # Nobody may wait any more, but the answer is paid for: it goes on record all the same.
        if not await asyncio.shield(self._append(lambda record: self._answer_entry(record, finished))):
            async for frame in self._from_record(instead_of=finished):
                yield frame
            return
        for chunk in held:
            if self._streamed and chunk["choices"]:
                yield {"chunk": chunk}
        yield self._end(finished)

    async def _append(self, build: Any) -> bool:
        return await self._state.append(build, attempt=self._target.attempt)

    def _request_entry(self, record: ModelRecord) -> Mapping[str, Any] | None:
        if self._call in record.answers:
            return None
        if exceeded := record.exceeded(self._target.limits):
            raise BudgetExceeded(exceeded)
        head = {"type": "model.request", "call": self._call, "provider": self._target.provider, "model": self._body["model"]}
        return {**head, **record.request_entry(self._body["messages"])}

    def _answer_entry(self, record: ModelRecord, finished: Recorded) -> Mapping[str, Any] | None:
        if self._call in record.answers:
            return None
        return {
            "type": "model.answer",
            "call": self._call,
            "message": finished.message,
            "finishReason": finished.finish_reason,
            "usage": finished.usage,
            "durationMs": round((time.monotonic() - self._started) * 1000, 1),
            "replayed": False,
        }

    def _finished(self, collected: Answer) -> Recorded:
        usage = collected.usage(lambda: len(canonical(self._body))).entry()
        return Recorded(collected.message(), collected.finish_reason, usage, self._target.attempt)

    async def _from_record(self, instead_of: Recorded | None = None) -> AsyncGenerator[dict[str, Any], None]:
        recorded = self._state.record.answers[self._call]
        if instead_of is not None and self._sent:
            # Another gateway was quicker, and the caller has half of an answer that will not count.
            raise Temporary("another gateway has answered this call; ask again for its answer")
        if instead_of is None and recorded.attempt < self._target.attempt:
            nothing = answer.Usage(0, 0).entry()
            entry = {"type": "model.answer", "call": self._call, "message": recorded.message, "usage": nothing}
            end = {"finishReason": recorded.finish_reason, "durationMs": 0, "replayed": True}
            await self._append(lambda record: {**entry, **end})
        if self._streamed:
            for chunk in recorded.chunks(self._call, self._body["model"]):
                yield {"chunk": chunk}
        yield self._end(recorded)

    def _end(self, recorded: Recorded) -> dict[str, Any]:
        if self._streamed:
            return {"usage": answer.openai_usage(recorded.usage)}
        whole = answer.completion(self._call, self._body["model"], recorded.message, recorded.finish_reason, recorded.usage)
        return {"usage": whole["usage"], "completion": whole}

    async def _failed(self, error: SympoziumError) -> SympoziumError:
        """Puts the failure on record, and says it as the caller shall see it."""
        message = str(error)
        await self._append(
            lambda record: {"type": "model.error", "call": self._call, "failure": _failure(error), "message": message}
        )
        if isinstance(error, ProviderError):
            if error.retryable and self._begun:
                # `asking` does not repeat what it has begun to hand on; whoever has the first half may ask for the whole.
                return Temporary(f"{error.failure}: {error.message}", hint=error.hint, after=error.retry_after)
            return Permanent(f"{error.failure}: {error.message}", reason=error.reason, hint=error.hint)
        return error


def _failure(error: SympoziumError) -> str:
    """What a `model.error` on record calls it."""
    if isinstance(error, BudgetExceeded):
        return FAILURE_BUDGET
    return error.failure if isinstance(error, ProviderError) else "unavailable"
