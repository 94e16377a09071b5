"""A question from its text to its answer, within bounds."""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from graphql import ExecutionResult, GraphQLError, GraphQLSchema, parse, validate
from graphql import execute as run

from api.graphql import bounds, relations
from api.graphql.bounds import TOO_LARGE
from api.graphql.schema import Asked, build
from indexer.db import Connection

MOST_TOKENS: Final = 2_000
TIMEOUT_S: Final = 5.0


class Schemas:
    """The schema as the mirror's tables are now: made anew when they change."""

    def __init__(self) -> None:
        self._of: str | None = None
        self._schema: GraphQLSchema | None = None
        self._making = asyncio.Lock()

    async def current(self, db: Connection) -> GraphQLSchema:
        """The schema of the tables that this snapshot sees."""
        found = await relations.fingerprint(db)
        async with self._making:
            if self._schema is None or self._of != found:
                self._schema, self._of = build(await relations.relations(db)), found
            return self._schema


async def answer(
    schema: GraphQLSchema, asked: Asked, text: str, variables: Mapping[str, Any] | None, operation: str | None
) -> Mapping[str, Any]:
    """``data`` and ``errors`` as the GraphQL specification has them; a question out of bounds has errors alone."""
    try:
        document = parse(text, max_tokens=MOST_TOKENS)
        bounds.check(document)
        faults = validate(schema, document, max_errors=10)
    except GraphQLError as error:
        return {"errors": [error.formatted]}
    if faults:
        return {"errors": [error.formatted for error in faults]}
    try:
        async with asyncio.timeout(TIMEOUT_S):
            result = run(
                schema, document, context_value=asked, variable_values=dict(variables or {}), operation_name=operation
            )
            if not isinstance(result, ExecutionResult):
                result = await result
    except TimeoutError:
        slow = GraphQLError(f"no answer within {TIMEOUT_S:.0f} s: ask for less", extensions=TOO_LARGE)
        return {"errors": [slow.formatted]}
    told: dict[str, Any] = {"data": result.data}
    if result.errors:
        told["errors"] = [_told(error) for error in result.errors]
    return told


def _told(error: GraphQLError) -> Mapping[str, Any]:
    """Our own words about the question; nothing of what went wrong inside."""
    if error.original_error is None or isinstance(error.original_error, GraphQLError):
        return error.formatted
    hidden = GraphQLError("a fault of ours", path=error.path, extensions={"code": "internal"})
    return hidden.formatted
