"""Requests that nobody should send, made from the API's own description."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

ADDRESS: Final = "0x" + "11" * 20
DEEP: Final = "[" * 3_000 + "]" * 3_000

TEXTS: Final = (
    "",
    " ",
    "\0",
    "a\0b",
    "\u202e\u0000\uffff",
    "\ud800",
    "💥" * 40,
    "x" * 5_000,
    "../../etc/passwd",
    "%00",
    "' or 1=1 --",
    "a\r\nSet-Cookie: x=1",
    "0x" + "zz" * 20,
    "0x",
    "-0",
    "-1",
    "01",
    "1e9",
    "٣",
    "9" * 19,
    "9" * 78,
    "9" * 200,
    "99999999999999999999",
    "-99999999999999999999",
    "0001-01-01T00:00:00Z",
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59Z",
    "9999-12-31T23:59:59-14:00",
    "2027-01-15T08:00:00",
    "inf",
    "nan",
    "null",
    "true",
)
VALUES: Final[tuple[Any, ...]] = (
    None,
    True,
    0,
    -1,
    1.5,
    1e308,
    1 << 31,
    1 << 32,
    1 << 63,
    1 << 200,
    -(1 << 63) - 1,
    [],
    {},
    [[]],
    {"": None},
    *TEXTS,
)


@dataclass(frozen=True)
class Attack:
    """One request."""

    method: str
    path: str
    query: dict[str, str] = field(default_factory=dict)
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)


class Description:
    """The API's description, read for what an operation takes."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._document = document

    def attacks(self) -> Iterator[Attack]:
        """Every operation, with one thing wrong at a time."""
        for path, operations in self._document["paths"].items():
            for method, operation in operations.items():
                yield from self._on(method.upper(), path, operation)

    def _on(self, method: str, path: str, operation: dict[str, Any]) -> Iterator[Attack]:
        parameters = operation.get("parameters", [])
        good = {p["name"]: str(self.sample(p["schema"])) for p in parameters}
        kinds = {p["name"]: p["in"] for p in parameters}
        schema = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
        body = None if schema is None else self.sample(schema)
        yield _attack(method, path, good, kinds, body)
        for name in good:
            for text in TEXTS:
                yield _attack(method, path, {**good, name: text}, kinds, body)
        if schema is not None:
            for broken in _broken(body):
                yield _attack(method, path, good, kinds, broken)

    def sample(self, schema: dict[str, Any]) -> Any:
        """A value that fits, or nearly."""
        if "$ref" in schema:
            return self.sample(self._document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]])
        for choice in ("anyOf", "oneOf", "allOf"):
            if choice in schema:
                return self.sample(schema[choice][0])
        if "enum" in schema:
            return schema["enum"][0]
        if "const" in schema:
            return schema["const"]
        match schema.get("type"):
            case "object":
                return {name: self.sample(part) for name, part in schema.get("properties", {}).items()}
            case "array":
                return [self.sample(schema["items"])]
            case "integer":
                return max(1, schema.get("minimum", 1))
            case "string":
                return _text(schema)
        return None


def _text(schema: dict[str, Any]) -> str:
    pattern = schema.get("pattern", "")
    for width in (40, 64, 130):
        if f"{{{width}}}" in pattern:
            return "0x" + "11" * (width // 2)
    if schema.get("format") == "date-time":
        return "2027-01-15T08:00:00Z"
    return "1"


def _attack(method: str, path: str, values: dict[str, str], kinds: dict[str, str], body: Any) -> Attack:
    query, headers = {}, {}
    for name, value in values.items():
        if kinds[name] == "path":
            path = path.replace(f"{{{name}}}", value)
        elif kinds[name] == "query":
            query[name] = value
        else:
            headers[name] = value
    return Attack(method, path, query, body, headers)


def _broken(body: Any) -> Iterator[Any]:
    """The body with each value replaced or taken away, and with one too many."""
    yield from VALUES
    if not isinstance(body, dict):
        return
    yield {**body, "surplus": 1}
    for name, value in body.items():
        yield {other: kept for other, kept in body.items() if other != name}
        for bad in VALUES:
            yield {**body, name: bad}
        if isinstance(value, list):
            for bad in _broken(value[0]):
                yield {**body, name: [bad]}
