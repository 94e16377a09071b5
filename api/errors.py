"""Every answer that is not a success, as a problem (RFC 9457)."""

import logging
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final, TypeAlias

import asyncpg
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from api.codes import STATUS
from api.limits import envelope_headers
from contracts.errors import GridtraceError
from node.errors import Conflict, NotFound, Refused

logger = logging.getLogger(__name__)

RETRY_AFTER_S: Final = 1
NOWHERE: Final = "there is nothing at this address"
INTERNAL: Final = "a fault of ours; tell us the trace id"

_BY_STATUS: Final[Mapping[int, str]] = {
    400: "request-invalid",
    401: "session-required",
    403: "forbidden",
    404: "not-found",
    405: "method-not-allowed",
    413: "body-too-large",
    415: "unsupported-media-type",
    429: "rate-limited",
    503: "unavailable",
}

UNREACHABLE: Final = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.TransactionRollbackError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # a connection that was cut off in the middle of a call
    asyncpg.UndefinedTableError,  # events' tables are made when the indexer first starts
)
"""A server that is away, starting, stopping or full; of a transaction that lost a conflict, the repetition may win."""


class Fault(BaseModel):
    """What is wrong with one field; ``pointer`` is a JSON pointer into the body, or names a parameter."""

    pointer: str
    code: str
    message: str


class Problem(BaseModel):
    """Every answer that is not a success (RFC 9457). ``code`` is one of those at ``GET /v1/errors``."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: str
    trace_id: str
    errors: list[Fault]


RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    kind: {
        "description": description,
        "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    for kind, description in (("4XX", "The request was refused"), ("5XX", "The fault is ours"))
}
"""For the OpenAPI document of every route."""


ErrorPage: TypeAlias = Callable[[Request, Mapping[str, Any], Mapping[str, str]], Response]
"""Renders a problem as a page; given the problem and the headers to send."""


class Unavailable(GridtraceError):
    """A service that this needs is away; try again shortly."""

    code = "unavailable"
    retryable = True


def _trace_id(request: Request) -> str:
    return str(request.scope.get("state", {}).get("trace_id", ""))


def status_of(error: GridtraceError) -> int:
    """The HTTP status of an error: by its code, else by its kind."""
    if error.code in STATUS:
        return STATUS[error.code]
    for kind, status in ((NotFound, 404), (Conflict, 409), (Refused, 422)):
        if isinstance(error, kind):
            return status
    return 503 if error.retryable else 500


def problem(
    request: Request,
    status: int,
    code: str,
    detail: str,
    *,
    faults: Sequence[Mapping[str, str]] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """One problem document."""
    body = {
        "type": f"/v1/errors#{code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "instance": request.url.path,
        "code": code,
        "trace_id": _trace_id(request),
        "errors": list(faults),
    }
    extra = dict(headers or {})
    if status in (429, 503) or code == "index-behind":
        extra.setdefault("Retry-After", str(RETRY_AFTER_S))
    if status == 401:
        extra.setdefault("WWW-Authenticate", "Bearer")
    if wants_page(request):
        render: ErrorPage = request.app.state.error_page
        return render(request, body, extra)
    return JSONResponse(body, status, extra, media_type="application/problem+json")


def wants_page(request: Request) -> bool:
    """Whether a person with a browser is looking at a page of ours, and not at the API."""
    return not request.url.path.startswith("/v1/") and "text/html" in request.headers.get("accept", "")


def _pointer(location: Sequence[Any]) -> str:
    """RFC 6901 pointer for the body, ``?name`` for the query, ``/name`` otherwise."""
    where, *rest = location or ("body",)
    path = "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in rest)
    return f"{where}#{path}" if where != "body" else f"#{path}"


def _faults(errors: Sequence[Any]) -> list[dict[str, str]]:
    return [
        {
            "pointer": _pointer(error["loc"]),
            "code": str(error["type"]).replace("_", "-"),
            "message": str(error["msg"]).removeprefix("Value error, "),
        }
        for error in errors
    ]


async def _on_gridtrace_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, GridtraceError)
    status = status_of(error)
    if status < 500:
        return problem(request, status, error.code, str(error))
    # What is wrong inside is for our log, not for the caller.
    level = logging.WARNING if error.retryable else logging.ERROR
    logger.log(level, "trace_id=%s code=%s %s", _trace_id(request), error.code, error)
    if status == 503:
        return problem(request, status, Unavailable.code, str(Unavailable()))
    return problem(request, status, "internal", INTERNAL)


async def _on_validation(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    faults = _faults(error.errors())
    detail = f"{len(faults)} field{'s are' if len(faults) > 1 else ' is'} not as described"
    return problem(request, 422, "field-invalid", detail, faults=faults)


async def _on_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code = _BY_STATUS.get(error.status_code, "request-invalid")
    detail = NOWHERE if error.status_code == 404 else str(error.detail)
    return problem(request, error.status_code, code, detail, headers=error.headers)


async def _on_unreachable(request: Request, error: Exception) -> Response:
    logger.warning("trace_id=%s unavailable: %s: %s", _trace_id(request), type(error).__name__, error)
    return problem(request, 503, Unavailable.code, str(Unavailable()))


async def _on_fault(request: Request, error: Exception) -> Response:
    # Sent from outside the middleware, so it brings its own envelope. Starlette logs the traceback afterwards.
    return problem(request, 500, "internal", INTERNAL, headers=envelope_headers(_trace_id(request)))


def _describe(app: FastAPI) -> None:
    """Adds the problem document to the OpenAPI document; routes refer to it by name."""
    described = app.openapi

    def openapi() -> dict[str, Any]:
        document = described()
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        for model in (Fault, Problem):
            schemas[model.__name__] = model.model_json_schema(ref_template="#/components/schemas/{model}")
            schemas[model.__name__].pop("$defs", None)
        return document

    app.openapi = openapi  # type: ignore[method-assign]


def install(app: FastAPI, page: ErrorPage) -> None:
    """Answers every error of ``app`` as a problem: as JSON, or as a page where a browser asked for one."""
    app.state.error_page = page
    _describe(app)
    app.add_exception_handler(GridtraceError, _on_gridtrace_error)
    app.add_exception_handler(RequestValidationError, _on_validation)
    app.add_exception_handler(HTTPException, _on_http)
    for kind in UNREACHABLE:
        app.add_exception_handler(kind, _on_unreachable)
    app.add_exception_handler(Exception, _on_fault)
