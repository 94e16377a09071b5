"""A day-ahead auction run again from nothing but what was published: do result and blocks follow from it?"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from contracts.typed_data import Domain
from node.market.book import BookUnreadable
from node.market.rerun import Difference, Publication, auction_differences, hash_differences
from node.market.session_book import ClearedSession, blocks_of, rerun_session

LONGEST_DAY_S: Final = 100 * 900
"""A day on which clocks go back has 25 hours."""


@dataclass(frozen=True, slots=True)
class SaidBlocks:
    """The blocks that a session is said to have, each by the least of its orders' sequence numbers."""

    accepted: tuple[int, ...]
    rejected: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class SessionRerun:
    """The session as it follows from its book, and every difference from what was published."""

    session: ClearedSession
    differences: tuple[Difference, ...]


def rerun_day(published: Publication, domain: Domain, said: SaidBlocks | None = None) -> SessionRerun:
    """Runs a day's auction again and compares. ``published.delivery_start`` is when the day begins.

    Raises:
        BookUnreadable: the bytes are no session's book, or one that no auction takes.
    """
    try:
        session = rerun_session(published.book)
    except (ValueError, OverflowError) as error:
        raise BookUnreadable(str(error)) from error
    differences = (
        *hash_differences("book-hash", published.book_hash, session.book_hash),
        *_day(published, session),
        *(difference for slot in session.slots for difference in auction_differences(slot, domain)),
        *_numbers(session),
        *_blocks(session),
        *(() if said is None else _said(said, session)),
        *hash_differences("result-hash", published.result_hash, session.result_hash),
    )
    return SessionRerun(session, differences)


def _day(published: Publication, session: ClearedSession) -> Iterator[Difference]:
    if published.delivery_start not in (None, session.day):
        yield Difference("day", f"begins at {published.delivery_start}", f"begins at {session.day}")
    for slot in session.slots:
        if published.zone is not None and published.zone not in slot.area.zones:
            zones = ", ".join(map(str, slot.area.zones))
            yield Difference("slot", f"zone {published.zone}", f"slot {slot.delivery_start} has zones {zones}")
        if not session.day <= slot.delivery_start < session.day + LONGEST_DAY_S:
            yield Difference("slot", f"in the day that begins at {session.day}", f"slot {slot.delivery_start}")


def _numbers(session: ClearedSession) -> Iterator[Difference]:
    """What is named by its number must be in one slot only."""
    numbers = Counter(entry.sequence for slot in session.slots for book in slot.books for entry in book.orders)
    for number, times in numbers.items():
        if times > 1:
            yield Difference("duplicate", f"order {number} stands once", f"{times} times")


def _said(said: SaidBlocks, session: ClearedSession) -> Iterator[Difference]:
    if said.accepted != session.accepted_blocks:
        yield Difference("block", f"accepted {list(said.accepted)}", f"{list(session.accepted_blocks)}")
    if said.rejected != session.rejected_blocks:
        yield Difference("block", f"left out {list(said.rejected)}", f"{list(session.rejected_blocks)}")


def _blocks(session: ClearedSession) -> Iterator[Difference]:
    """A block is filled whole and with its parent, or not at all."""
    quantities, fills = _orders(session)
    blocks = blocks_of([book for slot in session.slots for book in slot.books])
    accepted = [min(block.orders) in session.accepted_blocks for block in blocks]
    for block, is_in in zip(blocks, accepted, strict=True):
        name = f"block {min(block.orders)}"
        for order in block.orders:
            wanted_wh = quantities[order] if is_in else 0
            if fills[order] != wanted_wh:
                yield Difference("block", f"{name}: {wanted_wh} Wh of order {order}", f"{fills[order]} Wh")
        if is_in and block.parent is not None and not accepted[block.parent]:
            yield Difference(
                "block", f"{name}: with its parent", f"block {min(blocks[block.parent].orders)} is left out"
            )


def _orders(session: ClearedSession) -> tuple[dict[int, int], dict[int, int]]:
    """Quantity and fill of every order, by sequence."""
    quantities: dict[int, int] = {}
    fills: dict[int, int] = {}
    for slot in session.slots:
        for book in slot.books:
            columns = book.columns()
            for side, row in (
                (columns.buys, slot.result.buys[book.zone]),
                (columns.sells, slot.result.sells[book.zone]),
            ):
                numbers: Sequence[int] = side.sequence.tolist()
                quantities.update(zip(numbers, side.quantity_wh.tolist(), strict=True))
                fills.update(zip(numbers, row.fills_wh.tolist(), strict=True))
    return quantities, fills
