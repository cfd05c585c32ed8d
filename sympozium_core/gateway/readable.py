"""HTML as text for a model: headings, paragraphs, lists, table rows and where links lead; no scripts, no styles.

One pass that never looks back, so a hostile page costs what its size costs. `html.parser` takes quadratic time for some of those in Pythons
that this runs on, and a parser that builds the tree which HTML prescribes takes quadratic memory.
"""

from __future__ import annotations

import html
import re

_NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9-]{0,31}")
_HREF = re.compile(r"\shref\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s>\"']+))", re.IGNORECASE)
_BLANKS = re.compile(r"[ \t\r\f\v\u00a0]+")
_UNSEEN = frozenset(
    ("script", "style", "noscript", "template", "svg", "math", "iframe", "object", "textarea", "select", "title")
)
"""Shown by no browser as text of the page; the title is told on its own."""
_BLOCKS = frozenset(
    [
        "address",
        "article",
        "aside",
        "blockquote",
        "dd",
        "details",
        "div",
        "dl",
        "dt",
        "fieldset",
        "figcaption",
        "figure",
        "footer",
        "form",
        "header",
        "hr",
        "li",
        "main",
        "nav",
        "ol",
        "p",
        "pre",
        "section",
        "summary",
        "table",
        "tbody",
        "tfoot",
        "thead",
        "tr",
        "ul",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "br",
        "option",
    ]
)
_APART = frozenset(
    ("p", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "table", "blockquote", "pre", "hr", "section", "article")
)
"""With an empty line before and after."""
_BEGIN = {"li": "\n- ", **{f"h{level}": f"\n\n{'#' * level} " for level in range(1, 7)}}
_MARKUP = re.compile(r"<(?:[a-zA-Z!?]|/[a-zA-Z])")
"""Any other ``<`` is text."""
_MAX_TAG = 16 * 1024
_MAX_LINK = 500


def readable(text: str) -> str:
    """The text of a page. What is broken is read as far as it can be; nothing raises."""
    found = _Reader(text)
    found.read()
    return found.text()


class _Reader:
    def __init__(self, source: str) -> None:
        self._source = source
        self._lower = source.lower() if len(source.lower()) == len(source) else source
        self._parts: list[str] = []
        self._links: list[str] = []
        self._title = ""
        self._gone: set[str] = set()
        """Needles that are not found in what is left: looking for them again would take quadratic time."""

    def text(self) -> str:
        lines = [_BLANKS.sub(" ", line).strip() for line in "".join(self._parts).split("\n")]
        kept: list[str] = [self._title, ""] if self._title else []
        for line in lines:
            if line or (kept and kept[-1]):
                kept.append(line)
        return "\n".join(kept).strip()

    def read(self) -> None:
        source, at = self._source, 0
        while at < len(source):
            opened = _MARKUP.search(source, at)
            self._say(source[at : opened.start() if opened else len(source)])
            at = self._markup(opened.start()) if opened else len(source)

    def _markup(self, at: int) -> int:
        """What stands at a ``<``; where to go on, always further."""
        source = self._source
        if source.startswith("<!--", at):
            return self._after("-->", at + 4)
        if source.startswith(("<!", "<?"), at):
            return self._after(">", at + 2)
        closing = source.startswith("</", at)
        name = _NAME.match(source, at + 2 if closing else at + 1)
        assert name is not None  # `_MARKUP` has seen its first letter
        end = self._tag_end(name.end())
        tag = name[0].lower()
        if closing:
            self._close(tag)
            return end
        self._open(tag, source[name.end() : min(end, name.end() + _MAX_TAG)])
        return self._skipped(tag, end) if tag in _UNSEEN else end

    def _tag_end(self, at: int) -> int:
        """Behind the ``>`` that ends a tag; one within quotes does not. A quote that is never closed is none."""
        source = self._source
        for _ in range(_MAX_TAG):
            end = min((found for found in (self._found(mark, at) for mark in ">\"'") if found >= 0), default=-1)
            if end < 0:
                return len(source)
            if source[end] == ">":
                return end + 1
            closed = source.find(source[end], end + 1, end + _MAX_TAG)
            at = closed + 1 if closed >= 0 else end + 1
        return at

    def _skipped(self, tag: str, at: int) -> int:
        end = self._found(f"</{tag}", at)
        if end < 0:
            return at if tag == "title" else len(self._source)
        if tag == "title" and not self._title:
            self._title = " ".join(html.unescape(self._source[at : min(end, at + 1000)]).split())[:300]
        return self._after(">", end)

    def _after(self, needle: str, at: int) -> int:
        found = self._found(needle, at)
        return len(self._source) if found < 0 else found + len(needle)

    def _found(self, needle: str, at: int) -> int:
        if needle in self._gone:
            return -1
        found = self._lower.find(needle, at)
        if found < 0:
            self._gone.add(needle)
        return found

    def _say(self, text: str) -> None:
        if text:
            self._parts.append(html.unescape(text).replace("\n", " "))

    def _open(self, tag: str, attributes: str) -> None:
        if tag == "a":
            found = _HREF.search(attributes[: 2 * _MAX_LINK])
            link = html.unescape(next((each for each in found.groups() if each), "") if found else "")
            self._links.append(link if len(link) <= _MAX_LINK and not link.startswith(("#", "javascript:", "data:")) else "")
            del self._links[:-8]
        elif tag in _BLOCKS:
            self._parts.append(_BEGIN.get(tag) or ("\n\n" if tag in _APART else "\n"))
        elif tag in ("td", "th"):
            self._parts.append(" | ")

    def _close(self, tag: str) -> None:
        if tag == "a" and self._links:
            if link := self._links.pop():
                self._parts.append(f" ({link})")
        elif tag in _BLOCKS:
            self._parts.append("\n\n" if tag in _APART else "\n")
