"""How the mirrored balances compare with what the contracts themselves say."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from api.deps import Reader, Site, public
from api.rest.fields import Address, Answer, Hash, Instant, Natural, Whole
from api.rest.meta import Meta, Stamp
from indexer.db import queries

router = APIRouter(tags=["ledger"], dependencies=[Depends(public)])
SQL = queries(__name__)


class BalanceCheck(Answer):
    """One comparison. ``compared`` counts values; ``notes`` say what could not be compared, and why."""

    check_id: int
    scope: str
    outcome: str
    block_number: int
    block_hash: Hash
    finality: str
    compared: int
    differences: int
    notes: list[str]
    checked_at: Instant


class BalanceDifference(Answer):
    """``account`` is null where a token's total supply is not the sum of its balances."""

    check_id: int
    contract: Address
    account: Address | None
    quantity: str
    mirrored: Whole
    on_chain: Natural
    difference: Whole
    block_number: int
    checked_at: Instant


class LastDay(Answer):
    """Counts over the last day; `impossible` comparisons are those whose state the node had not."""

    checks: int
    compared: int
    differences: int
    impossible: int


class Reconciliation(Answer):
    """The newest comparisons and the newest differences."""

    meta: Meta | None
    newest: list[BalanceCheck]
    last_day: LastDay
    found: list[BalanceDifference]


@router.get("/v1/ledger/reconcile")
async def reconcile(
    db: Reader, site: Site, meta: Stamp, limit: Annotated[int, Query(ge=1, le=500)] = 50
) -> Reconciliation:
    """The newest comparison of each scope (`sample` runs by itself, `whole` is `gridtrace audit balances`)."""
    return Reconciliation(
        meta=meta,
        newest=[BalanceCheck.model_validate(dict(row)) for row in await db.fetch(SQL["newest"], site.chain_id)],
        last_day=LastDay.model_validate(dict(await db.fetchrow(SQL["totals"], site.chain_id))),
        found=[
            BalanceDifference.model_validate(dict(row))
            for row in await db.fetch(SQL["differences"], site.chain_id, limit)
        ],
    )
