"""`.req.fetch`: one page for a run, on record before anything of it leaves and again when it has come; counted here, whatever the pod says.

The reply is one item of JSON, ``{"status", "content", "truncated", "artifact"}``, as the tool's result has them, and where `artifact` names a file
the bytes of it.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from typing import Any

from sympozium_core.errors import BudgetExceeded, Permanent, Temporary
from sympozium_core.gateway.fetch_request import MAX_CHARS, FetchRequest, for_the_record, read
from sympozium_core.gateway.fetcher import SECONDS, Fetched, Fetcher, FetchFailed, Trail
from sympozium_core.gateway.page import Page, page
from sympozium_core.gateway.record import ModelRecord
from sympozium_core.gateway.state import RunState
from sympozium_core.gateway.target import FetchTarget, ResolveFetch

AT_ONCE = 64
"""Fetches of all runs together that are under way; each holds a few MiB."""
AT_ONCE_OF_ONE = 8
_NAME = re.compile(r"[^A-Za-z0-9_.-]+")


class Fetches:
    """One a gateway; `answer` is its handler of calls."""

    def __init__(self, resolve: ResolveFetch, fetcher: Fetcher) -> None:
        self._resolve, self._fetcher = resolve, fetcher
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._of_run: Counter[str] = Counter()

    async def answer(self, uid: str, data: bytes, deadline: float, state: RunState) -> AsyncIterator[bytes]:
        """Raises BadFetch, BudgetExceeded, Permanent for a call of an attempt that is over, Temporary when too many are under way."""
        request = read(data)
        target = await self._resolve(uid, request.attempt)
        if request.attempt != target.attempt:
            raise Permanent(
                f"attempt {request.attempt} of the run is over; attempt {target.attempt} goes on", reason="InfrastructureError"
            )
        if self._of_run[uid] >= AT_ONCE_OF_ONE:
            raise Temporary(
                f"{AT_ONCE_OF_ONE} pages are being fetched for this run already", hint="wait for one of them", after=1.0
            )
        self._of_run[uid] += 1
        try:
            async with self._slots:
                for item in await _Fetch(self._fetcher, request, target, state).carry(min(deadline, target.deadline)):
                    yield item
        finally:
            self._of_run[uid] -= 1
            if not self._of_run[uid]:
                del self._of_run[uid]


class _Fetch:
    def __init__(self, fetcher: Fetcher, request: FetchRequest, target: FetchTarget, state: RunState) -> None:
        self._fetcher, self._request, self._target, self._state = fetcher, request, target, state
        self._trail = Trail(request.url)
        self._started = time.monotonic()

    async def carry(self, deadline: float) -> list[bytes]:
        """The items of the reply."""
        request = self._request
        await self._state.append(self._request_entry, attempt=request.attempt)
        try:
            if self._target.policy is None:
                raise FetchFailed(
                    "refused", "this run may fetch nothing", hint="its policy lists what may be fetched, or denies it"
                )
            seconds = min(SECONDS, deadline - time.time())
            fetched = await self._fetcher.fetch(request, self._target.policy, self._trail, seconds)
            found = await asyncio.to_thread(page, fetched.body, fetched.content_type, fetched.method)
        except FetchFailed as failed:
            await self._record(failure=failed.how, message=failed.message)
            status = {"refused": "denied", "failed": "error", "timeout": "timeout"}[failed.how]
            return [_item(status, f"{request.url.host} was not fetched: {failed}" if failed.how == "refused" else str(failed))]
        except BaseException:
            await asyncio.shield(self._record(failure="failed", message="given up: nobody waited for it any more"))
            raise
        await self._record(
            status=fetched.status, bytes=len(fetched.body), truncated=fetched.cut, contentType=found.kind, method=fetched.method
        )
        return _told(fetched, found, request.max_chars)

    def _request_entry(self, record: ModelRecord) -> Mapping[str, Any]:
        most = self._target.limits.max_fetches
        if record.fetches >= most:
            raise BudgetExceeded(f"the run has fetched {record.fetches} times, of {most} that it may (limits.maxFetches)")
        request = self._request
        return {
            "type": "fetch.request",
            "call": request.call,
            "method": request.method,
            "url": for_the_record(request.url),
            "sent": len(request.body),
        }

    async def _record(self, **told: Any) -> None:
        trail = self._trail
        entry = {
            "type": "fetch.answer",
            "call": self._request.call,
            "url": for_the_record(trail.url),
            "redirects": trail.redirects,
            "address": trail.address,
            "durationMs": round((time.monotonic() - self._started) * 1000, 1),
            **told,
        }
        await self._state.append(lambda record: entry, attempt=self._request.attempt)


def _told(fetched: Fetched, found: Page, max_chars: int) -> list[bytes]:
    """What the model reads, and the file where it is none to read."""
    head = (
        f"HTTP {fetched.status} {fetched.reason}".rstrip()
        + f"\nURL: {fetched.url}\nContent-Type: {fetched.content_type or 'not said'}\n\n"
    )
    if found.text is None:
        name = _file_name(fetched)
        size = f"{'the first ' if fetched.cut else ''}{len(fetched.body)} bytes"
        text = f"{head}This is no text. The file {name} has {size} of it."
        return [_item("ok", text, truncated=fetched.cut, artifact=name), fetched.body]
    text, notes = found.text, []
    if len(text) > max_chars:
        more = f"; ask for more with maxChars, up to {MAX_CHARS}" if max_chars < MAX_CHARS else ""
        notes.append(f"cut: these are the first {max_chars} of {len(text)} characters{more}")
        text = text[:max_chars]
    if fetched.cut:
        notes.append(f"the page is longer than the {len(fetched.body)} bytes that were read of it")
    return [_item("ok", head + text + "".join(f"\n\n[{note}]" for note in notes), truncated=bool(notes))]


def _file_name(fetched: Fetched) -> str:
    last = fetched.url.path.rpartition("/")[2]
    return _NAME.sub("-", last).strip("-.")[-48:].lstrip("-.") or "body"


def _item(status: str, content: str, *, truncated: bool = False, artifact: str | None = None) -> bytes:
    told = {"status": status, "content": content, "truncated": truncated, "artifact": artifact}
    return json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
