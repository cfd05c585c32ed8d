"""The provider `replay`: plays a cassette, and records it first where it says from which model."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, cast

from sympozium_core.contracts.provider import ChatRequest, Chunk, Endpoint, Provider, ProviderContext, ProviderError
from sympozium_provider_replay.cassette import Source
from sympozium_provider_replay.location import locate

if TYPE_CHECKING:
    from sympozium_provider_replay.cassette import RecordedAnswer
    from sympozium_provider_replay.conversation import Asked
    from sympozium_provider_replay.tape import Tape

MAX_TAPES = 64


class ReplayProvider(Provider):
    """Answers from a file. A key is needed only while recording, and only if the recorded provider needs one."""

    needs_credentials: ClassVar[bool] = False
    local: ClassVar[bool] = True

    async def open(self, context: ProviderContext) -> None:
        # Loads PyYAML.
        from sympozium_provider_replay import tape  # noqa: F401

        await super().open(context)
        self._tapes: dict[str, Tape] = {}

    async def chat(self, endpoint: Endpoint, request: ChatRequest) -> AsyncGenerator[Chunk, None]:
        from sympozium_provider_replay.conversation import plain_request

        tape = self._tape(endpoint)
        asked = plain_request(request.body)
        async with aclosing(self._chunks(tape, asked, endpoint, request)) as chunks:
            async for chunk in chunks:
                yield chunk

    async def _chunks(self, tape: Tape, asked: Asked, endpoint: Endpoint, request: ChatRequest) -> AsyncGenerator[Chunk, None]:
        from sympozium_provider_replay.player import play

        cassette = await tape.cassette()
        number = tape.find(asked, request.run_uid)
        if number is not None:
            entry = cassette.entries[number]
            model = cassette.recorded.model if cassette.recorded else endpoint.model
            chunks = play(
                entry.answer, number=number, model=model, pause=entry.pause or cassette.pause, timeout=request.timeout
            )
        elif cassette.record is not None and cassette.recordable_by(request.run_uid):
            chunks = self._record(tape, cassette.record, asked, endpoint, request)
        else:
            raise tape.differs(asked, request.run_uid)
        async with aclosing(chunks):
            async for chunk in chunks:
                yield chunk

    async def _record(
        self, tape: Tape, source: Source, asked: Asked, endpoint: Endpoint, request: ChatRequest
    ) -> AsyncGenerator[Chunk, None]:
        """Passes the live model's chunks on and keeps the whole answer, before the caller learns that it is over."""
        from sympozium_provider_replay.recorder import Recorder

        if not request.run_uid:
            raise ProviderError("refused", "only a run can record a cassette")
        if tape.recording_run not in ("", request.run_uid):
            raise ProviderError(
                "refused", f"cassette {tape.path} is being recorded by another run", hint="try again when it is over"
            )
        tape.recording_run = request.run_uid
        recorder = Recorder()
        try:
            live = await self.context.provider(source.provider)
            asking = live.chat(replace(endpoint, model=source.model, base_url=source.base_url), request)
            async with aclosing(cast("AsyncGenerator[Chunk, None]", asking)) as chunks:
                async for chunk in chunks:
                    recorder.chunk(chunk)
                    yield chunk
            answer = recorder.answer()
            _no_key(asked, answer, endpoint)
            await tape.append(asked, answer, request.run_uid)
        finally:
            tape.recording_run = ""

    def _tape(self, endpoint: Endpoint) -> Tape:
        from sympozium_provider_replay.tape import Tape

        path = locate(endpoint, self.context.data_dir)
        tape = self._tapes.pop(str(path), None) or Tape(path)
        self._tapes[str(path)] = tape
        while len(self._tapes) > MAX_TAPES:
            self._tapes.pop(next(iter(self._tapes)))
        return tape


def _no_key(asked: Asked, answer: RecordedAnswer, endpoint: Endpoint) -> None:
    """No pod holds a key, so none should be in a conversation; if one is, it does not reach the file."""
    said = f"{asked}{answer}"
    if any(len(secret) >= 8 and secret.strip() in said for secret in endpoint.credentials.values()):
        raise ProviderError("refused", "the conversation contains the model's key; it was not recorded", hint="change the key")
