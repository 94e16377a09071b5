"""The market at a glance: its time, rules, chain, and what the auditor found."""

from datetime import UTC, datetime

from fastapi import APIRouter, Depends

from api.deps import Reader, Services, Site, public
from api.rest.fields import Answer, Hash, Instant, Natural, Whole
from api.rest.meta import Meta, Stamp
from indexer.db import Connection, queries
from node.config import MarketRules
from node.market import agreement, days

router = APIRouter(tags=["status"], dependencies=[Depends(public)])
SQL = queries(__name__)


class MarketClock(Answer):
    """Market time; ``rate`` market seconds pass in a real one."""

    now: Instant
    rate: float
    slot_s: int


class Rules(Answer):
    """What the market lets through and charges. Prices in micro-currency per kWh."""

    slot_s: int
    gate_lead_s: int
    open_slots: int
    price_min_per_kwh: Whole
    price_max_per_kwh: Whole
    tick_per_kwh: Natural
    lot_wh: Natural
    grid_fee_per_kwh: Natural
    price_long_per_kwh: Whole
    price_short_per_kwh: Whole
    carbon_g_per_kwh: Natural
    reading_grace_s: int
    reading_gap_s: int
    trading: str
    time_zone: str


class Counts(Answer):
    participants: int
    meters: int
    orders: int
    trades: int
    slots_settled: int
    slots_checked: int
    events_indexed: int


class DayAheadSession(Answer):
    """``state``: open, closed (not cleared yet) or cleared. ``day`` is when the day of delivery begins."""

    day: Instant
    ends_at: Instant
    opens_at: Instant
    gate_closes_at: Instant
    state: str


class Areas(Answer):
    """Hashes of the areas that this process was started with and that the market runs with, null before its first slot.
    Where they differ, this process does not speak for the market's open books."""

    configured: Hash
    agreed: Hash | None
    agree: bool


class Status(Answer):
    """``day_ahead`` are the session whose gate closed last, and the one that takes orders; empty where there are none.
    ``differences`` counts what the auditor found between meters and ledger, over all checked slots."""

    meta: Meta | None
    clock: MarketClock
    rules: Rules
    counts: Counts
    differences: int
    state: str
    day_ahead: list[DayAheadSession]
    areas: Areas


def rules_of(rules: MarketRules) -> Rules:
    """The configured rules as they are told."""
    return Rules.model_validate({name: getattr(rules, name) for name in Rules.model_fields})


@router.get("/v1/status")
async def status(db: Reader, site: Site, meta: Stamp) -> Status:
    """Market time, rules, how far the chain is indexed, audit differences."""
    row = await db.fetchrow(SQL["counts"], site.chain_id)
    rules = site.config.node.market
    return Status(
        meta=meta,
        clock=MarketClock(now=site.clock.now(), rate=site.clock.rate, slot_s=rules.slot_s),
        rules=rules_of(rules),
        counts=Counts.model_validate(dict(row)),
        differences=row["differences"],
        state=row["state"],
        day_ahead=await _sessions(db, site),
        areas=await _areas(db, site),
    )


async def _sessions(db: Connection, site: Services) -> list[DayAheadSession]:
    rules, now_s = site.config.node.market, site.clock.now_s()
    last = days.last_session(rules, now_s)
    if last is None:
        return []
    done = set(await db.fetchval(SQL["cleared_zones"], last))
    is_cleared = all(zone in done for area in site.areas for zone in area.zones)
    following = days.day_after(rules, last)
    return [_session(rules, last, "cleared" if is_cleared else "closed"), _session(rules, following, "open")]


def _session(rules: MarketRules, day_s: int, state: str) -> DayAheadSession:
    opens_at, closes_at = days.session_opens_at(rules, day_s), days.session_closes_at(rules, day_s)
    assert opens_at is not None
    assert closes_at is not None
    times = (day_s, days.day_after(rules, day_s), opens_at, closes_at)
    day, ends_at, opens, closes = (datetime.fromtimestamp(time_s, UTC) for time_s in times)
    return DayAheadSession(day=day, ends_at=ends_at, opens_at=opens, gate_closes_at=closes, state=state)


async def _areas(db: Connection, site: Services) -> Areas:
    found = await agreement.agreement(db, site.areas)
    return Areas(configured=found.own_hash, agreed=found.agreed_hash, agree=found.holds)
