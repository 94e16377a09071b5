"""The OpenAPI document as clients get it: named, secured, and with examples that hold."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest

from scripts.generate_clients import document


@pytest.fixture(scope="module")
def described() -> dict[str, Any]:
    return document()


def operations(described: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            yield f"{method} {path}", operation


def bodies(operation: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for where, body in [("request", operation.get("requestBody", {})), *operation["responses"].items()]:
        for kind, content in body.get("content", {}).items():
            yield where, kind, content


def test_document__operations__are_named_once(described: dict[str, Any]) -> None:
    names = Counter(operation["operationId"] for _, operation in operations(described))
    assert [name for name, count in names.items() if count > 1] == []


def test_document__models__have_names_a_client_can_use(described: dict[str, Any]) -> None:
    schemas = described["components"]["schemas"]
    assert [name for name in schemas if "__" in name] == []
    assert {schema["title"] for schema in schemas.values()} == set(schemas)


def test_document__every_body__has_an_example_that_its_schema_takes(described: dict[str, Any]) -> None:
    wrong = []
    for name, operation in operations(described):
        for where, kind, content in bodies(operation):
            if kind not in ("application/json", "application/problem+json"):
                continue
            schema = {**content["schema"], "components": described["components"]}
            if "example" not in content or not jsonschema_rs.is_valid(schema, content["example"]):
                wrong.append(f"{name} {where}")
    assert wrong == []


def test_document__every_operation__has_its_problems(described: dict[str, Any]) -> None:
    for name, operation in operations(described):
        for status in ("4XX", "5XX"):
            example = operation["responses"][status]["content"]["application/problem+json"]["example"]
            assert example["code"], name


def test_document__what_needs_a_session__says_so(described: dict[str, Any]) -> None:
    secured = {name for name, operation in operations(described) if operation.get("security")}
    assert {"get /v1/balances/{account}", "post /v1/exports", "post /v1/meters"} <= secured
    assert secured.isdisjoint({"get /v1/markets", "post /v1/orders", "get /v1/ledger/events", "post /v1/auth/nonce"})
    assert described["components"]["securitySchemes"].keys() == {"bearer", "session"}
