from node.settlement.difference import Before, difference
from node.settlement.imbalance import Line
from tests.unit.node.settlement.slot import account

A, B = account("a"), account("b")


def test_difference__more_than_before__is_what_is_settled() -> None:
    now = [Line(A, trade_money_nano=5_000, grid_fee_nano=1_000, rent_nano=500, imbalance_money_nano=-200)]
    found = difference(now, Before({A: 3_000}, {}))
    assert (found.money_nano, found.uncovered) == ({A: 300}, {})


def test_difference__account_in_one_version_only__counts_as_nothing_in_the_other() -> None:
    found = difference([Line(A, imbalance_money_nano=700)], Before({B: 700}, {}))
    assert found.money_nano == {A: 700, B: -700}


def test_difference__owed_and_never_paid__is_kept_back_first() -> None:
    before = Before({A: -9_000}, {A: 5})
    assert difference([Line(A, imbalance_money_nano=-6_000)], before).money_nano == {A: 0}
    assert difference([Line(A, imbalance_money_nano=-6_000)], before).uncovered == {A: 2}
    whole = difference([Line(A, imbalance_money_nano=1_500)], before)
    assert (whole.money_nano, whole.uncovered) == ({A: 5_500}, {})


def test_difference__owes_more_than_before__leaves_what_is_uncovered() -> None:
    found = difference([Line(A, imbalance_money_nano=-9_001)], Before({A: -9_000}, {A: 5}))
    assert (found.money_nano, found.uncovered) == ({A: -1}, {A: 5})
