"""One POST with a streamed answer: connecting, deadlines, redirects and a broken connection, all as ProviderError."""

from __future__ import annotations

import io
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import aiohttp

from sympozium_core.contracts.provider import ProviderError
from sympozium_provider_openai.failures import from_status
from sympozium_provider_openai.request import Call

CONNECT_SECONDS = 15.0
STALL_SECONDS = 300.0
"""The longest silence within an answer, and before it: reasoning models think for minutes before the first byte."""
MAX_ERROR_BODY = 64 * 1024


@asynccontextmanager
async def post(http: aiohttp.ClientSession, call: Call, *, accept: str) -> AsyncIterator[aiohttp.ClientResponse]:
    """The answer, once its status says success. What breaks while its body is read inside the ``async with`` is mapped too.

    Redirects are not followed: a key must not travel to a host that the user did not name, and a redirected POST may become a GET.
    """
    headers = {**call.headers, "content-type": "application/json", "accept": accept, "accept-encoding": "identity"}
    timeout = aiohttp.ClientTimeout(
        total=max(call.timeout, 0.001),
        sock_connect=min(CONNECT_SECONDS, call.timeout),
        sock_read=min(STALL_SECONDS, call.timeout),
    )
    with _Mapped(call):
        # From a BytesIO a large body is written piece by piece, so that the event loop stays free.
        data = io.BytesIO(_encode(call))
        async with http.post(call.url, data=data, headers=headers, timeout=timeout, allow_redirects=False) as response:
            await _check_status(response, call)
            yield response


def _encode(call: Call) -> bytes:
    try:
        return json.dumps(call.body, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode("utf-8", "replace")
    except (TypeError, ValueError) as error:
        raise ProviderError("refused", "the request is not valid JSON") from error


async def _check_status(response: aiohttp.ClientResponse, call: Call) -> None:
    if 300 <= response.status < 400:
        target = urlsplit(response.headers.get("location", ""))
        place = call.redact(f"{target.scheme}://{target.hostname}" if target.hostname else target.path)
        raise ProviderError(
            "refused",
            f"{call.where} redirects to {place or 'another address'}; redirects are not followed, they would carry the key there",
            status=response.status,
            hint="set baseURL to the address that answers",
        )
    if not 200 <= response.status < 300:
        body = await _head(response)
        raise from_status(response.status, response.headers, body, call.where, call.redact)


async def _head(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for piece in response.content.iter_any():
        body += piece
        if len(body) > MAX_ERROR_BODY:
            break
    return bytes(body[:MAX_ERROR_BODY])


class _Mapped:
    """Turns what aiohttp raises into a ProviderError. A plain context manager, so that it works across the yields of a generator."""

    def __init__(self, call: Call) -> None:
        self._call = call

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is None or isinstance(error, ProviderError) or not isinstance(error, Exception):
            return
        mapped = _from_exception(error, self._call)
        if mapped is not None:
            # An aiohttp response error keeps the request's headers, so it must not stay in the chain.
            raise mapped from (None if isinstance(error, aiohttp.ClientResponseError) else error)


def _from_exception(error: Exception, call: Call) -> ProviderError | None:
    where = call.where
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return ProviderError("timeout", f"{where} did not accept a connection in time")
    if isinstance(error, TimeoutError):
        return ProviderError("timeout", f"{where} did not answer within {min(call.timeout, STALL_SECONDS):g} s")
    if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientConnectorSSLError):
        return ProviderError("refused", f"{where} has no certificate that this machine trusts", hint="check baseURL")
    if isinstance(error, aiohttp.ClientConnectorError) and isinstance(error.os_error, PermissionError):
        return ProviderError(
            "refused",
            f"{where} may not be asked: {error.os_error.strerror}",
            hint="list its range in modelPolicy.allowedPrivate of the run's policy, or use a public address",
        )
    if isinstance(error, aiohttp.ClientConnectorError):
        return ProviderError(
            "unavailable", f"cannot connect to {where}: {error.strerror or 'no such host'}", hint="is it running?"
        )
    if isinstance(error, aiohttp.InvalidURL):
        return ProviderError("refused", "the base URL is not a web address", hint="for example https://api.openai.com/v1")
    if isinstance(error, aiohttp.ClientPayloadError | aiohttp.ServerDisconnectedError | aiohttp.ClientOSError):
        return ProviderError("unavailable", f"{where} broke the connection in the middle of its answer")
    if isinstance(error, aiohttp.ClientResponseError):
        return ProviderError("garbage", f"{where} does not speak HTTP")
    if isinstance(error, aiohttp.ClientError | OSError):
        return ProviderError("unavailable", f"the connection to {where} failed")
    return None
