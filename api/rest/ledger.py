"""The mirrored chain: blocks, contract events, accounts. All of it is public on the chain itself."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query

from api.deps import Reader, Services, Site, public
from api.rest import ledger_events
from api.rest.fields import Address, Answer, Hash, Instant, Natural, Whole
from api.rest.ledger_events import LedgerEvent
from api.rest.meta import IndexHead, Meta, Pinned, as_of
from api.rest.paging import Page, Wanted
from indexer import history
from indexer.db import Connection, queries
from indexer.read import Head

router = APIRouter(tags=["ledger"], dependencies=[Depends(public)])
SQL = queries(__name__)

ROLES: Final = {1: "producer", 2: "consumer", 4: "frozen"}
Name = Annotated[str | None, Query(pattern=r"^\w{1,64}$")]


class Block(Answer):
    number: int
    hash: Hash
    parent_hash: Hash
    timestamp: Instant
    transaction_count: int
    gas_used: Natural


class SettledOrder(Answer):
    """One order's part of a settled batch. ``money`` in cash units: paid by a buyer, received by a seller."""

    block_number: int
    transaction_hash: Hash
    sequence: int
    delivery_start: Instant
    side: str
    zone: int
    fill_wh: Natural
    money: Natural
    delivered_wh: Natural


class SettledImbalance(Answer):
    """``money`` in cash units; negative: charged."""

    block_number: int
    transaction_hash: Hash
    sequence: int
    delivery_start: Instant
    money: Whole


class LedgerAccount(Answer):
    """What the chain says of an account, and the newest settlements it was part of."""

    meta: Meta | None
    account: Address
    cash: Natural
    energy_wh: Natural
    nonce: Natural
    roles: list[str]
    cleared_until: Instant | None
    orders: list[SettledOrder]
    imbalances: list[SettledImbalance]


@router.get("/v1/ledger/blocks")
async def blocks(db: Reader, site: Site, meta: Pinned, wanted: Wanted) -> Page[Block]:
    """Newest first."""
    rows = await db.fetch(SQL["blocks"], site.chain_id, wanted.after, wanted.fetch, as_of(meta))
    kept, cursor = wanted.cut(rows, "number")
    return Page(meta=meta, items=[Block.model_validate(dict(row)) for row in kept], next_cursor=cursor)


@router.get("/v1/ledger/events")
async def events(
    db: Reader, site: Site, meta: Pinned, wanted: Wanted, contract: Name = None, event: Name = None
) -> Page[LedgerEvent]:
    """Newest first; of one contract or one event where named."""
    found = await ledger_events.newest(db, site.chain_id, contract, event, wanted.after, wanted.fetch, as_of(meta))
    kept, cursor = wanted.cut(found, "key")
    return Page(meta=meta, items=[LedgerEvent.model_validate(row) for row in kept], next_cursor=cursor)


@router.get("/v1/ledger/accounts/{account}")
async def ledger_account(
    account: Address,
    db: Reader,
    site: Site,
    head: IndexHead,
    meta: Pinned,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
) -> LedgerAccount:
    """An account as the chain knows it; one that never did anything is all zero."""
    row = await _account(db, site, account, head, meta)
    orders = await db.fetch(SQL["settled_orders"], site.chain_id, account, limit, as_of(meta))
    imbalances = await db.fetch(SQL["settled_imbalances"], site.chain_id, account, limit, as_of(meta))
    return LedgerAccount.model_validate(
        {
            **row,
            "meta": meta,
            "account": account,
            "orders": [dict(order) for order in orders],
            "imbalances": [dict(imbalance) for imbalance in imbalances],
        }
    )


async def _account(
    db: Connection, site: Services, account: bytes, head: Head | None, meta: Meta | None
) -> Mapping[str, Any]:
    if meta is None or head is None or meta.block_number >= head.number:
        return dict(await db.fetchrow(SQL["account"], site.chain_id, account) or {})
    vault = await history.balance_at(db, site.chain_id, account, meta.block_number)
    cleared = await history.participant_at(db, site.chain_id, account, meta.block_number)
    flags = 0 if cleared is None else cleared.flags
    return {
        "cash": vault.cash,
        "energy_wh": vault.energy_wh,
        "nonce": vault.nonce,
        "cleared_until": None if cleared is None else datetime.fromtimestamp(cleared.kyc_until, UTC),
        "roles": [name for bit, name in ROLES.items() if flags & bit],
    }
