"""Settlements: what each slot came to, and the transaction that put it on chain."""

from dataclasses import asdict
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query

from api.deps import Reader, public
from api.rest.fields import Address, Answer, Hash, Instant, Natural, Second, Whole, ZoneNumber, seconds
from api.rest.meta import Meta, Stamp
from api.rest.paging import Page, Wanted
from node.settlement import reads

router = APIRouter(tags=["settlements"], dependencies=[Depends(public)])

State = Literal["computed", "attested", "submitted", "settled", "failed"]
Kind = Literal["provisional", "revision", "final"]


class Settlement(Answer):
    """Energy in Wh, prices in micro-currency per kWh, money in nano-currency.

    A slot has a provisional version, and a revision for everything that was metered late; each revision settles the
    difference to the version before, in money. Nothing follows a final version. ``zone`` is the smallest of the zones
    that were cleared and settled together. The batch, transaction and block are those of the last of its batches.
    """

    settlement_id: int
    zone: int
    zones: list[int]
    delivery_start: Instant
    version: int
    kind: Kind
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
    rent_nano: Natural
    residue_nano: Whole
    missing_meters: int
    readings_root: Hash
    result_hash: Hash
    computed_at: Instant
    settled_at: Instant | None
    final_at: Instant | None
    batches: int


class Account(Answer):
    """What a slot meant for one account. Its meters' readings are told to its owner alone."""

    account: Address
    bought_wh: Natural
    sold_wh: Natural
    imbalance_wh: Whole
    netted_wh: Natural
    trade_money_nano: Whole
    grid_fee_nano: Natural
    rent_nano: Natural
    imbalance_money_nano: Whole
    uncovered: Natural
    """Cash units that earlier versions could not charge and that this one does not give back."""
    state: str


class Batch(Answer):
    """One of the batches by which a settlement came on chain; without a block it is on its way."""

    ordinal: int
    batch_sequence: int
    transaction_hash: Hash | None
    block_number: int | None
    gas_used: int | None


class Version(Answer):
    """One version of a slot's settlement."""

    version: int
    kind: Kind
    state: str
    computed_at: Instant
    settled_at: Instant | None


class SettlementDetail(Settlement):
    meta: Meta | None
    accounts: list[Account]
    parts: list[Batch]
    versions: list[Version]


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
    kept, cursor = wanted.cut([_fields(row) for row in rows], "settlement_id")
    return Page(meta=meta, items=[Settlement.model_validate(row) for row in kept], next_cursor=cursor)


@router.get("/v1/settlements/{zone}/{delivery_start}")
async def settlement(
    zone: ZoneNumber,
    delivery_start: Second,
    db: Reader,
    meta: Stamp,
    version: Annotated[int | None, Query(ge=0, le=65_535)] = None,
) -> SettlementDetail:
    """One version of a slot's settlement, the newest where none is named, with every account's part."""
    newest = await reads.settlement_of(db, zone, seconds(delivery_start))
    known = await reads.versions(db, newest.zone, newest.delivery_start)
    row = next((item for item in known if item.version == version), None) if version is not None else newest
    if row is None:
        raise reads.NoSettlement(f"zone {zone} slot {newest.delivery_start} has no version {version}")
    return SettlementDetail.model_validate(
        {
            **_fields(row),
            "meta": meta,
            "accounts": [asdict(line) for line in await reads.accounts(db, row.settlement_id)],
            "parts": [asdict(batch) for batch in await reads.batches(db, row.settlement_id)],
            "versions": [_fields(item) for item in known],
        }
    )


def _fields(row: reads.SettlementRow) -> dict[str, Any]:
    return {**asdict(row), "kind": row.kind}
