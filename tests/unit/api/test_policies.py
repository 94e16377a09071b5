"""Who may call what: every route declares it, and every answer is described."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from api import errors, ws
from api.deps import POLICIES, admin, public, signed_in
from api.rest.routes import ROUTERS
from api.web.routes import PAGES

SERVED = (*ROUTERS, ws.router, *PAGES)
ROUTES = [route for router in SERVED for route in router.routes if isinstance(route, APIRoute)]
NOBODYS = {
    "/v1/auth/nonce": "a number of no meaning",
    "/v1/faucet": "money of no worth, on a devnet alone",
    "/v1/graphql": "only reads; its question does not fit into an address",
}
"""Where anyone may send something, and why."""


def calls(dependant: Dependant) -> Iterator[Any]:
    for below in dependant.dependencies:
        yield below.call
        yield from calls(below)


def policies(route: APIRoute) -> set[Any]:
    return set(calls(route.dependant)) & set(POLICIES)


def methods(route: APIRoute) -> set[str]:
    return route.methods or set()


def named(route: APIRoute) -> str:
    return f"{min(methods(route))} {route.path}"


def test_routes__all__are_looked_at() -> None:
    assert len(ROUTES) > 35


@pytest.mark.parametrize("route", ROUTES, ids=named)
def test_route__declares_who_may_call_it(route: APIRoute) -> None:
    assert policies(route), f"{named(route)} has no policy"


@pytest.mark.parametrize("route", [r for r in ROUTES if methods(r) & {"POST", "PUT", "PATCH", "DELETE"}], ids=named)
def test_route__that_changes_something__is_public_only_where_nothing_is_owned(route: APIRoute) -> None:
    if policies(route) == {public}:
        assert route.path in NOBODYS


@pytest.mark.parametrize("path", ["/v1/participants", "/v1/meters"])
def test_route__of_administrators__needs_the_role(path: str) -> None:
    route = next(r for r in ROUTES if r.path == path and "POST" in methods(r))
    assert policies(route) == {admin, signed_in}


def document() -> dict[str, Any]:
    app = FastAPI(responses=errors.RESPONSES)
    errors.install(app, lambda request, problem, headers: pytest.fail("no page here"))
    for router in ROUTERS:
        app.include_router(router)
    return app.openapi()


def is_described(content: Mapping[str, Any]) -> bool:
    """By a model of ours, or as the bytes of a file."""
    return "$ref" in str(content) or all(kind["schema"].get("format") == "binary" for kind in content.values())


def test_openapi__every_operation__describes_its_success_and_its_problems() -> None:
    described = document()
    assert described["openapi"].startswith("3.1")
    for path, operations in described["paths"].items():
        for method, operation in operations.items():
            responses = operation["responses"]
            assert operation.get("description"), f"{method} {path} has no description"
            assert {"4XX", "5XX"} <= responses.keys()
            for status, response in responses.items():
                if status.startswith("2") and status != "204":
                    assert is_described(response["content"]), f"{method} {path} {status} has no model"


def test_openapi__every_reference__leads_somewhere() -> None:
    described = document()

    def references(part: Any) -> Iterator[str]:
        if isinstance(part, dict):
            if isinstance(part.get("$ref"), str):
                yield part["$ref"]
            for below in part.values():
                yield from references(below)
        elif isinstance(part, list):
            for below in part:
                yield from references(below)

    names = {reference.removeprefix("#/components/schemas/") for reference in references(described)}
    assert names <= described["components"]["schemas"].keys()


def test_routers__no_path_and_method_twice() -> None:
    pairs = [(path, method) for route in ROUTES for method in methods(route) for path in [route.path]]
    assert len(pairs) == len(set(pairs))
    assert all(isinstance(router, APIRouter) for router in ROUTERS)
