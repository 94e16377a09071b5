"""Calls to the indexed contracts: what was asked, how it ended, what it cost. Public on the chain itself."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query

from api.deps import Reader, Site, public
from api.rest.fields import Address, Answer, Hash, Instant, Natural
from api.rest.meta import Stamp
from api.rest.paging import Page, Wanted
from indexer.db import queries

router = APIRouter(tags=["ledger"], dependencies=[Depends(public)])
SQL = queries(__name__)


class Execution(Answer):
    """One transaction sent to a contract; calls from contract to contract are not transactions.

    ``arguments`` as the contract names them, integers as decimal strings; null where they do not decode.
    ``revert_source``: `trace` is what the transaction returned, `replay` what the same call returns before the block.
    """

    block_number: int
    transaction_index: int
    transaction_hash: Hash
    contract: Address
    caller: Address
    selector: str
    function_name: str | None
    arguments: dict[str, Any] | None
    value: Natural
    nonce: int
    status: str
    gas_limit: int
    gas_used: int
    gas_price: Natural
    revert_reason: str | None
    revert_source: str | None
    executed_at: Instant


@router.get("/v1/ledger/executions")
async def executions(
    db: Reader,
    site: Site,
    meta: Stamp,
    wanted: Wanted,
    contract: Annotated[Address | None, Query()] = None,
    caller: Annotated[Address | None, Query()] = None,
    status: Annotated[Literal["success", "reverted"] | None, Query()] = None,
) -> Page[Execution]:
    """Newest first; of one contract, one caller or one outcome where named."""
    rows = await db.fetch(SQL["executions"], site.chain_id, wanted.after, contract, caller, status, wanted.fetch)
    kept, cursor = wanted.cut(rows, "key")
    return Page(meta=meta, items=[Execution.model_validate(dict(row)) for row in kept], next_cursor=cursor)
