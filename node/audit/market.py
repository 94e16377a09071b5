"""The market of a slot, run again from what was published: who traded what with whom, at which price."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from contracts.typed_data import Domain
from indexer.db import Connection, queries
from node.audit import evidence, rematched, timely, traded
from node.audit.compare import Finding
from node.audit.day_ahead import SESSION, DayAheadTraded, check_day_ahead
from node.market import area_auction
from node.market.area_book import area_book_bytes
from node.market.book import BookUnreadable
from node.market.orders import gate_closes_at
from node.settlement.batch import SignedOrder
from node.settlement.context import SettlementContext
from node.settlement.delivery import Trade
from node.settlement.reads import SettlementRow

_SQL = queries(__name__)


@dataclass(frozen=True, slots=True)
class Traded:
    """What follows from the market's published records of a slot."""

    trades: tuple[Trade, ...]
    orders: Mapping[bytes, SignedOrder]
    """At least those of the trades, by digest."""
    clearing_prices: tuple[int | None, ...]
    """Of each zone's auction."""
    slot_s: int
    zones: tuple[int, ...]
    """All that were cleared together."""


async def check_market(
    db: Connection, ctx: SettlementContext, row: SettlementRow
) -> tuple[Traded | None, list[Finding]]:
    """What was traded in a slot, as anyone can find it out, and what differs; None where it cannot be found out."""
    area, start = row.zone, row.delivery_start
    stored = await db.fetch(_SQL["auctions"], area, start)
    together = await db.fetchrow(_SQL["area_auction"], area, start)
    subject = f"slot {start}"
    if not stored:
        return None, [Finding("auction", subject, "an auction", "nothing", "trading.settlements", "trading.auctions")]
    books = [auction["book"] for auction in stored]
    try:
        rerun = traded.Rerun(area_auction.rerun(area_book_bytes(together["head"], books) if together else books[0]))
    except (BookUnreadable, ValueError) as error:
        return None, [Finding("book", subject, "a readable book", str(error), "trading.auctions", traded.BOOK)]
    links = [link for book in rerun.cleared.books for link in await evidence.links(db, book.zone, start)]
    events = [link.event for link in links]
    domain = Domain(ctx.chain_id, ctx.deployment.address("SettlementExchange"))
    zones = [book.zone for book in rerun.cleared.books]
    early = await check_day_ahead(db, ctx.rules, zones, start, events, domain)
    log = await db.fetchval(_SQL["slot_log"], area, start)
    continuous, findings = None, list[Finding]()
    if log is not None:
        continuous, findings = rematched.check_log(log, area, start, early.own_events, domain)
        if continuous is None:
            return None, findings
    before, orders = ((), {}) if continuous is None else (continuous.trades, continuous.orders)
    ahead = len(early.trades)
    found = Traded(
        (
            *early.trades,
            *(replace(trade, number=trade.number + ahead) for trade in before),
            *rerun.trades(ahead + len(before)),
        ),
        {**early.orders, **orders, **rerun.orders},
        rerun.clearing_prices,
        rerun.cleared.books[0].slot_s,
        tuple(zones),
    )
    rows = {auction["zone"]: dict(auction) for auction in stored}
    gate_s = gate_closes_at(ctx.rules, start)
    return found, [
        *findings,
        *early.findings,
        *traded.auction_findings(rerun, rows, dict(together) if together else None, gate_s),
        *_line_findings(rerun, early, continuous),
        *timely.time_findings(events, gate_s),
        *traded.order_findings(rerun, domain, events),
        *traded.left_out_findings(rerun, early.auction_events, None if continuous is None else continuous.waiting),
        *traded.cleared_findings(rerun, events),
        *traded.link_findings(links),
    ]


def _line_findings(
    rerun: traded.Rerun, early: DayAheadTraded, continuous: rematched.Continuous | None
) -> list[Finding]:
    """Capacity is sold once: what the day-ahead session left, and of that what continuous trading left."""
    area, start, findings = rerun.cleared.area, rerun.cleared.delivery_start, list[Finding]()
    first, place = (area, traded.BOOK) if continuous is None else (continuous.done.log.area, rematched.LOG)
    if early.area_left is not None:
        findings += traded.line_findings(early.area_left, first, start, SESSION, place)
    if continuous is not None:
        findings += traded.line_findings(continuous.done.area_left, area, start, rematched.LOG, traded.BOOK)
    return findings
