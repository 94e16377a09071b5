"""The OpenAPI document: who may call what, and an example of every request and answer, made from its own schema."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from fastapi import APIRouter, FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from api.auth import SESSION_COOKIE
from api.deps import signed_in

SCHEMES: Final = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "A session's token from `POST /v1/auth/verify`, or a key from `POST /v1/auth/keys`",
    },
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": SESSION_COOKIE,
        "description": "The cookie that signing in sets; over TLS its name begins with `__Host-`",
    },
}
PROBLEMS: Final = {
    "4XX": (422, "Unprocessable Content", "field-invalid", "1 field is not as described"),
    "5XX": (503, "Service Unavailable", "unavailable", "A service that this needs is away; try again shortly."),
}
BY_FORMAT: Final = {
    "date-time": "2027-01-15T08:00:00Z",
    "date": "2027-01-15",
    "uuid": "0b2fe0a5-5a2b-4d43-9f5c-6a1c3d0f5b11",
    "binary": "",
}
BY_PATTERN: Final = {
    "^0x[0-9a-fA-F]{40}$": "0xd8dA6BF26964aF9D7eEd9e03E53415D37aA96045",
    "^0x[0-9a-fA-F]{64}$": "0x" + "5a" * 32,
    "^0x[0-9a-fA-F]{130}$": "0x" + "5a" * 64 + "1b",
    "^[A-Z0-9]{2,11}$": "SUN1",
    r"^[^@\s\x00-\x1f\x7f]{1,64}@[^@\s\x00-\x1f\x7f]{1,190}$": "anna@example.org",
    "^[A-Z]{2}$": "DE",
    r"^\+[0-9 ]{6,24}$": "+49 30 901820",
    "^0x([0-9a-fA-F]{2})*$": "0x5a5a",
}


def describe(app: FastAPI, routers: Sequence[APIRouter]) -> None:
    """Adds to the document what FastAPI does not know of the routers' routes."""
    described = app.openapi
    done: dict[str, Any] = {}

    def openapi() -> dict[str, Any]:
        if not done:
            document = _plainly_named(described())
            document["components"]["securitySchemes"] = SCHEMES
            operations = list(_operations(routers, document))
            names = Counter(route.name for route, _ in operations)
            for route, operation in operations:
                # As clients call it.
                module = route.endpoint.__module__.rpartition(".")[2]
                operation["operationId"] = route.name if names[route.name] == 1 else f"{module}_{route.name}"
                _secure(route, operation)
                _exemplify(operation, document["components"]["schemas"])
            done.update(document)
        return done

    app.openapi = openapi  # type: ignore[method-assign]


def _plainly_named(document: dict[str, Any]) -> dict[str, Any]:
    """Models of the same name are told apart by their module's, in a way that generators of clients can read."""
    text = json.dumps(document)
    for name in document["components"]["schemas"]:
        if "__" in name:
            *_, module, model = name.split("__")
            plain = "".join(part.capitalize() for part in module.split("_")) + model
            text = text.replace(f'/{name}"', f'/{plain}"').replace(f'"{name}":', f'"{plain}":')
    found: dict[str, Any] = json.loads(text)
    for name, schema in found["components"]["schemas"].items():
        schema["title"] = name
    return found


def _operations(routers: Sequence[APIRouter], document: Mapping[str, Any]) -> Iterator[tuple[APIRoute, dict[str, Any]]]:
    for route in (route for router in routers for route in router.routes):
        if isinstance(route, APIRoute) and route.include_in_schema:
            for method in route.methods or ():
                yield route, document["paths"][route.path_format][method.lower()]


def _calls(dependant: Dependant) -> Iterator[Any]:
    for below in dependant.dependencies:
        yield below.call
        yield from _calls(below)


def _secure(route: APIRoute, operation: dict[str, Any]) -> None:
    if signed_in in _calls(route.dependant):
        operation["security"] = [{name: []} for name in SCHEMES]


def _exemplify(operation: dict[str, Any], schemas: Mapping[str, Any]) -> None:
    bodies = [operation.get("requestBody", {}), *operation["responses"].values()]
    for kind, content in (pair for body in bodies for pair in body.get("content", {}).items()):
        if kind == "application/json" and "example" not in content:
            content["example"] = example(content["schema"], schemas)
    for status, (code, title, name, detail) in PROBLEMS.items():
        for content in operation["responses"].get(status, {}).get("content", {}).values():
            content["example"] = {
                "type": f"/v1/errors#{name}",
                "title": title,
                "status": code,
                "detail": detail,
                "instance": "/v1/orders",
                "code": name,
                "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
                "errors": [],
            }


def example(schema: Mapping[str, Any], schemas: Mapping[str, Any], depth: int = 0) -> Any:
    """A value that the schema lets through, as plain as can be."""
    if (name := schema.get("$ref")) is not None:
        return example(schemas[name.rpartition("/")[2]], schemas, depth + 1)
    for told in ("examples", "enum"):
        if schema.get(told):
            return schema[told][0]
    if "const" in schema:
        return schema["const"]
    for union in ("anyOf", "oneOf"):
        if union in schema:
            return example(schema[union][0], schemas, depth)
    if "allOf" in schema:
        return example(schema["allOf"][0], schemas, depth)
    match schema.get("type"):
        case "object":
            fields = schema.get("properties", {})
            wanted = schema.get("required", []) if depth > 6 else fields
            return {name: example(fields[name], schemas, depth + 1) for name in wanted}
        case "array":
            if "prefixItems" in schema:
                return [example(item, schemas, depth + 1) for item in schema["prefixItems"]]
            return [example(schema.get("items", {}), schemas, depth + 1)] * max(1, schema.get("minItems", 0))
        case "integer" | "number":
            return max(schema.get("minimum", 1), schema.get("exclusiveMinimum", 0) + 1)
        case "boolean":
            return True
        case "null":
            return None
        case "string":
            return _text(schema)
    return {}


def _text(schema: Mapping[str, Any]) -> str:
    length = max(1, int(schema.get("minLength", 0)))
    return BY_FORMAT.get(schema.get("format", "")) or BY_PATTERN.get(schema.get("pattern", "")) or "a" * length
