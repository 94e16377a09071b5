"""The terms of a slot: its day-ahead auction sets them, or the first order of its continuous trading; no later
configuration changes them.
"""

from collections.abc import Iterable, Sequence

from indexer.db import Connection, queries
from node.market.area import Area
from node.market.slot_log import SlotLog, parse_log

_SQL = queries(__name__)


def terms_bytes(area: Area, delivery_start: int, price_short_per_kwh: int) -> bytes:
    """The terms as the slot's log publishes them: a log without events."""
    return SlotLog(area, delivery_start, price_short_per_kwh, ()).to_bytes()


def parse_terms(data: bytes) -> tuple[Area, int]:
    """The area, and what replacing a kWh costs at most (micro-currency). Raises LogUnreadable."""
    log = parse_log(data)
    return log.area, log.price_short_per_kwh


async def agreed_areas(
    db: Connection, configured: Sequence[Area], starts: Iterable[int]
) -> dict[int, tuple[Area, ...]]:
    """The areas of each slot: those that its continuous books were opened with, those that its day-ahead auctions left,
    with the capacity that they left, and the configured ones for all other zones."""
    opened: dict[int, list[Area]] = {start: [] for start in starts}
    for row in await db.fetch(_SQL["opened"], list(opened)):
        areas = opened[row["delivery_start"]]
        areas += _others([parse_terms(row["terms"])[0]], areas)
    return {start: (*areas, *_others(configured, areas)) for start, areas in opened.items()}


def _others(configured: Sequence[Area], opened: Sequence[Area]) -> Iterable[Area]:
    taken = {zone for area in opened for zone in area.zones}
    others = (area.without(taken) for area in configured)
    return (area for area in others if area.zones)
