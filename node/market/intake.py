"""Entering orders in PostgreSQL: a batch is locked, read, judged and written as one, and committed by its caller.

An order is acknowledged once its transaction commits; an acknowledged order is in the book when the gate closes.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final, TypeAlias

from contracts.errors import GridtraceError
from contracts.typed_data import Domain, Order
from contracts.units import energy_limit_wh
from indexer.db import Connection, queries
from node.config import MarketRules
from node.market import ledger, refusals, sequence
from node.market.book import BookOrder
from node.market.instructions import NO_INSTRUCTIONS, Instructions
from node.market.judging import Accepted, Admitted, Judge, Resting, Standing
from node.market.orders import SIDES, MandateState, TraderState, signed

_SQL = queries(__name__)
_SIDE_NUMBERS: Final = {name: number for number, name in SIDES.items()}

Entry: TypeAlias = tuple[Order, bytes] | tuple[Order, bytes, Instructions]
"""An order, its signature, and what its trader asks of the matching engine."""
Answer: TypeAlias = Accepted | GridtraceError


async def accept_order(
    db: Connection,
    rules: MarketRules,
    domain: Domain,
    chain_id: int,
    order: Order,
    signature: bytes,
    now_s: float,
    instructions: Instructions = NO_INSTRUCTIONS,
) -> Accepted:
    """Checks a signed order and puts it into the book of its slot; the same order again finds the first.

    Raises:
        OrderRefused: a subclass names the rule, its limit and the order's value.
        FieldOutOfRange: a field does not fit its Solidity type.
    """
    (answer,) = await accept_signed(db, rules, chain_id, [signed(domain, order, signature, instructions)], now_s)
    if isinstance(answer, GridtraceError):
        raise answer
    return answer


async def accept_orders(
    db: Connection, rules: MarketRules, domain: Domain, chain_id: int, entries: Sequence[Entry], now_s: float
) -> list[Answer]:
    """Accepts or refuses each order by itself, all in one transaction; answers stand as ``entries`` do."""
    checked = [_checked(domain, *entry) for entry in entries]
    good = [entry for entry in checked if isinstance(entry, BookOrder)]
    answers = iter(await accept_signed(db, rules, chain_id, good, now_s))
    return [entry if isinstance(entry, GridtraceError) else next(answers) for entry in checked]


def _checked(
    domain: Domain, order: Order, signature: bytes, instructions: Instructions = NO_INSTRUCTIONS
) -> BookOrder | GridtraceError:
    try:
        return signed(domain, order, signature, instructions)
    except GridtraceError as refusal:
        return refusal


async def accept_signed(
    db: Connection, rules: MarketRules, chain_id: int, entries: Sequence[BookOrder], now_s: float
) -> list[Answer]:
    """Accepts or refuses orders whose signatures are known to be good (``orders.signed``), in one transaction.

    Later orders are judged with the earlier ones in the book. Answers stand as ``entries`` do.
    """
    if not entries:
        return []
    orders = [entry.order for entry in entries]
    slots = {(order.zone, order.delivery_start) for order in orders}
    await ledger.lock_entries(db, slots, {order.trader for order in orders})
    judge = Judge(rules, now_s)
    answers: list[Answer | Admitted] = []
    admitted: dict[bytes, Admitted] = {}
    for entry, row in zip(entries, await _standing(db, chain_id, entries), strict=True):
        standing = _read(rules, entry, row)
        try:
            if standing.stored is not None:
                answers.append(_withdrawn(standing.stored) if judge.has_left(entry.digest) else standing.stored)
            elif entry.digest in admitted:
                again = Accepted(0, entry.digest, "open", _instant(now_s), True, admitted[entry.digest].lock)
                answers.append(_withdrawn(again) if judge.has_left(entry.digest) else again)
            else:
                admitted[entry.digest] = judge.judge(entry, standing)
                answers.append(admitted[entry.digest])
        except refusals.OrderRefused as refusal:
            answers.append(refusal)
    numbers = await _enter(db, list(admitted.values()), now_s)
    return [_told(answer, numbers, now_s) for answer in answers]


def _withdrawn(accepted: Accepted) -> Accepted:
    return replace(accepted, status="cancelled", locked_cash=0)


def _told(answer: Answer | Admitted, numbers: Mapping[bytes, int], now_s: float) -> Answer:
    if isinstance(answer, Admitted):
        digest = answer.entry.digest
        return Accepted(numbers[digest], digest, "open", _instant(now_s), locked_cash=answer.lock)
    if isinstance(answer, Accepted) and answer.digest in numbers:
        return replace(answer, sequence=numbers[answer.digest])
    return answer


def _instant(now_s: float) -> datetime:
    return datetime.fromtimestamp(now_s, UTC)


async def _standing(db: Connection, chain_id: int, entries: Sequence[BookOrder]) -> list[Any]:
    columns = zip(
        *(
            (
                entry.digest,
                entry.order.trader,
                entry.order.zone,
                entry.order.delivery_start,
                SIDES[entry.order.side],
                entry.order.lane,
                entry.instructions.replaces,
            )
            for entry in entries
        ),
        strict=True,
    )
    return await db.fetch(_SQL["standing"], chain_id, *columns)


def _read(rules: MarketRules, entry: BookOrder, row: Any) -> Standing:
    stored = None
    if row["stored_sequence"] is not None:
        stored = Accepted(
            row["stored_sequence"], entry.digest, row["stored_status"], row["stored_at"], True, int(row["stored_lock"])
        )
    mandate = None
    if row["mandate_per_slot"] is not None:
        mandate = MandateState(int(row["mandate_per_slot"]), int(row["mandate_left"]), row["mandate_expiry"])
    state = TraderState(
        zone_known=row["zone_known"],
        kyc_until=row["kyc_until"],
        flags=row["flags"],
        free_cash=int(row["free_cash"]),
        nonce_floor=row["nonce_floor"],
        mandate=mandate,
        position_limit_wh=sum(energy_limit_wh(fuse_w, rules.slot_s) for fuse_w in row["fuses_w"]),
        position_wh=row["position_wh"],
        open_orders=row["open_orders"],
        entered_orders=row["entered_orders"],
        last_lane_nonce=row["last_lane_nonce"],
        live_lane_order=row["live_lane_order"],
    )
    replaced = None
    if row["replaced_status"] == "open":
        replaced = Resting(
            row["replaced_trader"],
            row["replaced_zone"],
            row["replaced_start_s"],
            _SIDE_NUMBERS[row["replaced_side"]],
            row["replaced_lane"],
            row["replaced_energy_wh"],
            int(row["replaced_lock"]),
        )
    return Standing(stored, row["is_cleared"], state, replaced)


async def _enter(db: Connection, admitted: Sequence[Admitted], now_s: float) -> dict[bytes, int]:
    """Writes the events and the orders; the sequence number of each, by digest."""
    if not admitted:
        return {}
    now_ms = int(now_s * 1_000)
    log: list[ledger.Entry] = []
    for one in admitted:
        if one.cancels is not None:
            log.append((sequence.ORDER_CANCELLED, one.cancels, sequence.cancelled_payload(now_ms)))
        log.append((sequence.ORDER_ACCEPTED, one.entry.digest, _payload(one.entry, now_ms)))
    events = await ledger.append(db, log, now_s)
    numbers = {event.subject: event.sequence for event in events if event.kind == sequence.ORDER_ACCEPTED}
    rows = [_row(one, numbers[one.entry.digest]) for one in admitted]
    await db.execute(_SQL["enter"], *zip(*rows, strict=True), _instant(now_s))
    if cancelled := [one.cancels for one in admitted if one.cancels is not None]:
        await db.execute(_SQL["replace"], cancelled)
    return numbers


def _payload(entry: BookOrder, now_ms: int) -> Callable[[int], bytes]:
    def payload(number: int) -> bytes:
        published = BookOrder(number, entry.digest, entry.order, entry.signature, entry.instructions).to_bytes()
        return sequence.accepted_payload(entry.order.zone, entry.order.delivery_start, now_ms, published)

    return payload


def _row(one: Admitted, number: int) -> tuple[Any, ...]:
    order, asked = one.entry.order, one.entry.instructions
    return (
        one.entry.digest,
        number,
        order.trader,
        SIDES[order.side],
        order.zone,
        order.delivery_start,
        order.energy_wh,
        order.limit_price_per_kwh,
        order.min_fill_wh,
        order.time_in_force,
        order.source,
        order.expiry,
        order.lane,
        order.nonce,
        one.entry.signature,
        one.lock,
        asked.post_only,
        asked.display_wh,
        int(asked.self_trade),
        asked.good_till,
        asked.replaces,
        asked.block,
    )
