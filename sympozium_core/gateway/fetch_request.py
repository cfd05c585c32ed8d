"""What a run asks to have fetched, as a hostile agent wrote it: the call, and each URL on its way.

One reading of a URL: what `address` gives is what is checked, sent and journalled.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from yarl import URL

from sympozium_core.address_guard import literal
from sympozium_core.contracts.fetching import METHODS
from sympozium_core.errors import Permanent

MAX_URL = 4096
MAX_HEADERS = 20
MAX_HEADER = 4096
"""Characters of one value."""
MAX_BODY = 256 * 1024
USUAL_CHARS = 50_000
MAX_CHARS = 100_000
SCHEMES = ("http", "https")

_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_KEPT_BACK = re.compile(
    # Between two hops, or the client's own to say (RFC 9110 7.6.1).
    r"connection|keep-alive|proxy-.*|te|trailer|transfer-encoding|upgrade|host|content-length|expect|accept-encoding|http2-settings"
    # Who somebody is: an agent is nobody.
    r"|authorization|cookie2?|forwarded|via|x-forwarded-.*|x-real-ip|x-client-ip|true-client-ip|cf-connecting-ip"
    # Another method than the policy saw, and what clouds ask for before they hand out credentials.
    r"|x-(http-)?method(-override)?|x-rewrite-url|x-original-url|metadata|metadata-flavor|x-aws-.*|x-metadata-token",
    re.IGNORECASE,
)
_HOST_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")


class BadFetch(Permanent):
    """The call cannot be carried out as it is written; nothing was asked."""

    reason = "ToolError"


@dataclass(frozen=True)
class FetchRequest:
    call: str
    attempt: int
    url: URL
    method: str
    headers: Mapping[str, str]
    body: bytes
    max_chars: int


def read(data: bytes) -> FetchRequest:
    """The request of a `.req.fetch`: ``{attempt, call, arguments}``, the arguments as the agent gave them. Raises BadFetch."""
    try:
        told = json.loads(data)
        attempt, call, arguments = int(told["attempt"]), str(told["call"])[:64], told["arguments"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise BadFetch("a fetch is {attempt, call, arguments}") from error
    if not isinstance(arguments, Mapping):
        raise BadFetch("the arguments are not an object")
    method = arguments.get("method") or "GET"
    if method not in METHODS:
        raise BadFetch(f"method {str(method)[:20]!r} is none of {', '.join(METHODS)}")
    body = arguments.get("body") or ""
    if not isinstance(body, str) or len(body.encode(errors="replace")) > MAX_BODY:
        raise BadFetch(f"body must be text of at most {MAX_BODY} bytes")
    if body and method != "POST":
        raise BadFetch(f"a {method} has no body; use method POST")
    chars = arguments.get("maxChars", USUAL_CHARS)
    if isinstance(chars, bool) or not isinstance(chars, int | float) or not 1 <= chars <= MAX_CHARS:
        raise BadFetch(f"maxChars must be a number from 1 to {MAX_CHARS}")
    url = arguments.get("url")
    if not isinstance(url, str):
        raise BadFetch("url must be text, such as https://example.com/page")
    headers = _headers(arguments.get("headers") or {})
    return FetchRequest(call, attempt, address(url), method, headers, body.encode(errors="replace"), int(chars))


def address(text: str, base: URL | None = None) -> URL:
    """An absolute URL without user, fragment and final dot of its host; relative to `base` where there is one. Raises BadFetch."""
    if len(text) > MAX_URL:
        raise BadFetch(f"the URL has {len(text)} characters, more than {MAX_URL}")
    if any(
        character <= " " or character == "\\" or 0x7F <= ord(character) < 0xA0 or 0xD800 <= ord(character) < 0xE000
        for character in text
    ):
        raise BadFetch("the URL has blanks, control characters or backslashes; write them percent-encoded")
    try:
        url = URL(text) if base is None else base.join(URL(text))
        if url.scheme not in SCHEMES:
            raise BadFetch(f"only http and https are fetched, not {url.scheme[:20]!r}")
        if url.raw_user is not None or url.raw_password is not None:
            raise BadFetch("a URL with a user in it is not fetched")
        host = (url.raw_host or "").removesuffix(".").lower()
        literal(host)  # refuses an address that others would read as another one
        if not url.port:
            raise ValueError("has no port that could be asked")
    except ValueError as error:
        raise BadFetch(f"the URL cannot be read: {str(error)[:200]}") from None
    if ":" not in host and (len(host) > 253 or not all(_HOST_LABEL.fullmatch(label) for label in host.split("."))):
        raise BadFetch(f"{host[:100]!r} is no host's name")
    return (url if url.raw_host == host else url.with_host(host)).with_fragment(None)


def for_the_record(url: URL) -> str:
    """The URL without the values of its query, where keys of others stand: a signed link that a server answered with is one."""
    names = "&".join(f"{name[:64]}=…" for name in list(url.query)[:20])
    return f"{url.origin()}{url.raw_path[:1024]}" + (f"?{names}" if names else "")


def _headers(given: Any) -> Mapping[str, str]:
    if not isinstance(given, Mapping) or len(given) > MAX_HEADERS:
        raise BadFetch(f"headers must be an object of at most {MAX_HEADERS}")
    for name, value in given.items():
        if not _TOKEN.fullmatch(name):
            raise BadFetch(f"{name[:64]!r} is no name of a header")
        if _KEPT_BACK.fullmatch(name):
            raise BadFetch(f"the header {name} is not an agent's to send")
        if not isinstance(value, str) or len(value) > MAX_HEADER or not _VALUE.fullmatch(value):
            raise BadFetch(f"the header {name} must be text of at most {MAX_HEADER} characters, without line breaks")
    return {name.lower(): value for name, value in given.items()}
