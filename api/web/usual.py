"""What slots at the same time of day cleared at lately. It looks back only: it is no forecast."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from indexer.db import Connection, queries

SQL = queries(__name__)

DAYS: Final = 28
LEAST_DAYS: Final = 7
"""With fewer days nothing is called usual."""


@dataclass(frozen=True, slots=True)
class Usual:
    """Prices in micro-currency per kWh that a tenth, half and nine tenths of ``days`` auctions did not exceed."""

    low_per_kwh: int
    middle_per_kwh: int
    high_per_kwh: int
    days: int


async def usual_prices(db: Connection, zone: int, starts: Iterable[datetime]) -> dict[datetime, Usual]:
    """Of each slot for which enough days are known."""
    rows = await db.fetch(SQL["usual"], zone, list(starts), DAYS, LEAST_DAYS)
    return {row["delivery_start"]: _usual(row["prices"], row["days"]) for row in rows}


def _usual(prices: Sequence[int], days: int) -> Usual:
    low, middle, high = prices
    return Usual(low, middle, high, days)
