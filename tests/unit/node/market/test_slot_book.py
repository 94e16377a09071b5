from contracts.units import cash_up
from node.market.instructions import Instructions
from node.market.slot_book import Level, SlotBook
from tests.unit.node.market.events import AREA, Chain
from tests.unit.node.market.orders import RULES, SLOT

SHORT = RULES.price_short_per_kwh
BUY, SELL = 0, 1


def book_of(chain: Chain) -> SlotBook:
    book = SlotBook(AREA, SLOT, SHORT)
    book.apply(chain.events)
    return book


def test_drain__trade_between_zones__has_the_fee_of_the_link_and_uses_its_room() -> None:
    chain = Chain()
    offer = chain.accept(side=SELL, zone=1, energy_wh=800, limit_price_per_kwh=100_000, trader=b"\x01" * 20)
    bid = chain.accept(side=BUY, zone=2, energy_wh=700, limit_price_per_kwh=150_000, trader=b"\x02" * 20)
    book = book_of(chain)

    changes = book.drain()

    (fill,) = changes.fills
    assert (fill.buy, fill.sell, fill.energy_wh) == (bid, offer, 500)
    assert (fill.price_per_kwh, fill.fee_per_kwh, fill.executed_ms) == (100_000, 45_000, 2_000)
    assert book.room_left().capacity_wh == {(1, 2): 0}
    bought = changes.orders[1]
    assert (bought.status, bought.matched_wh, bought.taken_wh, bought.shown_wh) == ("open", 500, 500, 200)
    assert bought.locked_cash == cash_up(500 * 145_000 + 200 * 150_000)
    assert changes.levels == (Level(1, SELL, 100_000, 300), Level(2, BUY, 150_000, 200))
    assert book.drain().orders == ()


def test_drain__order_of_a_block__waits_for_the_auction_and_is_not_shown() -> None:
    chain = Chain()
    chain.accept(side=SELL, zone=1, energy_wh=100, limit_price_per_kwh=100_000, trader=b"\x01" * 20)
    block = chain.accept(
        Instructions(block=b"\x07" * 32), zone=1, energy_wh=100, limit_price_per_kwh=200_000, trader=b"\x02" * 20
    )
    book = book_of(chain)
    changes = book.drain()
    assert changes.fills == ()
    assert [(order.status, order.shown_wh) for order in changes.orders] == [("open", 100), ("open", 0)]

    chain.cancel(block.digest)
    chain.cancel(block.digest)
    book.apply(chain.events)

    (gone,) = book.drain().orders
    assert (gone.status, gone.taken_wh, gone.locked_cash, gone.close_reason) == ("cancelled", 100, 0, "cancelled")


def test_drain__order_that_traded_and_was_cancelled__is_matched_and_says_why_the_rest_left() -> None:
    chain = Chain()
    offer = chain.accept(side=SELL, energy_wh=800, limit_price_per_kwh=100_000, trader=b"\x01" * 20)
    chain.accept(side=BUY, energy_wh=300, limit_price_per_kwh=150_000, trader=b"\x02" * 20)
    chain.cancel(offer.digest)

    sold, bought = book_of(chain).drain().orders

    assert (sold.status, sold.matched_wh, sold.taken_wh, sold.close_reason) == ("matched", 300, 800, "cancelled")
    assert sold.locked_cash == cash_up(300 * (SHORT - 100_000))
    assert (bought.status, bought.close_reason) == ("matched", None)


def test_drain__expired_order__is_expired() -> None:
    chain = Chain()
    order = chain.accept(energy_wh=800, time_in_force=1)
    chain.expire(order.digest)

    (gone,) = book_of(chain).drain().orders

    assert (gone.status, gone.locked_cash, gone.close_reason) == ("expired", 0, "expired")


def test_drain__order_that_replaces_one_that_is_gone__does_not_enter() -> None:
    chain = Chain()
    first = chain.accept(energy_wh=800)
    chain.cancel(first.digest)
    chain.accept(Instructions(replaces=first.digest), energy_wh=700)
    chain.accept(Instructions(replaces=b"\x09" * 32), energy_wh=700)

    reasons = [order.close_reason for order in book_of(chain).drain().orders]

    assert reasons == ["cancelled", "nothing-to-replace", "nothing-to-replace"]


def test_apply__events_seen_before__change_nothing() -> None:
    chain = Chain()
    chain.accept(energy_wh=800)
    book = book_of(chain)
    book.drain()

    book.apply(chain.events)

    again = book.drain()
    assert (again.fills, again.orders, again.levels) == ((), (), ())
    assert book.sequence == 1


def test_drain__lock_of_an_order_that_trades__only_ever_shrinks() -> None:
    chain = Chain()
    chain.accept(Instructions(display_wh=70), side=SELL, energy_wh=900, limit_price_per_kwh=-40_000)
    book = SlotBook(AREA, SLOT, SHORT)
    book.apply(chain.events)
    locks = [book.drain().orders[0].locked_cash]
    for limit in (10_000, 60_000, -20_000, 90_000, 30_000):
        chain.accept(side=BUY, energy_wh=130, limit_price_per_kwh=limit, trader=b"\x02" * 20)
        book.apply(chain.events)
        locks += [order.locked_cash for order in book.drain().orders if order.sequence == 1]
    assert locks == sorted(locks, reverse=True)
    assert len(locks) > 4
