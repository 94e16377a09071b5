"""Settlements: what each slot came to, and the transaction that put it on chain."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query

from api.deps import Reader, public
from api.rest.fields import Address, Answer, Hash, Instant, Natural, Second, Whole, ZoneNumber
from api.rest.meta import Meta, Stamp
from api.rest.paging import Page, Wanted
from indexer.db import queries
from node.errors import NotFound

router = APIRouter(tags=["settlements"], dependencies=[Depends(public)])
SQL = queries(__name__)

State = Literal["computed", "attested", "submitted", "settled", "failed"]


class Settlement(Answer):
    """Energy in Wh, prices in micro-currency per kWh, money in nano-currency."""

    settlement_id: int
    zone: int
    delivery_start: Instant
    version: int
    state: str
    state_reason: str | None
    batch_sequence: int | None
    transaction_hash: Hash | None
    block_number: int | None
    gas_used: int | None
    trades: int
    traded_wh: Natural
    delivered_wh: Natural
    imbalance_wh: Natural
    grid_exchange_wh: Whole
    price_local_per_kwh: Whole
    price_long_per_kwh: Whole
    price_short_per_kwh: Whole
    grid_fee_nano: Natural
    residue_nano: Whole
    missing_meters: int
    readings_root: Hash
    result_hash: Hash
    computed_at: Instant
    settled_at: Instant | None


class Account(Answer):
    """What a slot meant for one account. Its meters' readings are told to its owner alone."""

    account: Address
    bought_wh: Natural
    sold_wh: Natural
    imbalance_wh: Whole
    netted_wh: Natural
    trade_money_nano: Whole
    grid_fee_nano: Natural
    imbalance_money_nano: Whole
    state: str


class SettlementDetail(Settlement):
    meta: Meta | None
    accounts: list[Account]


@router.get("/v1/settlements")
async def settlements(
    db: Reader,
    meta: Stamp,
    wanted: Wanted,
    zone: Annotated[ZoneNumber | None, Query()] = None,
    state: Annotated[State | None, Query()] = None,
) -> Page[Settlement]:
    """Newest first."""
    rows = await db.fetch(SQL["settlements"], zone, state, wanted.after, wanted.fetch)
    kept, cursor = wanted.cut(rows, "settlement_id")
    return Page(meta=meta, items=[Settlement.model_validate(dict(row)) for row in kept], next_cursor=cursor)


@router.get("/v1/settlements/{zone}/{delivery_start}")
async def settlement(zone: ZoneNumber, delivery_start: Second, db: Reader, meta: Stamp) -> SettlementDetail:
    """The newest version of one slot's settlement, with every account's part."""
    row = await db.fetchrow(SQL["settlement"], zone, delivery_start)
    if row is None:
        raise NotFound
    accounts = await db.fetch(SQL["accounts"], row["settlement_id"])
    return SettlementDetail.model_validate({**row, "meta": meta, "accounts": [dict(line) for line in accounts]})
