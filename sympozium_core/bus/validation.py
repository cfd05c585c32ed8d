"""What every implementation refuses before it touches the wire: subjects and headers are protocol text, and a line end in one is an injection."""

from __future__ import annotations

import re
from collections.abc import Mapping

from sympozium_core.bus import subjects
from sympozium_core.contracts.bus import BusDenied, PayloadTooLarge
from sympozium_core.errors import Permanent

_SUBJECT = re.compile(r"[A-Za-z0-9_$:/=@+~-]{1,200}(\.[A-Za-z0-9_$:/=@+~-]{1,200}){0,31}")
_PATTERN = re.compile(r"(?:\*|[A-Za-z0-9_$:/=@+~-]{1,200})(\.(?:\*|[A-Za-z0-9_$:/=@+~-]{1,200})){0,31}(\.>)?")
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
MAX_SUBJECT = 512
MAX_HEADERS = 16 * 1024
MAX_MESSAGE_ID = 256
MAX_OBJECT_NAME = 512


def check_subject(subject: str) -> None:
    if len(subject) > MAX_SUBJECT or not _SUBJECT.fullmatch(subject):
        raise Permanent(f"{subject[:80]!r} is not a subject", hint="tokens of letters, digits, - and _, joined by dots")


def check_pattern(pattern: str) -> None:
    if pattern != ">" and (len(pattern) > MAX_SUBJECT or not _PATTERN.fullmatch(pattern)):
        raise Permanent(f"{pattern[:80]!r} is not a subject or a pattern of subjects", hint="* is one token, > the rest")


def check_stored(subject: str) -> None:
    """Only journal subjects are stored."""
    check_subject(subject)
    if not subjects.is_stored(subject):
        raise BusDenied(f"{subject} is not a journal subject, nothing is stored on it")


def check_not_stored(subject: str) -> None:
    """A message on a journal subject is appended, with its outcome; publishing there would store without saying so."""
    check_subject(subject)
    if subjects.is_stored(subject):
        raise BusDenied(f"{subject} is a journal subject: append to it")


def check_filter(pattern: str) -> tuple[str, str]:
    """The UID and writer of a filter of stored subjects."""
    check_pattern(pattern)
    try:
        return subjects.journal_filter(pattern)
    except ValueError as error:
        raise Permanent(str(error)) from error


def check_headers(headers: Mapping[str, str] | None) -> None:
    if not headers:
        return
    size = 0
    for name, value in headers.items():
        size += len(name) + len(value) + 4
        if not name or not name.isascii() or not name.isprintable() or ":" in name or " " in name:
            raise Permanent(f"{name[:80]!r} is not a header name")
        if name.lower().startswith("nats-"):
            raise Permanent(f"header {name[:80]} is the server's own")
        if not value.isascii() or any(character in value for character in "\r\n\0"):
            raise Permanent(f"header {name[:80]} has a value that is not one line of ASCII")
    if size > MAX_HEADERS:
        raise PayloadTooLarge(f"headers of {size} bytes are longer than {MAX_HEADERS}")


def check_payload(data: bytes, most: int) -> None:
    if len(data) > most:
        raise PayloadTooLarge(
            f"a message of {len(data)} bytes is longer than the {most} that the bus carries", hint="cut it into frames"
        )


def check_message_id(message_id: str) -> None:
    if len(message_id) > MAX_MESSAGE_ID or not message_id.isascii() or not (message_id.isprintable()):
        raise Permanent(f"a message id is at most {MAX_MESSAGE_ID} printable ASCII characters")


def check_consumer(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise Permanent(f"{name[:80]!r} is not a consumer's name", hint="letters, digits, - and _, at most 64")


def check_object_name(name: str) -> None:
    if not 0 < len(name) <= MAX_OBJECT_NAME or not name.isprintable():
        raise Permanent(f"{name[:80]!r} is not an artifact's name", hint=f"1 to {MAX_OBJECT_NAME} printable characters")
