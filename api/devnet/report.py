"""What a run did: read from the database, told slot by slot and in one summary."""

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from indexer.db import Connection, queries

SQL = queries(__name__)
SETTLED = "settled"


@dataclass(frozen=True, slots=True)
class SlotRow:
    """One delivery slot whose gate has closed. Energy in Wh, price in micro-currency per kWh; None: not yet."""

    delivery_start: int
    order_count: int
    clearing_price_per_kwh: int | None
    matched_wh: int
    trades: int
    state: str | None
    state_reason: str | None
    traded_wh: int | None
    delivered_wh: int | None
    imbalance_wh: int | None
    gas_used: int | None
    differences: int | None
    settled_wh: int
    two_sided: bool
    """Somebody wanted to buy and somebody to sell; at night nobody sells."""

    @property
    def done(self) -> bool:
        """Settled on the ledger, and audited."""
        return self.state == SETTLED and self.differences is not None

    @property
    def stage(self) -> str:
        """How far it is, in one word."""
        if self.done:
            return "audited"
        return self.state or "cleared"

    @property
    def gas_per_trade(self) -> int | None:
        return self.gas_used // self.trades if self.gas_used and self.trades else None


@dataclass(frozen=True, slots=True)
class Summary:
    """The run in figures; energies in Wh, prices in micro-currency per kWh, times in real seconds."""

    slots: int
    orders: int
    trades: int
    traded_wh: int
    delivered_wh: int
    settled_wh: int
    imbalance_wh: int
    clearing_prices: list[int | None]
    gas_per_trade: int | None
    indexer_lag_ms_p50: int | None
    indexer_lag_ms_p99: int | None
    events_indexed: int
    differences: int
    meters_delivered: dict[str, int]
    refused_orders: int
    restarts: int
    duration_s: float
    page: str

    def as_json(self) -> str:
        """One line."""
        return json.dumps(asdict(self), separators=(",", ":"))


async def slots(db: Connection, zone: int, since_s: int) -> list[SlotRow]:
    """Every slot from market time ``since_s`` on whose gate has closed, in order."""
    return [SlotRow(**row) for row in await db.fetch(SQL["slots"], zone, since_s)]


async def deliveries(db: Connection, since_s: int) -> dict[str, int]:
    """How many meters of each driver have delivered since market time ``since_s``."""
    counted = {row["driver"]: row["meters"] for row in await db.fetch(SQL["deliveries"], since_s)}
    return {driver: counted.get(driver, 0) for driver in ("modbus", "mqtt")}


async def events_indexed(db: Connection, chain_id: int) -> int:
    """Contract events mirrored so far."""
    count: int = await db.fetchval(SQL["events_indexed"], chain_id)
    return count


def counted(rows: Sequence[SlotRow], slot_s: int, wanted: int) -> list[SlotRow]:
    """The first ``wanted`` consecutive slots, from the first in which was traded; as many as there are yet."""
    first = next((row.delivery_start for row in rows if row.trades), None)
    if first is None:
        return []
    return [row for row in rows if first <= row.delivery_start < first + wanted * slot_s]


def percentile(values: Sequence[float], share: float) -> float | None:
    """The smallest value that at least ``share`` of all values do not exceed."""
    if not values:
        return None
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def outcomes(journal: Path, offset: int = 0) -> Counter[str]:
    """How many orders the participants sent, by outcome, from their journal; from a byte offset on."""
    tally: Counter[str] = Counter()
    try:
        with journal.open("rb") as source:
            source.seek(offset)
            for line in source:
                if line.endswith(b"\n"):
                    tally[json.loads(line)["outcome"]] += 1
    except FileNotFoundError:
        pass
    return tally


def summarise(rows: Sequence[SlotRow], lags_s: Sequence[float], extra: Mapping[str, Any]) -> Summary:
    """The figures of the counted slots; ``extra`` holds the summary's fields that are not about slots."""
    trades = sum(row.trades for row in rows)
    gas = sum(row.gas_used or 0 for row in rows)

    def lag_ms(share: float) -> int | None:
        found = percentile(lags_s, share)
        return None if found is None else round(found * 1_000)

    return Summary(
        slots=len(rows),
        orders=sum(row.order_count for row in rows),
        trades=trades,
        traded_wh=sum(row.traded_wh or 0 for row in rows),
        delivered_wh=sum(row.delivered_wh or 0 for row in rows),
        settled_wh=sum(row.settled_wh for row in rows),
        imbalance_wh=sum(row.imbalance_wh or 0 for row in rows),
        clearing_prices=[row.clearing_price_per_kwh for row in rows],
        gas_per_trade=gas // trades if trades else None,
        indexer_lag_ms_p50=lag_ms(0.50),
        indexer_lag_ms_p99=lag_ms(0.99),
        differences=sum(row.differences or 0 for row in rows),
        **extra,
    )
