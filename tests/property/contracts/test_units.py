"""Rounding goes where the function's name says, and never by a whole unit."""

from hypothesis import given
from hypothesis import strategies as st

from contracts.units import NANO_PER_CASH, cash_down, cash_up, energy_limit_wh, money_nano

MONEY = st.integers(-(10**30), 10**30)


@given(MONEY)
def test_cash__any_money__down_and_up_enclose_it(nano: int) -> None:
    down, up = cash_down(nano), cash_up(nano)

    assert down * NANO_PER_CASH <= nano <= up * NANO_PER_CASH
    assert up - down == (nano % NANO_PER_CASH != 0)


@given(MONEY)
def test_cash__what_one_pays_and_another_gets__never_pays_out_more_than_came_in(nano: int) -> None:
    assert cash_up(nano) >= cash_down(nano)
    assert cash_up(nano) == -cash_down(-nano)


@given(st.integers(-(10**12), 10**12), st.integers(0, 10**15), st.integers(0, 10**15))
def test_money_nano__split_energy__adds_up_exactly(price: int, first_wh: int, second_wh: int) -> None:
    assert money_nano(price, first_wh) + money_nano(price, second_wh) == money_nano(price, first_wh + second_wh)


@given(st.integers(1, 10**9), st.integers(1, 86_400))
def test_energy_limit__power_over_time__is_enough_and_not_one_wh_more(power_w: int, duration_s: int) -> None:
    limit_wh = energy_limit_wh(power_w, duration_s)

    assert limit_wh * 3_600 >= power_w * duration_s > (limit_wh - 1) * 3_600
