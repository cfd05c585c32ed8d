"""A body as it came, made into what a model can read: decompressed within bounds, decoded, HTML as text."""

from __future__ import annotations

import codecs
import json
import re
import zlib
from dataclasses import dataclass

from sympozium_core.gateway.readable import readable

_TEXT = re.compile(
    r"text/.*|application/(.*\+)?(json|xml|yaml|x-yaml|javascript|x-javascript|ecmascript|x-ndjson|toml|x-www-form-urlencoded|graphql|sql|x-sh)"
    r"|image/svg\+xml"
)
_HTML = ("text/html", "application/xhtml+xml")
_CHARSETS = re.compile(r"utf-8(-sig)?|utf-16(-[lb]e)?|ascii|(iso8859|iso2022_jp|koi8|cp|mac|euc|shift|gb|big5|johab|hz).*")
"""By Python's names. Others are no charsets of pages, and some are dear to decode."""
_DECLARED = re.compile(rb"<meta[^>]{0,200}?charset=[\"']?([A-Za-z0-9_.:-]{1,40})", re.IGNORECASE)
_SNIFFED = 1024


class Unreadable(Exception):
    """A body that breaks its own encoding."""


class Inflating:
    """Takes a body piece by piece and gives what it says, never more than was left of `most`: a small body may say a lot."""

    def __init__(self, encoding: str, most: int) -> None:
        """Raises Unreadable for an encoding that was not asked for."""
        if encoding not in ("", "identity", "gzip", "x-gzip", "deflate"):
            raise Unreadable(f"is encoded as {encoding[:40]!r}, which was not asked for")
        self._encoding, self._left = encoding, most
        self._decoder = zlib.decompressobj(16 + zlib.MAX_WBITS) if encoding.endswith("gzip") else None
        self.body = bytearray()
        self.cut = False

    def add(self, piece: bytes) -> None:
        """Raises Unreadable. Once `cut`, there is no use in more."""
        if self._encoding == "deflate" and self._decoder is None and piece:
            # RFC 9110 means zlib's format; some servers send it bare. The first byte tells.
            self._decoder = zlib.decompressobj(zlib.MAX_WBITS if piece[0] & 0x0F == 8 else -zlib.MAX_WBITS)
        try:
            found = self._decoder.decompress(piece, self._left + 1) if self._decoder is not None else piece[: self._left + 1]
        except zlib.error as error:
            raise Unreadable(f"is not the {self._encoding} that it says it is") from error
        self.cut = self.cut or len(found) > self._left
        self.body += found[: self._left]
        self._left -= min(len(found), self._left)


@dataclass(frozen=True)
class Page:
    text: str | None
    """None for what is no text."""
    kind: str
    """The media type without parameters, in lower case; empty where the server named none."""


def page(body: bytes, content_type: str, method: str) -> Page:
    """Pure, and linear in the size of the body. For a thread: a large page takes a moment."""
    kind, _, parameters = content_type.partition(";")
    kind = kind.strip().lower()[:100]
    if kind and not _TEXT.fullmatch(kind):
        return Page(None if body else "", kind)
    named = re.search(r"charset=[\"']?([A-Za-z0-9_.:-]{1,40})", parameters, re.IGNORECASE)
    if not kind and not named and not _looks_like_text(body):
        return Page(None if body else "", kind)
    text = _decoded(body, named[1] if named else "", html=kind in _HTML)
    if kind in _HTML:
        text = readable(text)
    elif kind == "application/json" and method != "HEAD":
        text = _whole_json(text)
    return Page(text, kind)


def _whole_json(text: str) -> str:
    """As it came; where it is one long line, with line breaks, so that a part of it can be read."""
    if "\n" in text.strip() or len(text) < 1000:
        return text
    try:
        return json.dumps(json.loads(text), ensure_ascii=False, indent=1)
    except (ValueError, RecursionError):
        return text


def _looks_like_text(body: bytes) -> bool:
    head = body[:_SNIFFED]
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return b"\0" not in head


def _decoded(body: bytes, charset: str, *, html: bool) -> str:
    if not charset and html and (declared := _DECLARED.search(body, 0, 4 * _SNIFFED)):
        charset = declared[1].decode("ascii")
    for mark, name in ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be")):
        if body.startswith(mark):
            return body[len(mark) :].decode(name, "replace")
    try:
        name = codecs.lookup(charset or "utf-8").name
    except (LookupError, ValueError):
        name = "utf-8"
    return body.decode(name if _CHARSETS.fullmatch(name) else "utf-8", "replace")
