"""Settlements: what each slot came to, and the transaction that put it on chain."""

from dataclasses import asdict
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query

from api.deps import Reader, public
from api.rest.fields import Address, Answer, Hash, Instant, Natural, Second, Whole, ZoneNumber, seconds
from api.rest.meta import Meta, Stamp
from api.rest.paging import Page, Wanted
from node.settlement import reads

router = APIRouter(tags=["settlements"], dependencies=[Depends(public)])

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
    rows = await reads.settlements(db, zone=zone, state=state, before_id=wanted.after, limit=wanted.fetch)
    kept, cursor = wanted.cut([asdict(row) for row in rows], "settlement_id")
    return Page(meta=meta, items=[Settlement.model_validate(row) for row in kept], next_cursor=cursor)


@router.get("/v1/settlements/{zone}/{delivery_start}")
async def settlement(zone: ZoneNumber, delivery_start: Second, db: Reader, meta: Stamp) -> SettlementDetail:
    """The newest version of one slot's settlement, with every account's part."""
    row = await reads.settlement(db, zone, seconds(delivery_start))
    accounts = [asdict(line) for line in await reads.accounts(db, row.settlement_id)]
    return SettlementDetail.model_validate({**asdict(row), "meta": meta, "accounts": accounts})
