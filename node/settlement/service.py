"""Settles ended slots: reads what was traded and metered, stores what follows, and asks for its attestation.

Everything of one slot is written in the caller's one transaction, the requests to the chain included, so a node
that dies leaves either nothing or all of it.
"""

import logging
from collections.abc import Iterable, Sequence

from contracts.settlement_batch import encode_registers
from indexer import read
from indexer.db import Connection, queries
from node import outbox
from node.config import MarketRules
from node.errors import NotFound
from node.metering import service as metering
from node.metering.readings import State
from node.metering.service import MeterSlot
from node.settlement import calldata, merkle
from node.settlement.context import NotReady, OutcomeChanged, SettlementContext
from node.settlement.delivery import Metered, Trade
from node.settlement.imbalance import Line, Prices, imbalance_prices
from node.settlement.merkle import MeteredSlot
from node.settlement.outcome import Outcome, carbon_offset_g, result_hash, settle

logger = logging.getLogger(__name__)

_SQL = queries(__name__)
PROVISIONAL = 0
"""Settlement version of a slot's first settlement."""
FEEDER = "feeder"
"""Kind of a meter that measures a zone's connection, not a participant's."""


async def due(db: Connection, zones: Iterable[int], now_s: int) -> list[tuple[int, int]]:
    """Ended, auctioned slots without a settlement as (zone, delivery_start), oldest first."""
    rows = await db.fetch(_SQL["due"], list(zones), now_s)
    return [(row["zone"], row["delivery_start"]) for row in rows]


async def compute(db: Connection, ctx: SettlementContext, zone: int, delivery_start: int, now_s: int) -> int | NotReady:
    """Settles a slot provisionally and returns its settlement id; a settled slot's id when it already is.

    Waits for every meter of the zone until ``reading_grace_s`` after the slot's end, and for earlier slots of the
    zone: registers are cumulative and must reach the chain in order.
    """
    auction = await db.fetchrow(_SQL["lock_auction"], zone, delivery_start)
    if auction is None:
        return NotReady("the slot has no auction")
    existing: int | None = await db.fetchval(_SQL["existing"], zone, delivery_start, PROVISIONAL)
    if existing is not None:
        return existing
    if now_s < delivery_start + auction["slot_s"]:
        return NotReady("the slot has not ended")
    earlier = await db.fetchval(_SQL["earlier_open"], zone, delivery_start)
    if earlier is not None:
        return NotReady(f"slot {earlier} of the zone is not settled yet")
    rules, slot_end = ctx.rules, delivery_start + auction["slot_s"]
    if now_s < slot_end + rules.reading_grace_s and not await metering.ready(db, zone, slot_end):
        return NotReady("meters are still to be read")
    meters = await _store_energy(db, rules, zone, delivery_start, auction["slot_s"])
    outcome = settle(
        zone=zone,
        delivery_start=delivery_start,
        version=PROVISIONAL,
        trades=await trades_of(db, zone, delivery_start),
        metered=by_account(meters),
        prices=imbalance_prices(auction["clearing_price_per_kwh"], rules.price_long_per_kwh, rules.price_short_per_kwh),
        readings_root=merkle.root(reading_leaves(ctx.salt_secret, delivery_start, PROVISIONAL, meters)),
        grid_account=ctx.grid_account,
    )
    settlement_id = await _store(db, outcome, rules, missing=len(meters) - len(proved(meters)))
    await _request_attestation(db, ctx, outcome, meters, slot_end)
    logger.info(
        "settlement computed: zone=%d delivery_start=%d trades=%d traded_wh=%d delivered_wh=%d",
        zone,
        delivery_start,
        len(outcome.deliveries),
        outcome.traded_wh,
        outcome.delivered_wh,
    )
    return settlement_id


async def recompute(db: Connection, ctx: SettlementContext, settlement_id: int) -> Outcome:
    """The settlement again, from the stored trades, slot energy and prices.

    Raises:
        OutcomeChanged: it is not the one that was stored; something it follows from was changed since.
    """
    row = await db.fetchrow(_SQL["stored"], settlement_id)
    if row is None:
        raise NotFound(f"there is no settlement {settlement_id}")
    zone, delivery_start, version = row["zone"], row["delivery_start"], row["version"]
    meters = await metering.load_slot_energy(db, zone, delivery_start, version)
    outcome = settle(
        zone=zone,
        delivery_start=delivery_start,
        version=version,
        trades=await trades_of(db, zone, delivery_start),
        metered=by_account(participants(meters)),
        prices=Prices(row["price_local_per_kwh"], row["price_long_per_kwh"], row["price_short_per_kwh"]),
        readings_root=row["readings_root"],
        grid_account=ctx.grid_account,
    )
    if result_hash(outcome) != row["result_hash"]:
        raise OutcomeChanged(f"settlement {settlement_id} no longer follows from its trades and slot energy")
    return outcome


async def trades_of(db: Connection, zone: int, delivery_start: int) -> list[Trade]:
    """The stored trades of a slot, in the auction's sequence."""
    rows = await db.fetch(_SQL["trades"], zone, delivery_start)
    return [
        Trade(
            number=row["trade_number"],
            buy_order=row["buy_order"],
            sell_order=row["sell_order"],
            buyer=row["buyer"],
            seller=row["seller"],
            energy_wh=row["energy_wh"],
            price_per_kwh=row["price_per_kwh"],
            fee_per_kwh=row["grid_fee_per_kwh"],
        )
        for row in rows
    ]


def participants(meters: Iterable[MeterSlot]) -> list[MeterSlot]:
    """The meters that belong to somebody's account; feeders only check them."""
    return [meter for meter in meters if meter.kind != FEEDER]


def proved(meters: Iterable[MeterSlot]) -> list[MeterSlot]:
    """The meters whose slot is proved by readings, in meter order. An estimate proves nothing yet."""
    return sorted((meter for meter in meters if meter.state == State.VALIDATED), key=lambda meter: meter.meter_id)


def by_account(meters: Iterable[MeterSlot]) -> dict[bytes, Metered]:
    """The sum over each account's meters; one of them missing makes the account missing."""
    metered: dict[bytes, Metered] = {}
    for meter in meters:
        so_far = metered.get(meter.owner, Metered(0, 0))
        metered[meter.owner] = Metered(
            injection_wh=so_far.injection_wh + meter.export_wh,
            withdrawal_wh=so_far.withdrawal_wh + meter.import_wh,
            missing=so_far.missing or meter.state != State.VALIDATED,
        )
    return metered


def reading_leaves(secret: bytes, delivery_start: int, version: int, meters: Iterable[MeterSlot]) -> list[bytes]:
    """The Merkle leaves of all proved meters, in meter order."""
    slots = [
        MeteredSlot(meter.meter_id, delivery_start, version, meter.import_wh, meter.export_wh)
        for meter in proved(meters)
    ]
    return merkle.leaves(secret, slots)


def key(effect: str, zone: int, delivery_start: int, version: int, attempt: int = 0) -> str:
    """Names one effect of a settlement on chain in the outbox: asking twice sends once."""
    name = f"{effect}:{zone}:{delivery_start}:{version}"
    return f"{name}:{attempt}" if attempt else name


async def _store_energy(
    db: Connection, rules: MarketRules, zone: int, delivery_start: int, slot_s: int
) -> list[MeterSlot]:
    slots = await metering.slot_registers(db, zone, delivery_start, slot_s, rules.reading_gap_s)
    await metering.store_slot_energy(db, delivery_start, slot_s, PROVISIONAL, slots)
    return participants(slots)


async def _store(db: Connection, outcome: Outcome, rules: MarketRules, missing: int) -> int:
    settlement_id: int = await db.fetchval(
        _SQL["insert_settlement"],
        outcome.zone,
        outcome.delivery_start,
        outcome.version,
        len(outcome.deliveries),
        outcome.traded_wh,
        outcome.delivered_wh,
        outcome.imbalance_wh,
        outcome.imbalance.grid_exchange_wh,
        outcome.prices.local_per_kwh,
        outcome.prices.long_per_kwh,
        outcome.prices.short_per_kwh,
        outcome.netting.grid_fee_nano,
        outcome.netting.residue_nano,
        missing,
        outcome.readings_root,
        result_hash(outcome),
    )
    accounts = [(settlement_id, *_account_row(line)) for line in outcome.accounts]
    await db.executemany(_SQL["insert_accounts"], accounts)
    deliveries = [
        (
            outcome.zone,
            outcome.delivery_start,
            item.trade.number,
            item.delivered_wh,
            item.fee_nano,
            carbon_offset_g(item.delivered_wh, rules.carbon_g_per_kwh),
        )
        for item in outcome.deliveries
    ]
    await db.executemany(_SQL["store_delivery"], deliveries)
    return settlement_id


def _account_row(line: Line) -> tuple[bytes | int | str, ...]:
    return (
        line.account,
        line.bought_wh,
        line.sold_wh,
        line.injection_wh,
        line.withdrawal_wh,
        line.imbalance_wh,
        line.netted_wh,
        line.trade_money_nano,
        line.grid_fee_nano,
        line.imbalance_money_nano,
        "missing" if line.missing else "metered",
    )


async def _request_attestation(
    db: Connection, ctx: SettlementContext, outcome: Outcome, meters: Sequence[MeterSlot], slot_end: int
) -> None:
    by_id = {meter.meter_id: meter for meter in proved(meters)}
    registered = await read.meters(db, ctx.chain_id, zone=outcome.zone)
    known = [meter.meter_id for meter in registered if meter.active and meter.meter_id in by_id]
    if not known:
        return
    await _request_baseline(db, ctx, outcome, [by_id[meter] for meter in known])
    registers = encode_registers([(meter, by_id[meter].export_register_wh) for meter in known])
    attestation = calldata.attest(outcome.zone, slot_end, outcome.readings_root, registers, len(known))
    await _enqueue(db, ctx, "attest", outcome, attestation)
    producing = [meter for meter in known if by_id[meter].export_wh]
    if producing:
        await _enqueue(db, ctx, "issue", outcome, calldata.issue(producing))


async def _request_baseline(
    db: Connection, ctx: SettlementContext, outcome: Outcome, meters: Sequence[MeterSlot]
) -> None:
    """A meter's first attestation issues nothing, so it is made for the register before its first slot."""
    attested = {
        row["meter_id"]
        for row in await db.fetch(_SQL["attested_meters"], ctx.chain_id, [meter.meter_id for meter in meters])
    }
    new = [
        (meter.meter_id, meter.export_register_wh - meter.export_wh)
        for meter in meters
        if meter.meter_id not in attested
    ]
    if new:
        registers = encode_registers(new)
        call = calldata.attest(outcome.zone, outcome.delivery_start, merkle.EMPTY_ROOT, registers, len(new))
        await _enqueue(db, ctx, "baseline", outcome, call)


async def _enqueue(db: Connection, ctx: SettlementContext, effect: str, outcome: Outcome, call: calldata.Call) -> None:
    await outbox.enqueue(
        db,
        key=key(effect, outcome.zone, outcome.delivery_start, outcome.version),
        kind=effect,
        sender=ctx.operator,
        target=ctx.deployment.address("ProductionLedger"),
        calldata=call.data,
        gas_limit=call.gas_limit,
    )
