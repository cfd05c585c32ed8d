"""Server-sent events as model servers use them (https://html.spec.whatwg.org/multipage/server-sent-events.html).

Fields `data` and `event` and comments are understood; `id` and `retry` mean nothing for a request that is never resumed. Lines end in LF
or CRLF; a lone CR, which the standard allows and no model server sends, does not end a line.
"""

from __future__ import annotations

from dataclasses import dataclass

from sympozium_provider_openai.lines import MAX_LINE, MAX_TOTAL, LineSplitter, TooLong

MAX_EVENT = 2 * MAX_LINE


@dataclass(frozen=True)
class Event:
    data: str
    name: str = ""


class EventParser:
    """Feed it bytes in any portions, get the events that are complete. Raises TooLong, and UnicodeDecodeError for what is not UTF-8."""

    def __init__(self, max_line: int = MAX_LINE, max_event: int = MAX_EVENT, max_total: int = MAX_TOTAL) -> None:
        self._splitter = LineSplitter(max_line, max_total)
        self._max_event = max_event
        self._data: list[str] = []
        self._size = 0
        self._name = ""
        self._first = True

    def feed(self, data: bytes) -> list[Event]:
        events = []
        for line in self._splitter.feed(data):
            event = self._line(line)
            if event is not None:
                events.append(event)
        return events

    def finish(self) -> list[Event]:
        """The event that only lacked its blank line at the end of the stream. A line cut in the middle is dropped, as the standard
        asks, except a final ``[DONE]``, which several servers send without a line end."""
        if self._splitter.rest().strip() in (b"data: [DONE]", b"data:[DONE]"):
            self._line(self._splitter.rest().strip())
        event = self._dispatch()
        return [event] if event is not None else []

    def _line(self, raw: bytes) -> Event | None:
        if self._first:
            self._first = False
            raw = raw.removeprefix(b"\xef\xbb\xbf")
        if not raw:
            return self._dispatch()
        name, _, value = raw.decode("utf-8").partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._size += len(value) + 1
            if self._size > self._max_event:
                raise TooLong(f"an event of more than {self._max_event} characters")
            self._data.append(value)
        elif name == "event":
            self._name = value
        return None

    def _dispatch(self) -> Event | None:
        data, name = self._data, self._name
        self._data, self._name, self._size = [], "", 0
        return Event("\n".join(data), name) if data else None
