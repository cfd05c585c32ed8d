"""One HTTP request of a tool, bounded in time and size. No redirect, and no proxy but that of a sandbox without a network: what is sent along goes to
the address that was given and to no other.

Imported where it is used: a tool server that is only started needs none of it.
"""

from __future__ import annotations

import http.client
import os
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sympozium_core.names import ENV_PROXY
from sympozium_core.sidecar.calls import Call
from sympozium_core.sidecar.definition import ToolError

TIMEOUT = 30.0
MOST = 8 * 1024 * 1024
"""Bytes of an answer."""
MOST_OF_A_REFUSAL = 64 * 1024


class Unreachable(ToolError):
    """Nobody has answered."""


@dataclass(frozen=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes

    @property
    def well(self) -> bool:
        return 200 <= self.status < 300


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


def ask(
    call: Call, url: str, headers: Mapping[str, str], *, method: str = "GET", data: bytes | None = None, authority: str = ""
) -> Reply:
    """Whatever is answered, also a refusal. `authority` is a file with the certificates of who may vouch for the server; without, those are the
    system's. Raises Unreachable, and ToolError for an answer longer than `MOST`."""
    proxy = os.environ.get(ENV_PROXY)
    try:
        trusted = [urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=authority))] if authority else []
        way = urllib.request.ProxyHandler(dict.fromkeys(("http", "https"), proxy) if proxy else {})
        opener = urllib.request.build_opener(way, _NoRedirects, *trusted)
        request = urllib.request.Request(url, data=data, headers=dict(headers), method=method)
        with opener.open(request, timeout=min(TIMEOUT, max(1.0, call.remaining))) as answer:
            body = answer.read(MOST + 1)
            status, found = answer.status, answer.headers
    except urllib.error.HTTPError as error:
        with error:
            body, status, found = error.read(MOST_OF_A_REFUSAL), error.code, error.headers
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise Unreachable(str(getattr(error, "reason", None) or error)) from error
    if proxy and found.get("proxy-status", "").startswith("sympozium;"):
        raise Unreachable(body.decode("utf-8", "replace").strip())
    if len(body) > MOST:
        raise ToolError(f"the answer is longer than {MOST >> 20} MiB; ask for less")
    return Reply(status, {name.lower(): value for name, value in found.items()}, body)
