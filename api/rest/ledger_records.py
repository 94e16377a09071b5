"""Transactions of the mirrored chain with their receipts, and transfers of its own coin: as far as they are kept."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from api.deps import Reader, Site, public
from api.rest.fields import Address, Answer, Hash, Instant, Natural
from api.rest.meta import Pinned, as_of
from api.rest.paging import Page, Wanted
from indexer.db import queries

router = APIRouter(tags=["ledger"], dependencies=[Depends(public)])
SQL = queries(__name__)


class LedgerTransaction(Answer):
    """One transaction; ``value`` and ``gas_price`` in wei. What only a receipt tells is null where none is kept.

    ``recipient`` is null where the transaction creates ``contract_address``. ``status``: 1 success, 0 reverted.
    """

    block_number: int
    transaction_index: int
    hash: Hash
    block_time: Instant
    sender: Address
    recipient: Address | None
    value: Natural
    nonce: Natural
    type: int
    gas_limit: int
    gas_price: Natural | None
    input: str
    status: int | None
    gas_used: int | None
    contract_address: Address | None


class NativeTransfer(Answer):
    """Coins that moved, in wei; ``trace_address`` is empty for what the transaction itself carried."""

    block_number: int
    transaction_index: int
    transaction_hash: Hash
    block_time: Instant
    trace_address: list[int]
    kind: str
    sender: Address
    recipient: Address
    value: Natural


@router.get("/v1/ledger/transactions")
async def ledger_transactions(
    db: Reader,
    site: Site,
    meta: Pinned,
    wanted: Wanted,
    address: Annotated[Address | None, Query()] = None,
    hash: Annotated[Hash | None, Query()] = None,
) -> Page[LedgerTransaction]:
    """Newest first; from or to one address, or the one of a hash. Those that the manifest has kept."""
    rows = await db.fetch(SQL["transactions"], site.chain_id, wanted.after, address, hash, wanted.fetch, as_of(meta))
    kept, cursor = wanted.cut(rows, "key")
    return Page(meta=meta, items=[LedgerTransaction.model_validate(dict(row)) for row in kept], next_cursor=cursor)


@router.get("/v1/ledger/transfers")
async def native_transfers(
    db: Reader,
    site: Site,
    meta: Pinned,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
    address: Annotated[Address | None, Query()] = None,
    hash: Annotated[Hash | None, Query()] = None,
) -> Page[NativeTransfer]:
    """The newest transfers of the chain's own coin; from or to one address, or in one transaction."""
    rows = await db.fetch(SQL["transfers"], site.chain_id, address, hash, limit, as_of(meta))
    return Page(meta=meta, items=[NativeTransfer.model_validate(dict(row)) for row in rows])
