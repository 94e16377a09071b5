"""The way to the busiest routes past the router: what it costs to find and call a route is more than what these do.

The routes are still declared where they belong, for the OpenAPI document and for whoever asks who may call what; here
only their functions are called, and their errors are answered by the same handlers.
"""

import re
from collections.abc import Awaitable, Callable
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from api.deps import Services
from api.rest.balances import own_balances
from api.rest.orders import post_order
from contracts.typed_data import BadAddress, parse_address

_BALANCES: Final = re.compile(r"/v1/balances/(0x[0-9a-fA-F]{40})")


class Express:
    """Calls the functions of ``POST /v1/orders`` and of ``GET /v1/balances/{account}`` without parameters at once, and
    hands everything else on."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        work = _short(scope) if scope["type"] == "http" else None
        if work is None:
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        try:
            response = await work(request, request.app.state.services)
        except Exception as error:
            answer = _handler(request, error)
            if answer is None:
                raise
            response = await answer(request, error)
        await response(scope, receive, send)


Work = Callable[[Request, Services], Awaitable[Response]]


def _short(scope: Scope) -> Work | None:
    method, path = scope["method"], scope["path"]
    if method == "POST" and path == "/v1/orders":
        return post_order
    if method == "GET" and not scope["query_string"] and (found := _BALANCES.fullmatch(path)):
        try:
            account = parse_address(found[1])
        except BadAddress:  # the long way tells which field it is
            return None
        return lambda request, services: own_balances(request, services, account)
    return None


def _handler(request: Request, error: Exception) -> Callable[[Request, Exception], Awaitable[Response]] | None:
    """As Starlette finds it: by the nearest class; a fault of ours goes on to where its traceback is logged."""
    handlers = request.app.exception_handlers
    kinds = (kind for kind in type(error).__mro__ if kind is not Exception)
    return next((handlers[kind] for kind in kinds if kind in handlers), None)
