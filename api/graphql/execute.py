"""A question from its text to its answer, within bounds."""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from graphql import ExecutionResult, GraphQLError, GraphQLSchema, parse, validate
from graphql import execute as run
from graphql.language import DocumentNode, FieldNode, OperationDefinitionNode, OperationType

from api.graphql import relations
from api.graphql.schema import Asked, build
from indexer.db import Connection

MOST_TOKENS: Final = 2_000
DEEPEST: Final = 12
"""Of nested selections: an introspection of all types needs eleven."""
MOST_FIELDS: Final = 400
TIMEOUT_S: Final = 5.0
TOO_LARGE: Final = {"code": "query-too-large"}


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
        _check(document)
    except GraphQLError as error:
        return {"errors": [error.formatted]}
    faults = validate(schema, document, max_errors=10)
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


def _check(document: DocumentNode) -> None:
    """Bounds that hold before anything is looked at. Raises GraphQLError."""
    fields = 0
    for definition in document.definitions:
        if isinstance(definition, OperationDefinitionNode) and definition.operation is not OperationType.QUERY:
            raise GraphQLError("the ledger can only be read", definition)
        stack = [(getattr(definition, "selection_set", None), 1)]
        while stack:
            chosen, depth = stack.pop()
            for node in chosen.selections if chosen else ():
                fields += isinstance(node, FieldNode)
                if depth > DEEPEST or fields > MOST_FIELDS:
                    raise GraphQLError(f"at most {DEEPEST} levels and {MOST_FIELDS} fields", node)
                stack.append((getattr(node, "selection_set", None), depth + 1))
