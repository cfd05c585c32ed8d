"""The same review as embedded, as webhooks of an API server: ``POST /mutate`` and ``POST /validate`` with an AdmissionReview.

``/mutate`` answers what the review adds, as a JSON patch. ``/validate`` comes after every other webhook: it reviews what they made of the
object, and refuses it when the review would still change it, for then somebody has overwritten what admission had set.
Nothing is written anywhere, so a dry run is like any other. Whatever comes in, there is an answer within the deadline, and it is a refusal
unless the review said otherwise.
"""

from __future__ import annotations

import asyncio
import logging
import re
import traceback
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import jsonpatch
from aiohttp import web

from sympozium_core.admission import envelope
from sympozium_core.contracts.cluster import (
    Admission,
    ApiError,
    BadRequest,
    Object,
    Review,
    Unavailable,
    Verdict,
    metadata,
)
from sympozium_core.errors import Cause

DEADLINE = 8.0
"""Seconds for one review. Less than the `timeoutSeconds` of the configurations, so that it is this answer that the writer sees."""
MARGIN = 0.5
"""Seconds that an answer needs to reach an API server that waits less than that."""

Answer = Callable[[envelope.Request], Awaitable[Object]]

log = logging.getLogger(__name__)


def make_app(admission: Admission, *, deadline: float = DEADLINE) -> web.Application:
    """`deadline` in seconds, the reading of the body included."""

    async def mutate(request: envelope.Request) -> Object:
        verdict = await admission.review(request.review)
        refusal = _refusal(request.review, verdict)
        if refusal is not None:
            return _denied(request, refusal, verdict.warnings)
        return envelope.allowed(request.uid, patch=_patch(request.review, verdict), warnings=verdict.warnings)

    async def validate(request: envelope.Request) -> Object:
        verdict = await admission.review(request.review)
        refusal = _refusal(request.review, verdict) or _overwritten(request.review, verdict)
        if refusal is not None:
            return _denied(request, refusal, verdict.warnings)
        return envelope.allowed(request.uid, warnings=verdict.warnings)

    app = web.Application(client_max_size=envelope.MAX_BODY)
    app.add_routes(
        [
            web.post("/mutate", _handler(mutate, deadline)),
            web.post("/validate", _handler(validate, deadline)),
            web.get("/healthz", _healthz),
        ]
    )
    return app


def _handler(answer: Answer, longest: float) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handle(http: web.Request) -> web.Response:
        uid, seconds = "", _deadline(http, longest)
        try:
            async with asyncio.timeout(seconds):
                request = envelope.read(await http.read())
                uid = request.uid
                return web.json_response(await _safely(answer, request))
        except envelope.Malformed as error:
            if not error.uid:
                return web.Response(status=400, text=f"{error}\n")
            return web.json_response(envelope.denied(error.uid, BadRequest(f"this is no admission request: {error}")))
        except TimeoutError:
            if not uid:
                return web.Response(status=408, text="the request did not come in time\n")
            late = Unavailable(f"admission was not decided within {seconds:g} s", hint="try again")
            return web.json_response(envelope.denied(uid, late))

    return handle


async def _safely(answer: Answer, request: envelope.Request) -> Object:
    try:
        return await answer(request)
    except ApiError as error:
        log.warning("%s: the API server could not be asked: %s", _described(request.review), error)
        return envelope.denied(request.uid, Unavailable(f"admission cannot be decided now: {error}"))
    except Exception as error:
        # The error's own words may quote the object, and the object may hold a prompt.
        where = "".join(traceback.format_tb(error.__traceback__))
        log.error("%s: the review failed with %s\n%s", _described(request.review), type(error).__name__, where)
        return envelope.denied(request.uid, ApiError("the review of the object failed; the webhook's log says where"))


def _refusal(review: Review, verdict: Verdict) -> ApiError | None:
    return verdict.refusal(review.kind, _name(review))


def _overwritten(review: Review, verdict: Verdict) -> ApiError | None:
    causes = [
        Cause(
            _field(str(operation["path"])),
            "was changed or removed after admission had set it",
            "see which other mutating webhook writes these objects",
        )
        for operation in _patch(review, verdict)
    ]
    return Verdict(causes=tuple(causes)).refusal(review.kind, _name(review))


def _patch(review: Review, verdict: Verdict) -> Sequence[Mapping[str, Any]]:
    """RFC 6902, from the object that came to the one that is to be stored. A status is no business of a write to the object itself."""
    if verdict.object is None or review.object is None or review.operation == "DELETE":
        return []
    before, after = ({**obj, "status": None} for obj in (review.object, verdict.object))
    found: list[dict[str, Any]] = jsonpatch.make_patch(before, after).patch
    return found


def _denied(request: envelope.Request, refusal: ApiError, warnings: Sequence[str]) -> Object:
    review = request.review
    fields = sorted({cause.field or "-" for cause in refusal.causes})
    log.info("%s by %s refused: %s", _described(review), review.user.name, ", ".join(fields[:20]))
    return envelope.denied(request.uid, refusal, review.kind, _name(review), warnings)


def _name(review: Review) -> str:
    """The object's; of one that gets its name later, how that begins."""
    return review.name or str(metadata(review.object or {}).get("generateName") or "")


def _described(review: Review) -> str:
    return f"{review.operation} of {review.kind.plural} {review.namespace or ''}/{_name(review)}"


def _field(pointer: str) -> str:
    return ".".join(part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:])


def _deadline(http: web.Request, longest: float) -> float:
    """An API server says how long it waits: ``?timeout=10s``."""
    told = re.fullmatch(r"(\d{1,2})s", http.query.get("timeout", ""))
    return min(longest, max(float(told[1]) - MARGIN, MARGIN)) if told else longest


async def _healthz(http: web.Request) -> web.Response:
    return web.Response(text="ok\n")
