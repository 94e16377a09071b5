"""A published day-ahead session run again: every kind of lie is found."""

from dataclasses import replace
from typing import Any

import pytest

from node.market import session_rerun
from node.market.area import alone
from node.market.book import BookUnreadable
from node.market.rerun import Publication
from node.market.session_book import ClearedSession, clear_day, rerun_session
from node.market.session_rerun import SaidBlocks, rerun_day
from tests.unit.node.market.orders import DOMAIN, SLOT
from tests.unit.node.market.test_session_book import AREA, BOOKS, CHILD, DAY, NEXT, PARENT, bid, book, member

SESSION = clear_day(alone(1, 20_000), DAY, BOOKS)
BLOCKS = SaidBlocks((3,), ())


def published(session: ClearedSession = SESSION, **changes: Any) -> Publication:
    return replace(Publication(1, DAY, session.data, session.book_hash, session.result_hash), **changes)


def checks(told: Publication, said: SaidBlocks | None = BLOCKS) -> list[str]:
    return [difference.check for difference in rerun_day(told, DOMAIN, said).differences]


def test_rerun_day__honest_publication__agrees() -> None:
    found = rerun_day(published(), DOMAIN, BLOCKS)

    assert found.differences == ()
    assert (found.session.book_hash, found.session.result_hash) == (SESSION.book_hash, SESSION.result_hash)


def test_rerun_day__several_zones_and_an_empty_day__agree() -> None:
    both = clear_day(AREA, DAY, {start: (*slot, book(start=start, zone=2)) for start, slot in BOOKS.items()})

    assert checks(published(both, zone=2)) == []
    assert checks(published(clear_day(AREA, DAY, {})), SaidBlocks((), ())) == []


@pytest.mark.parametrize(
    ("changes", "said", "expected"),
    [
        ({"book_hash": bytes(32)}, BLOCKS, ["book-hash"]),
        ({"result_hash": bytes(32)}, BLOCKS, ["result-hash"]),
        ({"delivery_start": DAY + 86_400}, BLOCKS, ["day"]),
        ({"zone": 2}, BLOCKS, ["slot", "slot"]),
        ({}, SaidBlocks((), ()), ["block"]),
        ({}, SaidBlocks((3,), (5,)), ["block"]),
        ({"zone": None, "delivery_start": None}, None, []),
    ],
)
def test_rerun_day__something_said_wrongly__is_named(
    changes: dict[str, Any], said: SaidBlocks | None, expected: list[str]
) -> None:
    assert checks(published(**changes), said) == expected


def test_rerun_day__slot_of_another_day__is_named() -> None:
    far = clear_day(alone(1, 20_000), DAY - 90_000, BOOKS)

    assert checks(published(far, delivery_start=DAY - 90_000)) == ["slot", "slot"]


def test_rerun_day__order_that_nobody_signed__is_named() -> None:
    forged = replace(bid(1), order=replace(bid(1).order, limit_price_per_kwh=270_100))
    session = clear_day(alone(1, 20_000), DAY, {SLOT: (book(forged),)})

    assert checks(published(session), SaidBlocks((), ())) == ["signature"]


def test_rerun_day__number_in_two_slots__is_named() -> None:
    session = clear_day(alone(1, 20_000), DAY, {SLOT: (book(bid(1)),), NEXT: (book(bid(1, NEXT), start=NEXT),)})

    assert checks(published(session), SaidBlocks((), ())) == ["duplicate"]


def test_rerun_day__bytes_that_are_no_session__are_refused() -> None:
    with pytest.raises(BookUnreadable):
        rerun_day(published(book=SESSION.data[:-1]), DOMAIN)


# What an engine must keep, checked without trusting it: a result is put in the place of the true one.


def lying(monkeypatch: pytest.MonkeyPatch, session: ClearedSession, **wrong: Any) -> list[str]:
    monkeypatch.setattr(session_rerun, "rerun_session", lambda data: replace(rerun_session(data), **wrong))
    return checks(published(session), None)


def test_rerun_day__block_that_is_not_filled_whole__is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    assert lying(monkeypatch, SESSION, accepted_blocks=(3, 5)) == ["block"]


def test_rerun_day__filled_order_of_a_block_left_out__is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    assert lying(monkeypatch, SESSION, accepted_blocks=()) == ["block", "block"]


def test_rerun_day__child_without_its_parent__is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    family = book(bid(1), member(CHILD, 4), member(PARENT, 6, limit=400_000))
    session = clear_day(alone(1, 20_000), DAY, {SLOT: (family,)})
    assert session.accepted_blocks == ()

    monkeypatch.setattr(session_rerun, "rerun_session", lambda data: replace(rerun_session(data), accepted_blocks=(4,)))
    found = rerun_day(published(session), DOMAIN).differences

    assert ("block 4: with its parent", "block 6 is left out") in [(one.said, one.found) for one in found]
