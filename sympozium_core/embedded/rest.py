"""The Kubernetes REST protocol on the store: an aiohttp application, and its Unix socket.

Every kind of the store gets its own routes, so what is not there is 404 and a verb that is not there 405, as on an API server.
Format: https://kubernetes.io/docs/reference/using-api/api-concepts/
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path

from aiohttp import web
from aiohttp.typedefs import Middleware

from sympozium_core.cluster.status import MethodNotAllowed, status_of
from sympozium_core.cluster.transport import MAX_BODY
from sympozium_core.contracts.cluster import ApiError, BadRequest, NotFound, ResourceType, TooLarge, Unauthorized, User
from sympozium_core.embedded import rest_objects, rest_watch
from sympozium_core.embedded.local_user import local_user
from sympozium_core.embedded.lock import forget_socket
from sympozium_core.embedded.rest_request import KIND, STORE, USER, WATCHES
from sympozium_core.embedded.store import Store

logger = logging.getLogger(__name__)

MAX_SOCKET_PATH = 107
VERSION = {"major": "1", "minor": "34", "gitVersion": "v1.34.0+sympozium", "platform": "linux"}
"""The release of the protocol that is spoken, for clients that look at it."""

Identify = Callable[[web.Request], User]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def make_app(
    store: Store,
    *,
    identify: Identify | None = None,
    routes: Sequence[web.AbstractRouteDef] = (),
    ready: Callable[[], bool] | None = None,
) -> web.Application:
    """`identify` says who asks and raises Unauthorized; without it, the user of the other end of the Unix socket.

    `routes` are others' (the journal of a run); their handlers find the user under `rest_request.USER` and may raise ApiError.
    """
    app = web.Application(middlewares=[border(identify or peer_user)], client_max_size=MAX_BODY)
    app[STORE] = store
    app[WATCHES] = set()
    app.add_routes(routes)
    app.add_routes([web.get("/version", _version), web.get("/healthz", _healthy), web.get("/livez", _healthy)])
    app.router.add_get("/readyz", partial(_ready, ready or (lambda: True)))
    for kind in store.kinds.values():
        _add_kind(app.router, kind)
    app.on_shutdown.append(rest_watch.end_watches)
    return app


@contextlib.asynccontextmanager
async def serve_unix(app: web.Application, path: Path | str) -> AsyncIterator[None]:
    """Serves on a Unix socket that only this user can open; the socket file is gone afterwards. Raises BadRequest for a long path."""
    runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=2.0)
    await runner.setup()
    listener = _listen(Path(path))
    try:
        await web.SockSite(runner, listener).start()
        yield
    finally:
        await runner.cleanup()
        listener.close()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)


def peer_user(request: web.Request) -> User:
    """The user of the process at the other end. Raises Unauthorized for anything but a Unix socket."""
    connection = request.transport.get_extra_info("socket") if request.transport else None
    if connection is None or connection.family != socket.AF_UNIX:
        raise Unauthorized("this endpoint takes requests from its Unix socket only")
    _, uid, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")))
    return local_user(uid)


def border(identify: Identify) -> Middleware:
    """Names the user, and turns every error into a `Status` body."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            request[USER] = identify(request)
            return await handler(request)
        except ApiError as error:
            return _error_response(request, error)
        except web.HTTPException as error:
            return _error_response(request, _known(request, error))
        except (ConnectionError, TimeoutError):
            raise
        except Exception:
            logger.exception("%s %s failed", request.method, request.path)
            return _error_response(request, ApiError("internal error; the server's log has it"))

    return middleware


def _add_kind(router: web.UrlDispatcher, kind: ResourceType) -> None:
    root = f"/apis/{kind.group}/{kind.version}" if kind.group else f"/api/{kind.version}"
    collection = f"{root}/namespaces/{{namespace}}/{kind.plural}" if kind.namespaced else f"{root}/{kind.plural}"
    item = f"{collection}/{{name}}"

    def add(method: str, path: str, handler: Handler) -> None:
        async def handle(request: web.Request) -> web.StreamResponse:
            request[KIND] = kind
            return await handler(request)

        router.add_route(method, path, handle)

    if kind.namespaced:
        add("GET", f"{root}/{kind.plural}", rest_watch.list_or_watch)
    add("GET", collection, rest_watch.list_or_watch)
    add("POST", collection, rest_objects.create)
    for path in (item, f"{item}/{{subresource:status}}") if kind.status else (item,):
        add("GET", path, rest_objects.get)
        add("PUT", path, rest_objects.replace)
        add("PATCH", path, rest_objects.patch)
    add("DELETE", item, rest_objects.delete)


def _listen(path: Path) -> socket.socket:
    if len(os.fsencode(path)) > MAX_SOCKET_PATH:
        raise BadRequest(f"the socket path {path} is longer than {MAX_SOCKET_PATH} bytes", hint="use a shorter data directory")
    forget_socket(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    mask = os.umask(0o177)
    try:
        listener.bind(str(path))
    except BaseException:
        listener.close()
        raise
    finally:
        os.umask(mask)
    listener.setblocking(False)
    return listener


def _known(request: web.Request, error: web.HTTPException) -> ApiError:
    match error.status:
        case 404:
            return NotFound("the server could not find the requested resource")
        case 405:
            return MethodNotAllowed(f"{request.method} is not supported on this resource")
        case 413:
            return TooLarge(f"the request body is longer than {MAX_BODY} bytes")
    known = BadRequest(error.reason) if error.status < 500 else ApiError(error.reason)
    known.code = error.status
    return known


def _error_response(request: web.Request, error: ApiError) -> web.Response:
    body = status_of(error, kind=request.get(KIND), name=request.match_info.get("name", ""))
    return web.json_response(body, status=error.code)


async def _version(request: web.Request) -> web.Response:
    return web.json_response(VERSION)


async def _healthy(request: web.Request) -> web.Response:
    return web.Response(text="ok")


async def _ready(ready: Callable[[], bool], request: web.Request) -> web.Response:
    return web.Response(text="ok") if ready() else web.Response(text="not ready", status=503)
