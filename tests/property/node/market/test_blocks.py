"""Blocks in small sessions, held against every choice of blocks there is."""

from collections.abc import Iterable
from itertools import chain, combinations
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from node.market import zonal
from node.market.area import Area
from node.market.auction import Book, Side
from node.market.blocks import Block, BlockInvalid, SessionResult, clear_session
from node.market.zonal import ZonalResult
from tests.property.node.market.naive import BUY, SELL, Bid
from tests.property.node.market.test_zonal import DEEP

many = settings(
    max_examples=1_500 if DEEP else 120,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
AREAS = (
    Area((1,), {(1, 1): 1}),
    Area((1, 2), {(1, 1): 0, (2, 2): 1, (1, 2): 2, (2, 1): 2}, {(2, 1): 5}),
)


class Session:
    """Random orders in some slots, some of them in blocks."""

    def __init__(self, random: Random) -> None:
        self.area = random.choice(AREAS)
        self.bids: dict[int, tuple[int, int, Bid]] = {}
        starts = [900 * number for number in range(1, random.randint(2, 3) + 1)]
        places = [(start, zone) for start in starts for zone in self.area.zones]
        self.places = places
        blocks: list[Block] = []
        for number in range(random.randint(0, 4)):
            orders = tuple(
                self._add(random, place, eager=4)
                for place in random.sample(places, random.randint(1, min(3, len(places))))
            )
            parent = random.randrange(number) if number and random.random() < 0.3 else None
            blocks.append(Block(orders, parent))
        for place in places:
            for _ in range(random.randint(0, 4)):
                self._add(random, place)
        self.blocks = tuple(blocks)
        self.books = {
            start: {zone: Book(self._side(start, zone, BUY), self._side(start, zone, SELL)) for zone in self.area.zones}
            for start in starts
        }

    def _add(self, random: Random, place: tuple[int, int], eager: int = 0) -> int:
        sequence, side = len(self.bids) + 1, random.choice((BUY, SELL))
        generosity = eager if side == BUY else -eager
        bid = Bid(sequence, side, random.randint(1, 8), random.randint(-4, 6) + generosity)
        self.bids[sequence] = (*place, bid)
        return sequence

    def _side(self, start: int, zone: int, side: int) -> Side:
        mine = (bid for at, place, bid in self.bids.values() if (at, place, bid.side) == (start, zone, side))
        return Side.of((bid.sequence, bid.quantity, bid.limit, bid.min_fill) for bid in mine)

    def run(self) -> SessionResult:
        return clear_session(self.area, self.books, self.blocks)

    def clear_with(self, accepted: Iterable[int]) -> dict[int, ZonalResult]:
        """Every slot, as if the other blocks were not there."""
        taken = set(accepted)
        out = {order for number, block in enumerate(self.blocks) if number not in taken for order in block.orders}
        return {start: zonal.clear(self.area, books, out) for start, books in self.books.items()}

    def fill(self, slots: dict[int, ZonalResult], order: int) -> int:
        start, zone, bid = self.bids[order]
        book = self.books[start][zone]
        side, row = (book.buys, slots[start].buys[zone]) if bid.side == BUY else (book.sells, slots[start].sells[zone])
        return int(row.fills_wh[side.sequence.tolist().index(order)])

    def gain(self, slots: dict[int, ZonalResult], order: int) -> int | None:
        start, zone, bid = self.bids[order]
        price = (slots[start].buys if bid.side == BUY else slots[start].sells)[zone].price_per_kwh
        return None if price is None else (bid.limit - price) * (1 if bid.side == BUY else -1)

    def is_choice(self, accepted: Iterable[int]) -> bool:
        """Whether these blocks can be accepted together: with their parents, and every order filled."""
        taken = set(accepted)
        if any(self.blocks[block].parent not in (taken | {None}) for block in taken):
            return False
        slots = self.clear_with(taken)
        orders = [order for block in taken for order in self.blocks[block].orders]
        return all(self.fill(slots, order) == self.bids[order][2].quantity for order in orders)

    def welfare(self, slots: dict[int, ZonalResult]) -> int:
        value = sum(
            (1 if bid.side == BUY else -1) * bid.limit * self.fill(slots, order)
            for order, (_, _, bid) in self.bids.items()
        )
        return value - sum(flow.fee_per_kwh * flow.energy_wh for slot in slots.values() for flow in slot.flows)

    def best_welfare(self) -> int:
        numbers = range(len(self.blocks))
        choices = chain.from_iterable(combinations(numbers, size) for size in range(len(self.blocks) + 1))
        return max(self.welfare(self.clear_with(choice)) for choice in choices if self.is_choice(choice))


sessions = st.integers(0, 10**9).map(lambda seed: Session(Random(seed)))


@many
@given(sessions)
def test_clear_session__accepted_blocks__are_filled_with_their_parents_and_without_a_loss(session: Session) -> None:
    result = session.run()
    slots = dict(result.slots)

    assert session.is_choice(result.accepted)
    for order in (order for block in result.accepted for order in session.blocks[block].orders):
        gain = session.gain(slots, order)
        assert gain is not None
        assert gain >= 0


@many
@given(sessions)
def test_clear_session__every_slot__is_the_auction_without_the_blocks_left_out(session: Session) -> None:
    result = session.run()
    expected = session.clear_with(result.accepted)

    for start, slot in result.slots.items():
        for zone in session.area.zones:
            for found, wanted in ((slot.buys, expected[start].buys), (slot.sells, expected[start].sells)):
                assert found[zone].price_per_kwh == wanted[zone].price_per_kwh
                assert found[zone].fills_wh.tolist() == wanted[zone].fills_wh.tolist()
    out = set(range(len(session.blocks))) - set(result.accepted)
    assert all(session.fill(dict(result.slots), order) == 0 for block in out for order in session.blocks[block].orders)


@many
@given(sessions)
def test_clear_session__block_left_out__could_not_be_added(session: Session) -> None:
    accepted = session.run().accepted

    for block in set(range(len(session.blocks))) - set(accepted):
        assert not session.is_choice((*accepted, block))


@many
@given(sessions)
def test_clear_session__blocks_that_would_gain__are_listed(session: Session) -> None:
    result = session.run()
    slots = dict(result.slots)
    expected = []
    for number, block in enumerate(session.blocks):
        gains = [session.gain(slots, order) for order in block.orders]
        would_gain = all(gain is not None and gain >= 0 for gain in gains) and any(gains)
        if number not in result.accepted and block.parent in (*result.accepted, None) and would_gain:
            expected.append(number)

    assert list(result.rejected) == expected


@many
@given(sessions)
def test_clear_session__blocks__never_cost_welfare(session: Session) -> None:
    assert session.welfare(dict(session.run().slots)) >= session.welfare(session.clear_with(()))


@many
@given(sessions, st.randoms(use_true_random=False))
def test_clear_session__blocks_in_another_order__gives_the_same_result(session: Session, random: Random) -> None:
    before = session.run()
    order = list(range(len(session.blocks)))
    random.shuffle(order)
    place = {old: new for new, old in enumerate(order)}
    shuffled = [
        Block(session.blocks[old].orders, None if (parent := session.blocks[old].parent) is None else place[parent])
        for old in order
    ]
    after = clear_session(session.area, session.books, shuffled)

    assert sorted(place[block] for block in before.accepted) == list(after.accepted)
    assert sorted(place[block] for block in before.rejected) == list(after.rejected)


def test_clear_session__thousand_small_sessions__comes_close_to_the_best_choice() -> None:
    count = 1_000 if DEEP else 100
    found = best = optimal = 0
    for seed in range(count):
        session = Session(Random(seed))
        welfare, most = session.welfare(dict(session.run().slots)), session.best_welfare()
        assert welfare <= most
        found, best, optimal = found + welfare, best + most, optimal + (welfare == most)

    assert found >= 0.98 * best
    assert optimal >= 0.9 * count


@pytest.mark.parametrize(
    ("blocks", "words"),
    [
        ([Block((1, 1))], "twice"),
        ([Block((1,)), Block((1, 2))], "two blocks"),
        ([Block((99,))], "not in the session"),
        ([Block(())], "no orders"),
        ([Block((1,), 5)], "no parent"),
        ([Block((1,), 0)], "ancestor"),
        ([Block((1,), 1), Block((2,), 0)], "ancestor"),
    ],
)
def test_clear_session__blocks_that_mean_nothing__are_refused(blocks: list[Block], words: str) -> None:
    side = Side.of([(1, 5, 5, 0), (2, 5, 5, 0)])
    books = {900: {1: Book(side, Side.of([]))}}

    with pytest.raises(BlockInvalid, match=words):
        clear_session(AREAS[0], books, blocks)
