"""The market at a glance: its time, rules, chain, and what the auditor found."""

from fastapi import APIRouter, Depends

from api.deps import Reader, Site, public
from api.rest.fields import Answer, Instant, Natural, Whole
from api.rest.meta import Meta, Stamp
from indexer.db import queries
from node.config import MarketRules

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


class Counts(Answer):
    participants: int
    meters: int
    orders: int
    trades: int
    slots_settled: int
    slots_checked: int
    events_indexed: int


class Status(Answer):
    """``differences`` counts what the auditor found between meters and ledger, over all checked slots."""

    meta: Meta | None
    clock: MarketClock
    rules: Rules
    counts: Counts
    differences: int
    state: str


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
    )
