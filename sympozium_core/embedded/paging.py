"""Pages of one list, all of one moment: what is left of a list is kept, under the token that the client brings back.

Entries never change, so a kept list is a list of references. Few lists are kept, and not for long; a token that came too late is
answered with Gone, as by a real API server after its compaction.
"""

from __future__ import annotations

import base64
import json
import secrets
from collections import OrderedDict
from dataclasses import dataclass

from sympozium_core.clock import Clock
from sympozium_core.contracts.cluster import BadRequest, Gone
from sympozium_core.embedded.entries import Entry
from sympozium_core.embedded.watches import Query

KEPT = 64
KEPT_SECONDS = 300.0


@dataclass(frozen=True)
class Page:
    entries: list[Entry]
    revision: int
    token: str = ""
    remaining: int = 0


@dataclass(frozen=True)
class _Kept:
    query: Query
    entries: list[Entry]
    revision: int
    until: float


class Pager:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._kept: OrderedDict[str, _Kept] = OrderedDict()

    def first(self, query: Query, entries: list[Entry], revision: int, limit: int) -> Page:
        if not limit or len(entries) <= limit:
            return Page(entries, revision)
        name = secrets.token_hex(8)
        self._kept[name] = _Kept(query, entries, revision, self._clock.monotonic() + KEPT_SECONDS)
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return self._page(name, 0, limit)

    def next(self, query: Query, token: str, limit: int) -> Page:
        """Raises BadRequest for a token that is none, Gone for one that is no longer served."""
        name, start = _parse(token)
        self._drop_old()
        kept = self._kept.get(name)
        if kept is None:
            raise Gone(
                "the provided continue parameter is too old to display a consistent list result", hint="start the list again"
            )
        if kept.query != query:
            raise BadRequest("the continue token belongs to a list with other parameters")
        return self._page(name, start, limit)

    def _page(self, name: str, start: int, limit: int) -> Page:
        kept = self._kept[name]
        stop = start + limit if limit else len(kept.entries)
        remaining = max(0, len(kept.entries) - stop)
        return Page(kept.entries[start:stop], kept.revision, _token(name, stop) if remaining else "", remaining)

    def _drop_old(self) -> None:
        now = self._clock.monotonic()
        while self._kept and next(iter(self._kept.values())).until < now:
            self._kept.popitem(last=False)


def _token(name: str, start: int) -> str:
    return base64.urlsafe_b64encode(json.dumps([name, start]).encode()).decode()


def _parse(token: str) -> tuple[str, int]:
    try:
        name, start = json.loads(base64.b64decode(token.encode(), altchars=b"-_", validate=True))
        if not isinstance(name, str) or not isinstance(start, int) or start < 0:
            raise ValueError("another form")
    except (ValueError, TypeError, RecursionError) as error:
        raise BadRequest("the continue token is malformed", hint="start the list again") from error
    return name, start
