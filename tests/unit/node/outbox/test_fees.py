"""Fees: payable for a while, replaceable, and never above the ceiling."""

import random

from node.outbox.fees import DEFAULT_TIP, Fees, offer, raised

CEILING = 10**12


def test_offer__base_fee__doubled_and_tipped() -> None:
    assert offer(100, 7, CEILING) == Fees(207, 7)
    assert offer(0, 0, CEILING) == Fees(0, 0)
    assert offer(5, None, CEILING) == Fees(10 + DEFAULT_TIP, DEFAULT_TIP)


def test_offer__above_ceiling__cut_to_it() -> None:
    assert offer(CEILING, CEILING * 2, CEILING) == Fees(CEILING, CEILING)


def test_raised__any_fees__both_at_least_an_eighth_higher() -> None:
    rng = random.Random(1)
    for _ in range(1_000):
        tip = rng.choice([0, 1, 7, 8, rng.randrange(10**9)])
        old = Fees(tip + rng.randrange(10**9), tip)
        new = raised(old, Fees(rng.randrange(10**9), rng.randrange(10**6)), CEILING)
        assert new is not None
        assert new.max_fee * 8 >= old.max_fee * 9 and new.max_fee > old.max_fee
        assert new.tip * 8 >= old.tip * 9 and new.tip > old.tip
        assert new.max_fee >= new.tip


def test_raised__market_far_above__follows_the_market() -> None:
    assert raised(Fees(100, 10), Fees(5_000, 300), CEILING) == Fees(5_000, 300)


def test_raised__above_ceiling__none() -> None:
    assert raised(Fees(CEILING, 1), Fees(1, 1), CEILING) is None
