"""A published auction run again: every kind of lie is found, and only bytes that are no book raise."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from node.market import book, rerun
from node.market.area import Area
from node.market.area_auction import Cleared, clear_books
from node.market.zonal import ZonalResult
from tests.unit.node.market.orders import DOMAIN, SLOT, entry

ENTRIES = [
    entry(1, side=0, energy_wh=1_000, limit_price_per_kwh=270_000),
    entry(2, side=1, energy_wh=600, limit_price_per_kwh=-100),
    entry(4, side=1, energy_wh=2**47, limit_price_per_kwh=150_000, min_fill_wh=5),
]


def publication(data: bytes, **changes: object) -> rerun.Publication:
    published, result = book.verify_auction(data)
    honest = rerun.Publication(
        published.zone,
        published.delivery_start,
        data,
        book.book_hash(data),
        book.result_hash(published.columns(), result),
    )
    return replace(honest, **changes)  # type: ignore[arg-type]


HONEST = publication(book.book_bytes(1, SLOT, 900, 20_000, ENTRIES))


def checks(published: rerun.Publication) -> list[str]:
    return [difference.check for difference in rerun.rerun(published, DOMAIN).differences]


def test_rerun__honest_publication__agrees() -> None:
    found = rerun.rerun(HONEST, DOMAIN)

    assert found.differences == ()
    assert (found.cleared.book_hash, found.cleared.result_hash) == (HONEST.book_hash, HONEST.result_hash)
    assert found.cleared.result.sells[1].price_per_kwh == 150_000
    assert found.cleared.result.buys[1].matched_wh == 1_000


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"book_hash": bytes(32)}, ["book-hash"]),
        ({"result_hash": bytes(32)}, ["result-hash"]),
        ({"zone": 2}, ["slot"]),
        ({"delivery_start": SLOT + 900}, ["slot"]),
        ({"zone": None, "delivery_start": None}, []),
    ],
)
def test_rerun__something_said_wrongly__is_named(changes: dict[str, object], expected: list[str]) -> None:
    assert checks(replace(HONEST, **changes)) == expected  # type: ignore[arg-type]


def test_rerun__order_that_nobody_signed__is_named_with_its_number() -> None:
    forged = replace(ENTRIES[1], order=replace(ENTRIES[1].order, limit_price_per_kwh=-200))
    data = book.book_bytes(1, SLOT, 900, 20_000, [ENTRIES[0], forged, ENTRIES[2]])

    found = rerun.rerun(publication(data), DOMAIN).differences

    assert [difference.check for difference in found] == ["signature"]
    assert "order 2" in found[0].said


def test_rerun__order_entered_twice__is_named() -> None:
    data = book.book_bytes(1, SLOT, 900, 20_000, [*ENTRIES, replace(ENTRIES[0], sequence=9)])

    assert checks(publication(data)) == ["duplicate", "duplicate"]


def test_rerun__other_exchange__has_signed_nothing() -> None:
    found = rerun.rerun(HONEST, replace(DOMAIN, chain_id=1))

    assert [difference.check for difference in found.differences] == ["signature"] * 3


@pytest.mark.parametrize(
    "data",
    [
        b"GTBK",
        HONEST.book[:-1],
        book.book_bytes(1, SLOT, 900, 20_000, [replace(ENTRIES[0], order=replace(ENTRIES[0].order, energy_wh=2**60))]),
        book.book_bytes(1, SLOT, 900, 2**62, ENTRIES),
        book.book_bytes(1, SLOT, 900, 0, [replace(ENTRIES[2], order=replace(ENTRIES[2].order, min_fill_wh=2**48))]),
    ],
    ids=["short", "cut", "too much energy", "fee", "minimum above quantity"],
)
def test_rerun__bytes_that_no_auction_takes__are_refused(data: bytes) -> None:
    with pytest.raises(book.BookUnreadable):
        rerun.rerun(replace(HONEST, book=data), DOMAIN)


# Two zones, cleared together.

LINKED = Area((1, 2), {(1, 1): 20_000, (2, 2): 20_000, (1, 2): 30_000}, {(1, 2): 400})


def area_publication() -> rerun.Publication:
    far = [entry(n, zone=2, side=0, energy_wh=1_000, limit_price_per_kwh=300_000) for n in (7, 8)]
    books = [
        book.PublishedBook(1, SLOT, 900, 20_000, tuple(ENTRIES)),
        book.PublishedBook(2, SLOT, 900, 20_000, tuple(far)),
    ]
    cleared = clear_books(LINKED, SLOT, books)
    return rerun.Publication(2, SLOT, cleared.data, cleared.book_hash, cleared.result_hash)


def test_rerun__area_of_two_zones__agrees_and_rent_is_paid_where_the_line_is_full() -> None:
    found = rerun.rerun(area_publication(), DOMAIN)

    assert found.differences == ()
    flows = {(flow.sell_zone, flow.buy_zone): flow for flow in found.cleared.result.flows}
    assert flows[1, 2].energy_wh == 400
    assert flows[1, 2].rent_per_kwh > 0


def test_rerun__area_said_to_be_of_another_zone_or_slot__is_named() -> None:
    told = area_publication()

    assert checks(replace(told, zone=3)) == ["slot"]
    assert checks(replace(told, delivery_start=SLOT - 900)) == ["slot"]
    assert checks(replace(told, result_hash=bytes(32))) == ["result-hash"]


# What an engine must keep, checked without trusting it: a result is put in the place of the true one.


def checked(
    monkeypatch: pytest.MonkeyPatch, told: rerun.Publication, wrong: Callable[[Cleared], ZonalResult]
) -> set[str]:
    def lying(*arguments: Any) -> Cleared:
        cleared = clear_books(*arguments)
        return replace(cleared, result=wrong(cleared))

    monkeypatch.setattr(rerun, "clear_books", lying)
    return set(checks(told))


@pytest.mark.parametrize(
    ("price", "buys", "sells", "expected"),
    [
        (250_001, (1_000,), (600, 400), {"limit"}),
        (149_999, (1_000,), (600, 400), {"limit"}),
        (150_000, (1_001,), (600, 401), {"energy", "money"}),
        (150_000, (604,), (600, 4), {"energy", "money"}),
        (150_000, (1_000,), (600, 399), {"energy", "money"}),
        (150_000, (999,), (600, 399), {"energy", "money"}),
        (150_000, (1_000,), (600, 400), set()),
    ],
)
def test_rerun__engine_that_breaks_a_rule__is_caught(
    monkeypatch: pytest.MonkeyPatch, price: int, buys: tuple[int, ...], sells: tuple[int, ...], expected: set[str]
) -> None:
    def wrong(cleared: Cleared) -> ZonalResult:
        result = cleared.result
        return replace(
            result,
            buys={1: replace(result.buys[1], price_per_kwh=price + 20_000, fills_wh=np.array(buys))},
            sells={1: replace(result.sells[1], price_per_kwh=price, fills_wh=np.array(sells))},
        )

    assert checked(monkeypatch, HONEST, wrong) == expected


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"energy_wh": 401}, {"capacity", "energy", "money"}),
        ({"energy_wh": 399}, {"capacity", "energy", "money"}),
        ({"rent_per_kwh": 0}, {"money"}),
        ({"fee_per_kwh": 29_999}, {"money"}),
    ],
)
def test_rerun__flow_that_breaks_a_rule__is_caught(
    monkeypatch: pytest.MonkeyPatch, change: dict[str, int], expected: set[str]
) -> None:
    def wrong(cleared: Cleared) -> ZonalResult:
        flows = cleared.result.flows
        return replace(
            cleared.result,
            flows=tuple(replace(flow, **change) if flow.sell_zone != flow.buy_zone else flow for flow in flows),
        )

    assert checked(monkeypatch, area_publication(), wrong) == expected


def test_rerun__side_filled_without_a_price__is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(cleared: Cleared) -> ZonalResult:
        return replace(cleared.result, sells={1: replace(cleared.result.sells[1], price_per_kwh=None)})

    assert "limit" in checked(monkeypatch, HONEST, wrong)
