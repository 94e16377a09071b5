"""Taking orders back, in PostgreSQL. The caller owns the transaction; an acknowledged cancellation is final."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final, TypeAlias

from indexer.db import Connection, queries
from node.config import MarketRules
from node.market import ledger, refusals, sequence
from node.market.judging import Accepted
from node.market.orders import gate_closes_at

_SQL = queries(__name__)

CANCELLING: Final = "cancelling"
"""In continuous trading a cancellation stands in the sequence until the engine comes to it."""

Answer: TypeAlias = Accepted | refusals.OrderNotFound | refusals.CancelTooLate


async def cancel_order(db: Connection, rules: MarketRules, trader: bytes, digest: bytes, now_s: float) -> Accepted:
    """Withdraws an open order before its gate; cancelling again changes nothing.

    Raises:
        OrderNotFound: no such order, or another trader's.
        CancelTooLate: the gate has closed, or it has traded.
    """
    (answer,) = await cancel_orders(db, rules, trader, [digest], now_s)
    if not isinstance(answer, Accepted):
        raise answer
    return answer


async def cancel_all(
    db: Connection,
    rules: MarketRules,
    trader: bytes,
    now_s: float,
    *,
    zone: int | None = None,
    delivery_start: int | None = None,
) -> list[Accepted]:
    """Withdraws every open order of a trader whose gate has not closed, or those of one zone or slot."""
    rows = await db.fetch(_SQL["open_orders"], trader, zone, delivery_start)
    answers = await cancel_orders(db, rules, trader, [row["digest"] for row in rows], now_s)
    return [answer for answer in answers if isinstance(answer, Accepted)]


async def cancel_orders(
    db: Connection, rules: MarketRules, trader: bytes, digests: Sequence[bytes], now_s: float
) -> list[Answer]:
    """Withdraws each order by itself, all in one transaction; answers stand as ``digests`` do."""
    known = await db.fetch(_SQL["known"], trader, list(digests))
    if known:
        await ledger.lock_entries(db, {(row["zone"], row["delivery_start"]) for row in known}, {trader})
    found = [row["digest"] for row in known]
    states = {row["digest"]: row for row in await db.fetch(_SQL["states"], found, rules.trading == "continuous")}
    answers = [_judged(rules, digest, states.get(digest), now_s) for digest in digests]
    leaving = dict.fromkeys(
        answer.digest for answer in answers if isinstance(answer, Accepted) and not answer.duplicate
    )
    if leaving:
        payload = sequence.cancelled_payload(int(now_s * 1_000))
        await ledger.append(db, [(sequence.ORDER_CANCELLED, digest, payload) for digest in leaving], now_s)
        if rules.trading == "auction":
            await db.execute(_SQL["cancel"], list(leaving))
    return answers


def _judged(rules: MarketRules, digest: bytes, row: Any, now_s: float) -> Answer:
    if row is None:
        return refusals.OrderNotFound("no order 0x" + digest.hex() + " of this trader")
    stored = Accepted(row["sequence"], digest, row["status"], row["received_at"], True, int(row["locked_cash"]))
    if row["is_leaving"]:
        return replace(stored, status=CANCELLING)
    if stored.status == "cancelled":
        return stored
    closed_at = gate_closes_at(rules, row["delivery_start"])
    if stored.status != "open" or now_s >= closed_at:
        return refusals.CancelTooLate(f"the gate closes at {closed_at}; now_s={int(now_s)}, status={stored.status}")
    if rules.trading == "continuous":
        return replace(stored, status=CANCELLING, duplicate=False)
    return replace(stored, status="cancelled", duplicate=False, locked_cash=0)
