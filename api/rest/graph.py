"""The mirror over GraphQL: its events and its state, in one snapshot, as of one block."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends
from pydantic import Field

from api.deps import Site, public, snapshot
from api.graphql.execute import answer
from api.graphql.schema import Asked
from api.rest.fields import Answer, Request

router = APIRouter(tags=["ledger"])

STATEMENT_TIMEOUT_MS: Final = 4_000


class Question(Request):
    """A GraphQL request, as every client of it sends."""

    query: Annotated[str, Field(min_length=1, max_length=20_000)]
    variables: dict[str, Any] | None = None
    operationName: Annotated[str, Field(max_length=200)] | None = None  # noqa: N815 -- the protocol's name


class GraphAnswer(Answer):
    """``data`` and ``errors`` as the GraphQL specification has them."""

    data: dict[str, Any] | None = None
    errors: list[dict[str, Any]] | None = None


@router.post("/v1/graphql", dependencies=[Depends(public)], response_model_exclude_unset=True)
async def graphql(body: Question, site: Site) -> GraphAnswer:
    """Asks the ledger. All that one question is answered is of one block, which ``_meta`` names."""
    # Who waits holds no connection: a question may take long.
    async with site.questions.turn(), snapshot(site) as db:
        await db.execute(f"set local statement_timeout = {STATEMENT_TIMEOUT_MS}")
        schema = await site.graph.current(db)
        asked = Asked(db, site.chain_id, site.cursor_secret)
        return GraphAnswer(**await answer(schema, asked, body.query, body.variables, body.operationName))
