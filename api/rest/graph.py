"""The mirror over GraphQL: every table of it, in one snapshot, as of one block."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import Field

from api.deps import Reader, Site, public
from api.graphql.execute import answer
from api.graphql.schema import Asked
from api.rest.fields import Answer, Request

router = APIRouter(tags=["ledger"])


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
async def graphql(body: Question, db: Reader, site: Site) -> GraphAnswer:
    """Asks the ledger. All that one question is answered is of one block, which ``_meta`` names."""
    schema = await site.graph.current(db)
    return GraphAnswer(**await answer(schema, Asked(db, site.chain_id), body.query, body.variables, body.operationName))
