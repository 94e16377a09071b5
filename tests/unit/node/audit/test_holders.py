"""Fractions replayed: what each holder earns is what he held while it came, whatever the order of things."""

from fractions import Fraction
from random import Random

import pytest

from node.audit.holders import ZERO, Claimed, Event, Holders, Moved, PaidIn, Taken

OWNER, ANNA, BEN = (bytes([number]) * 20 for number in (1, 2, 3))


def replayed(*events: Event) -> Holders:
    holders = Holders()
    for event in events:
        assert holders.take("event", event) == []
    return holders


@pytest.mark.parametrize("seed", range(20))
def test_claimable__random_life__is_the_share_held_at_each_deposit(seed: int) -> None:
    draw = Random(seed)
    holders = Holders()
    supply = draw.choice((3, 7, 1_000))
    holders.take("issue", Moved(ZERO, OWNER, supply))
    exact = dict.fromkeys((OWNER, ANNA, BEN), Fraction(0))
    for number in range(60):
        sender, to = draw.sample((OWNER, ANNA, BEN), 2)
        if number % 3:
            holders.take("move", Moved(sender, to, draw.randint(0, holders.fractions[sender])))
            continue
        amount = draw.randint(1, 10**9)
        for account in exact:
            exact[account] += Fraction(amount * holders.fractions[account], supply)
        holders.take("deposit", PaidIn(amount, 0))
        if draw.random() < 0.3:
            paid = holders.claimable(to)
            assert holders.take("claim", Claimed(to, paid)) == []
            exact[to] -= paid
    for account, due in exact.items():
        # What a division leaves is carried to the next deposit: less than one unit is open in all.
        assert 0 <= due - holders.claimable(account) < 2
    assert holders.claimed + sum(map(holders.claimable, exact)) <= holders.deposited


def test_take__what_does_not_follow__is_named_once() -> None:
    holders = replayed(Moved(ZERO, OWNER, 10), PaidIn(10, 1 << 60), Moved(OWNER, ANNA, 4))
    (wrong,) = holders.take("block 5 log 1", PaidIn(10, 1 << 60))
    assert (wrong.kind, wrong.expected) == ("revenue", str(2 << 60))
    (wrong,) = holders.take("block 6 log 0", Claimed(ANNA, 5))
    assert (wrong.kind, wrong.expected, wrong.actual) == ("claim", "4", "5")
    assert "block 6 log 0" in wrong.subject
    (wrong,) = holders.take("block 7 log 0", Moved(BEN, ANNA, 1))
    assert (wrong.kind, wrong.expected) == ("holding", "at most 0")


def test_taken__by_force_with_its_revenue__follows_the_fractions() -> None:
    holders = replayed(Moved(ZERO, OWNER, 10), PaidIn(10, 1 << 60), Moved(OWNER, BEN, 10), Taken(OWNER, BEN, 10))
    assert (holders.claimable(OWNER), holders.claimable(BEN)) == (0, 10)
