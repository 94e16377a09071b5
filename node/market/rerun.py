"""An auction run again from nothing but what was published: does the result follow from the book, and the book hold?"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from contracts.typed_data import Domain
from node.market.area_auction import Cleared, clear_books, parse_books
from node.market.auction import Side
from node.market.book import BookUnreadable, book_hash, forged_orders


@dataclass(frozen=True, slots=True)
class Publication:
    """What is published of one auction: a book's bytes, what they are said to be, and what is said to follow.

    The book is that of a zone alone, or of an area whose zones were cleared together.
    """

    zone: int | None
    """None where it was not said."""
    delivery_start: int | None
    """Unix seconds; None where it was not said."""
    book: bytes
    book_hash: bytes
    result_hash: bytes


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that does not agree."""

    check: str
    """book-hash, day, slot, duplicate, signature, limit, energy, capacity, money, block or result-hash"""
    said: str
    found: str


@dataclass(frozen=True, slots=True)
class Rerun:
    """The auction as it follows from the book, and every difference from what was published."""

    cleared: Cleared
    differences: tuple[Difference, ...]


def rerun(published: Publication, domain: Domain) -> Rerun:
    """Runs the auction again and compares.

    Raises:
        BookUnreadable: the bytes are no book, or one that no auction takes.
    """
    area, delivery_start, books = parse_books(published.book)
    try:
        cleared = clear_books(area, delivery_start, books)
    except (ValueError, OverflowError) as error:
        raise BookUnreadable(str(error)) from error
    differences = (
        *hash_differences("book-hash", published.book_hash, book_hash(published.book)),
        *_slot(published, cleared),
        *auction_differences(cleared, domain),
        *hash_differences("result-hash", published.result_hash, cleared.result_hash),
    )
    return Rerun(cleared, differences)


def auction_differences(cleared: Cleared, domain: Domain) -> Iterator[Difference]:
    """What an auction and its book do not keep, whatever was said of them."""
    yield from _orders(cleared, domain)
    yield from _terms(cleared)
    yield from _flows(cleared)


def hash_differences(check: str, said: bytes, found: bytes) -> Iterator[Difference]:
    """Whether a hash is the one that was said."""
    if said != found:
        yield Difference(check, said.hex(), found.hex())


def _slot(published: Publication, cleared: Cleared) -> Iterator[Difference]:
    if published.zone is not None and published.zone not in cleared.area.zones:
        zones = ", ".join(map(str, cleared.area.zones))
        yield Difference("slot", f"zone {published.zone}", f"zone {zones}")
    starts = {cleared.delivery_start, *(book.delivery_start for book in cleared.books)}
    if published.delivery_start is not None:
        starts.add(published.delivery_start)
    if len(starts) > 1:
        said = published.delivery_start or cleared.delivery_start
        yield Difference("slot", f"delivery start {said}", f"{sorted(starts - {said})}")


def _orders(cleared: Cleared, domain: Domain) -> Iterator[Difference]:
    for book in cleared.books:
        for sequence in forged_orders(book, domain):
            yield Difference("signature", f"order {sequence} is its trader's", "digest or signature is of another")
    entries = [entry for book in cleared.books for entry in book.orders]
    times = Counter(entry.digest for entry in entries)
    for entry in entries:
        if times[entry.digest] > 1:
            yield Difference("duplicate", f"order {entry.sequence} stands once", f"{times[entry.digest]} times")


# What any fair result keeps, whoever computed it. Exact, and of any size: Python's own integers.


def _terms(cleared: Cleared) -> Iterator[Difference]:
    """Quantities, minimum fills and limits of every order; and that no energy or money is made or lost."""
    result = cleared.result
    bought, sold, paid = 0, 0, 0
    for book in cleared.books:
        columns = book.columns()
        for side, sign, decided in (
            (columns.buys, 1, result.buys[book.zone]),
            (columns.sells, -1, result.sells[book.zone]),
        ):
            fills_wh = decided.fills_wh.tolist()
            yield from _side_terms(side, fills_wh, decided.price_per_kwh, sign)
            if sum(fills_wh) != decided.matched_wh:
                yield Difference("energy", f"zone {book.zone}: {decided.matched_wh} Wh", f"{sum(fills_wh)} Wh filled")
            bought += sum(fills_wh) if sign > 0 else 0
            sold += sum(fills_wh) if sign < 0 else 0
            paid += sign * sum(fills_wh) * (decided.price_per_kwh or 0)
    if bought != sold:
        yield Difference("energy", f"{bought} Wh bought", f"{sold} Wh sold")
    kept = sum(flow.energy_wh * (flow.fee_per_kwh + flow.rent_per_kwh) for flow in result.flows)
    if paid != kept:
        yield Difference("money", f"{kept} nano of fees and rent", f"{paid} nano between buyers and sellers")


def _flows(cleared: Cleared) -> Iterator[Difference]:
    for flow in cleared.result.flows:
        capacity = cleared.area.capacity_wh.get((flow.sell_zone, flow.buy_zone))
        name = f"zone {flow.sell_zone} to {flow.buy_zone}"
        if capacity is not None and flow.energy_wh > capacity:
            yield Difference("capacity", f"{name}: {capacity} Wh", f"{flow.energy_wh} Wh")
        if flow.rent_per_kwh and flow.energy_wh != capacity:
            yield Difference("capacity", f"{name}: rent only where it is full", f"rent {flow.rent_per_kwh}")
        traded = sum(flow.trades.energy_wh.tolist())
        if traded != flow.energy_wh:
            yield Difference("energy", f"{name}: {flow.energy_wh} Wh", f"{traded} Wh in trades")


def _side_terms(side: Side, fills_wh: list[int], price: int | None, sign: int) -> Iterator[Difference]:
    rows = zip(
        side.sequence.tolist(),
        side.quantity_wh.tolist(),
        side.limit_per_kwh.tolist(),
        side.min_fill_wh.tolist(),
        fills_wh,
        strict=True,
    )
    for sequence, quantity_wh, limit, min_fill_wh, fill_wh in rows:
        if not fill_wh:
            continue
        if not min_fill_wh <= fill_wh <= quantity_wh:
            yield Difference("energy", f"order {sequence}: {min_fill_wh} to {quantity_wh} Wh", f"{fill_wh} Wh")
        if price is None or sign * (limit - price) < 0:
            yield Difference("limit", f"order {sequence}: limit {limit}", f"price {price}")
