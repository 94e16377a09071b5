"""Keeps what was computed of a slot, and gives back what it was computed from."""

from collections.abc import Mapping

from indexer.db import Connection, queries
from node.config import MarketRules
from node.errors import NotFound
from node.metering import service as metering
from node.settlement.context import OutcomeChanged, SettlementContext
from node.settlement.delivery import Trade
from node.settlement.imbalance import Line, Prices
from node.settlement.meters import by_account, participants
from node.settlement.outcome import Outcome, Slot, carbon_offset_g, result_hash

_SQL = queries(__name__)


async def insert(db: Connection, rules: MarketRules, outcome: Outcome, missing: int) -> int:
    """Stores a computed settlement and what its trades delivered; returns its id."""
    settlement_id: int = await db.fetchval(_SQL["insert_settlement"], *_settlement_row(outcome), missing)
    await _store_lines(db, rules, settlement_id, outcome)
    return settlement_id


async def replace(
    db: Connection, rules: MarketRules, settlement_id: int, outcome: Outcome, voids: Mapping[bytes, str]
) -> None:
    """Puts the outcome without the voided orders in the place of the last one."""
    await db.execute(_SQL["replace_settlement"], *_settlement_row(outcome))
    await db.execute(_SQL["forget_accounts"], settlement_id)
    await _store_lines(db, rules, settlement_id, outcome)
    await db.execute(_SQL["store_no_delivery"], outcome.zone, outcome.delivery_start, list(voids))


async def record_voids(
    db: Connection, settlement_id: int, voids: Mapping[bytes, str], block_number: int, block_hash: bytes
) -> None:
    """Stores the voided orders with their reasons and the block they were judged at, instead of any before."""
    await db.execute(_SQL["forget_voids"], settlement_id)
    rows = [(settlement_id, digest, reason, block_number, block_hash) for digest, reason in voids.items()]
    await db.executemany(_SQL["record_void"], rows)


async def voided(db: Connection, settlement_id: int) -> dict[bytes, str]:
    """The voided orders of a settlement and their reasons."""
    return {row["digest"]: row["reason"] for row in await db.fetch(_SQL["voids"], settlement_id)}


async def load(db: Connection, ctx: SettlementContext, settlement_id: int) -> Slot:
    """What a settlement follows from: the stored trades, slot energy and prices.

    Raises:
        OutcomeChanged: the stored result does not follow from it; something was changed since.
    """
    row = await db.fetchrow(_SQL["stored"], settlement_id)
    if row is None:
        raise NotFound(f"there is no settlement {settlement_id}")
    zone, delivery_start, version = row["zone"], row["delivery_start"], row["version"]
    meters = await metering.load_slot_energy(db, zone, delivery_start, version)
    slot = Slot(
        zone=zone,
        delivery_start=delivery_start,
        version=version,
        trades=await trades_of(db, zone, delivery_start),
        metered=by_account(participants(meters)),
        prices=Prices(row["price_local_per_kwh"], row["price_long_per_kwh"], row["price_short_per_kwh"]),
        readings_root=row["readings_root"],
        grid_account=ctx.grid_account,
    )
    if result_hash(slot.settle(await voided(db, settlement_id))) != row["result_hash"]:
        raise OutcomeChanged(f"settlement {settlement_id} no longer follows from its trades and slot energy")
    return slot


async def trades_of(db: Connection, zone: int, delivery_start: int) -> tuple[Trade, ...]:
    """The stored trades of a slot, in the auction's sequence."""
    rows = await db.fetch(_SQL["trades"], zone, delivery_start)
    return tuple(
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
    )


async def _store_lines(db: Connection, rules: MarketRules, settlement_id: int, outcome: Outcome) -> None:
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


def _settlement_row(outcome: Outcome) -> tuple[bytes | int, ...]:
    return (
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
        outcome.readings_root,
        result_hash(outcome),
    )


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
