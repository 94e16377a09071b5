"""The GraphQL schema of the mirror: a field for each table, with filters, pages by key, and the block it is of."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import asyncpg
from graphql import (
    GraphQLArgument,
    GraphQLBoolean,
    GraphQLEnumType,
    GraphQLError,
    GraphQLField,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInt,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLResolveInfo,
    GraphQLSchema,
    GraphQLString,
)
from graphql.language import FieldNode

from api.graphql import scalars
from api.graphql.bounds import TOO_LARGE
from api.graphql.cursors import Seal
from api.graphql.relations import Kind, Relation
from api.graphql.statements import TooMuch, Unfit, select
from indexer import read
from indexer.db import Connection

MOST_ROWS: Final = 1_000
"""Of one page, and of all pages of one question."""
DEFAULT_ROWS: Final = 50
MOST_VALUES: Final = 40_000
"""Of all pages of one question: rows by the fields asked of each, every alias counted."""


@dataclass(slots=True)
class Asked:
    """One question: the snapshot that answers it, and what it has cost so far."""

    db: Connection
    chain_id: int
    secret: bytes = field(repr=False)
    """Signs the cursors."""
    rows_left: int = MOST_ROWS
    values_left: int = MOST_VALUES
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    """One connection answers one statement at a time."""


ORDER: Final = GraphQLEnumType("Order", {"asc": "asc", "desc": "desc"})
PAGE_INFO: Final = GraphQLObjectType(
    "PageInfo",
    {
        "hasNextPage": GraphQLField(GraphQLNonNull(GraphQLBoolean)),
        "endCursor": GraphQLField(GraphQLString),
    },
)
BLOCK: Final = GraphQLObjectType(
    "MetaBlock",
    {
        "number": GraphQLField(GraphQLNonNull(scalars.BIG_INT)),
        "hash": GraphQLField(GraphQLNonNull(scalars.BYTES)),
        "timestamp": GraphQLField(scalars.BIG_INT),
        "finalized": GraphQLField(GraphQLNonNull(scalars.BIG_INT)),
    },
)
META: Final = GraphQLObjectType(
    "Meta",
    {
        "chainId": GraphQLField(GraphQLNonNull(scalars.BIG_INT)),
        "block": GraphQLField(BLOCK),
        "reorgEpoch": GraphQLField(GraphQLNonNull(GraphQLInt)),
        "state": GraphQLField(GraphQLNonNull(GraphQLString)),
    },
    description="As of which block the whole answer holds",
)


def build(relations: Sequence[Relation]) -> GraphQLSchema:
    """The schema of these relations."""
    fields = {relation.field: _field(relation) for relation in relations}
    meta = GraphQLField(META, resolve=_meta, description="As of which block the whole answer holds")
    return GraphQLSchema(GraphQLObjectType("Query", {"_meta": meta, **fields}))


async def _meta(_: Any, info: GraphQLResolveInfo[Asked]) -> Mapping[str, Any] | None:
    asked: Asked = info.context
    async with asked.turn:
        head = await read.head(asked.db, asked.chain_id)
    if head is None:
        return None
    block = {"number": head.number, "hash": head.hash, "timestamp": head.time, "finalized": head.finalized}
    return {"chainId": asked.chain_id, "block": block, "reorgEpoch": head.reorg_epoch, "state": head.state}


def _field(relation: Relation) -> GraphQLField:
    row = GraphQLObjectType(
        relation.type_name,
        {
            column.field: GraphQLField(
                scalars.OF[column.kind] if column.nullable else GraphQLNonNull(scalars.OF[column.kind]),
                resolve=lambda source, _, name=column.name: source[name],
            )
            for column in relation.columns
        },
        description=relation.description,
    )
    page = GraphQLObjectType(
        f"{relation.type_name}Page",
        {
            "items": GraphQLField(GraphQLNonNull(GraphQLList(GraphQLNonNull(row)))),
            "pageInfo": GraphQLField(GraphQLNonNull(PAGE_INFO)),
        },
    )

    async def resolve(_: Any, info: GraphQLResolveInfo[Asked], **arguments: Any) -> Mapping[str, Any]:
        return await _page(relation, info, arguments)

    arguments = {
        "where": GraphQLArgument(_filter(relation)),
        "order": GraphQLArgument(GraphQLNonNull(ORDER), default_value="desc", description="By the relation's key"),
        "limit": GraphQLArgument(GraphQLNonNull(GraphQLInt), default_value=DEFAULT_ROWS),
        "after": GraphQLArgument(GraphQLString, description="endCursor of the page before"),
    }
    return GraphQLField(GraphQLNonNull(page), arguments, resolve, description=relation.description)


def _filter(relation: Relation) -> GraphQLInputObjectType:
    def fields() -> dict[str, GraphQLInputField]:
        tests: dict[str, GraphQLInputField] = {}
        for column in relation.columns:
            if column.kind is Kind.OTHER:
                continue
            scalar = scalars.OF[column.kind]
            names = ["", "_not", *(["_gt", "_gte", "_lt", "_lte"] if column.kind.ordered else [])]
            tests |= {column.field + name: GraphQLInputField(scalar) for name in names}
            for name in ("_in", "_not_in"):
                tests[column.field + name] = GraphQLInputField(GraphQLList(GraphQLNonNull(scalar)))
        both = GraphQLInputField(GraphQLList(GraphQLNonNull(made)))
        return tests | {"AND": both, "OR": both}

    made = GraphQLInputObjectType(f"{relation.type_name}Filter", fields)
    return made


async def _page(relation: Relation, info: GraphQLResolveInfo[Asked], arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    asked: Asked = info.context
    limit, descending = arguments["limit"], arguments["order"] == "desc"
    if not 1 <= limit <= MOST_ROWS:
        raise GraphQLError(f"limit is 1 to {MOST_ROWS}", extensions={"code": "field-invalid"})
    names = _asked_for(info)
    asked.rows_left -= limit
    asked.values_left -= limit * len(names)
    if asked.rows_left < 0 or asked.values_left < 0:
        most = f"{MOST_ROWS} rows and {MOST_VALUES} values"
        raise GraphQLError(f"one question asks for at most {most} in all", extensions=TOO_LARGE)
    seal = Seal(asked.secret, relation, arguments.get("where"), arguments["order"])
    after = None if arguments.get("after") is None else seal.open(arguments["after"])
    try:
        text, values = select(
            relation,
            [column for column in relation.columns if column.field in names],
            asked.chain_id,
            arguments.get("where"),
            descending=descending,
            after=after,
            limit=limit,
        )
    except TooMuch as error:
        raise GraphQLError(str(error), extensions=TOO_LARGE) from error
    except Unfit as error:
        raise GraphQLError(str(error), extensions={"code": "field-invalid"}) from error
    rows = await _fetched(asked, text, values)
    kept = rows[:limit]
    cursor = seal.close(kept[-1]) if kept else None
    return {"items": kept, "pageInfo": {"hasNextPage": len(rows) > limit, "endCursor": cursor}}


async def _fetched(asked: Asked, text: str, values: Sequence[Any]) -> Sequence[Any]:
    async with asked.turn:
        try:
            # A statement that fails takes nothing of the other fields with it.
            async with asked.db.transaction():
                found: Sequence[Any] = await asked.db.fetch(text, *values)
                return found
        except asyncpg.QueryCanceledError as error:
            raise GraphQLError("this takes too long: ask for less", extensions=TOO_LARGE) from error
        except asyncpg.DataError as error:
            raise GraphQLError("a value is not of its column's type", extensions={"code": "field-invalid"}) from error


def _asked_for(info: GraphQLResolveInfo[Asked]) -> list[str]:
    """Fields of the rows that are asked for, as often as they are; more where fragments are used."""
    found: list[str] = []

    def walk(selections: Any, depth: int) -> None:
        for node in selections or ():
            if isinstance(node, FieldNode):
                if depth:
                    found.append(node.name.value)
                walk(getattr(node.selection_set, "selections", None), depth + 1)
            elif hasattr(node, "selection_set"):
                walk(node.selection_set.selections, depth)
            else:
                walk(info.fragments[node.name.value].selection_set.selections, depth)

    for node in info.field_nodes:
        walk(getattr(node.selection_set, "selections", None), 0)
    return found
