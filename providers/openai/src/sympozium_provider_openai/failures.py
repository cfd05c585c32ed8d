"""What a vendor says when it does not answer, as a ProviderError: which family, in whose words, without a key.

Error bodies: OpenAI https://platform.openai.com/docs/guides/error-codes; the same object with other `code` values comes from Azure
OpenAI, vLLM, OpenRouter, LM Studio and llama-server; a bare string under `error` from Ollama and from LM Studio.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from email.utils import parsedate_to_datetime
from typing import Any

from sympozium_core.contracts.provider import Failure, ProviderError

MAX_TEXT = 500
"""Characters of a vendor's own words that are passed on."""
MAX_RETRY_AFTER = 3600.0

_KEY_SHAPES = re.compile(r"\b(?:sk|pk|rk|key|xai|gsk)-[\w*.-]{4,}|\bBearer\s+\S+", re.IGNORECASE)
_NO_MONEY = ("insufficient_quota", "billing_hard_limit_reached", "billing_not_active", "credit_balance_too_low")
_BY_TYPE: tuple[tuple[str, Failure], ...] = (
    ("rate_limit", "rate_limited"),
    ("too_many_requests", "rate_limited"),
    ("tokens", "rate_limited"),
    ("requests", "rate_limited"),
    ("authentication", "auth"),
    ("permission", "auth"),
    ("invalid_api_key", "auth"),
    ("timeout", "timeout"),
    ("overloaded", "unavailable"),
    ("server_error", "unavailable"),
    ("invalid_request", "refused"),
    ("badrequest", "refused"),
    ("not_found", "refused"),
    ("context_length", "refused"),
    ("content_filter", "refused"),
)


class Redactor:
    """Takes the key out of words that are not ours: servers quote the key that they refuse."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self._secrets = sorted({s for s in secrets if len(s) >= 4}, key=len, reverse=True)

    def __call__(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "[key]")
        text = _KEY_SHAPES.sub("[key]", text)
        text = " ".join("".join(c if c.isprintable() else " " for c in text[: 4 * MAX_TEXT]).split())
        return text if len(text) <= MAX_TEXT else text[:MAX_TEXT] + "…"


def from_status(status: int, headers: Mapping[str, str], body: bytes, where: str, redact: Redactor) -> ProviderError:
    """An answer whose HTTP status is not a success."""
    words, code = _words(body)
    said = f"{where} answered {status}" + (f": {redact(words)}" if words else "")
    failure = _by_status(status)
    retry_after = _retry_after(headers) if failure in ("rate_limited", "unavailable") else None
    if code in _NO_MONEY or status == 402:
        return ProviderError("refused", said, status=status, hint="check the plan and the billing of this key")
    return ProviderError(failure, said, status=status, retry_after=retry_after, hint=_hint(failure, status, code, words))


def from_error(error: object, where: str, redact: Redactor) -> ProviderError:
    """An error object in a stream that began well, or in the body of a 200. `error` is the value of the key ``error``."""
    fields = error if isinstance(error, Mapping) else {}
    words = str(fields.get("message") or "") if fields else str(error)
    code, kind = fields.get("code"), str(fields.get("type") or "")
    said = f"{where} broke off" + (f": {redact(words)}" if words else "")
    status = int(code) if isinstance(code, int | str) and str(code).isdigit() else 0
    if code in _NO_MONEY or status == 402:
        return ProviderError("refused", said, hint="check the plan and the billing of this key")
    if 400 <= status < 600:
        return ProviderError(_by_status(status), said, status=status)
    if "unexpected endpoint" in words.lower():
        # LM Studio says so with status 200.
        return ProviderError("refused", said, hint="check the base URL; it often ends in /v1")
    marks = f"{code or ''} {kind}".lower()
    failure: Failure = next((failure for mark, failure in _BY_TYPE if mark in marks), "unavailable")
    return ProviderError(failure, said, hint=_hint(failure, 0, str(code or ""), words))


def _by_status(status: int) -> Failure:
    if status in (401, 403):
        return "auth"
    if status == 429:
        return "rate_limited"
    if status in (408, 504):
        return "timeout"
    if status >= 500 or status in (409, 425):
        return "unavailable"
    return "refused"


def _hint(failure: Failure, status: int, code: str, words: str) -> str:
    if failure == "auth":
        return "check the key in the Secret, and that it may use this model"
    if code == "context_length_exceeded" or "maximum context length" in words:
        return "the conversation is longer than the model takes; lower the run's context limit or use a larger model"
    if status == 404:
        return "check the model's name and the base URL"
    return ""


def _words(body: bytes) -> tuple[str, str]:
    """The vendor's message and code, from any of the shapes in use; for anything else the title of the page or the text's beginning."""
    try:
        data: Any = json.loads(body)
    except ValueError:
        return _plain(body), ""
    error = data.get("error", data) if isinstance(data, dict) else data
    if isinstance(error, dict):
        words = error.get("message") or error.get("detail") or ""
        return words if isinstance(words, str) else json.dumps(words)[:MAX_TEXT], str(error.get("code") or "")
    return str(error), ""


def _plain(body: bytes) -> str:
    text = body[:8192].decode("utf-8", "replace")
    if "<html" in text.lower() or "<!doctype" in text.lower():
        title = re.search(r"<title[^>]*>(.*?)</title>", text, re.IGNORECASE | re.DOTALL)
        return f"a web page{': ' + title.group(1) if title else ''}"
    return text


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds, from ``retry-after-ms`` (OpenAI, Azure) or ``retry-after`` (seconds or a date, RFC 9110 section 10.2.3)."""
    try:
        if "retry-after-ms" in headers:
            seconds = float(headers["retry-after-ms"]) / 1000
        elif "retry-after" in headers:
            seconds = _seconds(headers["retry-after"], headers.get("date", ""))
        else:
            return None
    except (ValueError, TypeError):
        return None
    return min(seconds, MAX_RETRY_AFTER) if seconds >= 0 else None


def _seconds(value: str, date: str) -> float:
    """A date is read against the server's own clock, the ``date`` header, because ours may differ."""
    if value.strip().replace(".", "", 1).isdigit():
        return float(value)
    return max(0.0, (parsedate_to_datetime(value) - parsedate_to_datetime(date)).total_seconds())
