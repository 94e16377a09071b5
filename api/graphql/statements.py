"""One question about one relation as one SQL statement: names come from the database's catalogue, values are bound."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from api.graphql.relations import Column, Kind, Relation

COMPARISONS: Final[Mapping[str, str]] = {"not": "<>", "gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
MOST_CONDITIONS: Final = 50
MOST_VALUES: Final = 500


class TooMuch(ValueError):
    """More conditions or values than one question may have."""


class Unfit(ValueError):
    """A value that its column cannot have."""


WIDTHS: Final[Mapping[str, int]] = {"smallint": 15, "integer": 31, "bigint": 63}
"""Bits of the numbers below and above nought."""


@dataclass(slots=True)
class Statement:
    """SQL and its arguments, while it grows."""

    arguments: list[Any] = field(default_factory=list)
    conditions: int = 0

    def bind(self, value: Any) -> str:
        self.arguments.append(value)
        return f"${len(self.arguments)}"

    def count(self) -> None:
        self.conditions += 1
        if self.conditions > MOST_CONDITIONS:
            raise TooMuch(f"more than {MOST_CONDITIONS} conditions")


def select(
    relation: Relation,
    columns: Sequence[Column],
    chain_id: int,
    where: Mapping[str, Any] | None,
    *,
    descending: bool,
    after: Sequence[Any] | None,
    limit: int,
) -> tuple[str, list[Any]]:
    """The rows of a page by key, and one more, which tells whether there is a next page."""
    made = Statement()
    conditions = [f"chain_id = {made.bind(chain_id)}"]
    if where:
        conditions.append(condition(made, relation, where))
    if after is not None:
        keys = ", ".join(quoted(column) for column in relation.key)
        bound = ", ".join(_bound(made, column, value) for column, value in zip(relation.key, after, strict=True))
        conditions.append(f"({keys}) {'<' if descending else '>'} ({bound})")
    wanted = dict.fromkeys((*columns, *relation.key))
    direction = "desc" if descending else "asc"
    order = ", ".join(f"{quoted(column)} {direction}" for column in relation.key)
    text = (
        f'select {", ".join(map(quoted, wanted))} from blockchain."{relation.table}" '  # noqa: S608
        f"where {' and '.join(conditions)} order by {order} limit {made.bind(limit + 1)}"
    )
    return text, made.arguments


def condition(made: Statement, relation: Relation, where: Mapping[str, Any]) -> str:
    """A filter: all of its fields must hold. ``AND`` and ``OR`` take lists of filters."""
    parts = []
    for name, value in where.items():
        made.count()
        if name in ("AND", "OR"):
            if value is None:
                raise Unfit(f"{name} takes a list")
            inner = [condition(made, relation, part) for part in value] or ["true" if name == "AND" else "false"]
            parts.append(f"({f' {name.lower()} '.join(inner)})")
            continue
        written, _, test = name.partition("_")
        parts.append(_compared(made, relation.column(written), test, value))
    return f"({' and '.join(parts)})" if parts else "true"


def _compared(made: Statement, column: Column, test: str, value: Any) -> str:
    name = quoted(column)
    if test in ("in", "not_in"):
        if value is None:
            raise Unfit(f"{column.field}_{test} takes a list")
        if len(value) > MOST_VALUES:
            raise TooMuch(f"{column.field}_{test} takes a list of at most {MOST_VALUES}")
        holds = f"{name} = any ({_bound(made, column, value, is_list=True)})"
        return f"not ({holds})" if test == "not_in" else holds
    if value is None:
        if test not in ("", "not"):
            raise Unfit(f"{column.field}_{test} takes a value")
        return f"{name} is {'not ' if test == 'not' else ''}null"
    return f"{name} {COMPARISONS.get(test, '=')} {_bound(made, column, value)}"


def _bound(made: Statement, column: Column, value: Any, *, is_list: bool = False) -> str:
    """A value as an argument of the column's own type. Raises Unfit."""
    for item in value if is_list else (value,):
        width = WIDTHS.get(column.sql_type)
        if width is not None and not -(1 << width) <= item < 1 << width:
            raise Unfit(f"{column.field} is a {column.sql_type}, {item} is not")
        if isinstance(item, str) and "\0" in item:
            raise Unfit(f"{column.field} has no character 0")
    return f"{made.bind(value)}::{_cast(column)}{'[]' if is_list else ''}"


def quoted(column: Column) -> str:
    """The column's name in SQL."""
    return '"' + column.name.replace('"', '""') + '"'


def _cast(column: Column) -> str:
    return {
        Kind.INTEGER: column.sql_type,
        Kind.BIG: column.sql_type,
        Kind.TEXT: "text",
        Kind.BYTES: "bytea",
        Kind.ADDRESS: "bytea",
        Kind.FLAG: "boolean",
        Kind.TIME: "timestamptz",
        Kind.OTHER: "text",
    }[column.kind]
