"""What the node stored of a settlement against what follows from readings and trades."""

import dataclasses
from collections.abc import Mapping
from typing import Any, Final

from contracts.typed_data import checksum
from indexer.db import Connection
from node.audit import evidence, ledger
from node.audit.compare import Finding, compare
from node.settlement import reads
from node.settlement.batch import SignedOrder
from node.settlement.context import SettlementContext
from node.settlement.delivery import Delivery
from node.settlement.outcome import Outcome, Slot, carbon_offset_g, result_hash
from node.settlement.reads import AccountRow, SettlementBatch, SettlementRow

_LINE: Final = (
    "bought_wh",
    "sold_wh",
    "injection_wh",
    "withdrawal_wh",
    "imbalance_wh",
    "netted_wh",
    "trade_money_nano",
    "grid_fee_nano",
    "rent_nano",
    "imbalance_money_nano",
)


async def check_stored(
    db: Connection,
    ctx: SettlementContext,
    row: SettlementRow,
    slot: Slot,
    outcome: Outcome,
    on_chain: list[SettlementBatch],
    orders: Mapping[bytes, SignedOrder],
) -> list[Finding]:
    """Trades, accounts and the settlement itself. ``on_chain`` are its batches that the mirrored chain has."""
    findings = [] if row.version else await _check_trades(db, ctx, row, slot, outcome, len(on_chain), orders)
    accounts = {
        checksum(line.account): _line_fields(line) | {"uncovered": outcome.uncovered.get(line.account, 0)}
        for line in outcome.accounts
    }
    known = await reads.accounts(db, row.settlement_id)
    stored = {checksum(account.account): _row_fields(account) for account in known}
    name = f"slot {row.delivery_start}"
    last = on_chain[-1] if on_chain else None
    place = {} if last is None else {key: getattr(last, key) for key in _PLACE}
    return [
        *findings,
        *compare("account", accounts, stored, ledger.RECOMPUTED, "trading.settlement_accounts"),
        *compare(
            "settlement",
            {name: _outcome_fields(outcome) | {"zones": slot.zones}},
            {name: dataclasses.asdict(row)},
            ledger.RECOMPUTED,
            "trading.settlements",
        ),
        *compare(
            "settlement",
            {name: place},
            {name: dataclasses.asdict(row)},
            "trading.settlement_batches",
            "trading.settlements",
        ),
    ]


_PLACE: Final = ("batch_sequence", "transaction_hash", "block_number")


async def _check_trades(
    db: Connection,
    ctx: SettlementContext,
    row: SettlementRow,
    slot: Slot,
    outcome: Outcome,
    on_chain: int,
    orders: Mapping[bytes, SignedOrder],
) -> list[Finding]:
    delivered = {item.trade.number: item for item in outcome.deliveries}
    batch = {trade.number: index for index, chunk in enumerate(outcome.chunks) for trade in chunk}
    states = {number: "settled" if index < on_chain else row.state for number, index in batch.items()}
    trades = {
        f"trade {trade.number}": _trade_fields(delivered.get(trade.number, Delivery(trade, 0)), ctx)
        | {"zone": orders[trade.buy_order].order.zone, "sell_zone": orders[trade.sell_order].order.zone}
        | {"settlement_status": states.get(trade.number, "failed")}
        for trade in slot.trades
    }
    stored = await evidence.trades(db, slot.zones, row.delivery_start)
    return compare("trade", trades, stored, "published book and readings", "trading.trades")


def _trade_fields(item: Delivery, ctx: SettlementContext) -> dict[str, object]:
    trade = item.trade
    return {
        "buy_order": trade.buy_order,
        "sell_order": trade.sell_order,
        "buyer": trade.buyer,
        "seller": trade.seller,
        "energy_wh": trade.energy_wh,
        "price_per_kwh": trade.price_per_kwh,
        "fee_per_kwh": trade.fee_per_kwh,
        "rent_per_kwh": trade.rent_per_kwh,
        "delivered_wh": item.delivered_wh,
        "grid_fee_nano": item.fee_nano,
        "carbon_offset_g": carbon_offset_g(item.delivered_wh, ctx.rules.carbon_g_per_kwh),
    }


def _line_fields(line: Any) -> dict[str, object]:
    return {name: getattr(line, name) for name in _LINE} | {"state": "missing" if line.missing else "metered"}


def _row_fields(account: AccountRow) -> Mapping[str, object]:
    return {name: getattr(account, name) for name in (*_LINE, "uncovered", "state")}


def _outcome_fields(outcome: Outcome) -> dict[str, object]:
    return {
        "trades": len(outcome.deliveries),
        "traded_wh": outcome.traded_wh,
        "delivered_wh": outcome.delivered_wh,
        "imbalance_wh": outcome.imbalance_wh,
        "grid_exchange_wh": outcome.imbalance.grid_exchange_wh,
        "price_local_per_kwh": outcome.prices.local_per_kwh,
        "grid_fee_nano": outcome.netting.grid_fee_nano,
        "rent_nano": outcome.netting.rent_nano,
        "residue_nano": outcome.netting.residue_nano,
        "readings_root": outcome.readings_root,
        "result_hash": result_hash(outcome),
        "batches": len(outcome.netting.parts),
        "state": "settled",
    }
