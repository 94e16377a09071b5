"""The way to the busiest route past the router: what it costs to find and call a route is more than entering an order.

The route is still declared where it belongs, for the OpenAPI document and for whoever asks who may call what; here only
its function is called, and its errors are answered by the same handlers.
"""

from collections.abc import Awaitable, Callable
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from api.deps import Services
from api.rest.orders import post_order

ROUTE: Final = ("POST", "/v1/orders")


class Express:
    """Calls the function of ``POST /v1/orders`` at once, and hands everything else on."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or (scope["method"], scope["path"]) != ROUTE:
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        services: Services = request.app.state.services
        try:
            response = await post_order(request, services)
        except Exception as error:
            answer = _handler(request, error)
            if answer is None:
                raise
            response = await answer(request, error)
        await response(scope, receive, send)


def _handler(request: Request, error: Exception) -> Callable[[Request, Exception], Awaitable[Response]] | None:
    """As Starlette finds it: by the nearest class; a fault of ours goes on to where its traceback is logged."""
    handlers = request.app.exception_handlers
    kinds = (kind for kind in type(error).__mro__ if kind is not Exception)
    return next((handlers[kind] for kind in kinds if kind in handlers), None)
