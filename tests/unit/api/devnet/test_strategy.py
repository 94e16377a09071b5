from api.devnet.strategy import DAY_S, PriceFrame, bid_limit_per_kwh, forecast_wh, offer_limit_per_kwh

SLOT_S = 900
START = 1_750_150_800
PRICES = PriceFrame(long_per_kwh=60_000, short_per_kwh=320_000, grid_fee_per_kwh=20_000, tick_per_kwh=100)


def test_forecast__no_history__is_the_default() -> None:
    assert forecast_wh({}, START, SLOT_S, 150) == 150


def test_forecast__one_slot__persists() -> None:
    assert forecast_wh({START - SLOT_S: 200}, START, SLOT_S, 150) == 200


def test_forecast__rising_slots__goes_on_with_half_the_trend() -> None:
    history = {START - 3 * SLOT_S: 100, START - 2 * SLOT_S: 140, START - SLOT_S: 180}
    assert forecast_wh(history, START, SLOT_S, 150) == 180 + 40


def test_forecast__falling_slots__is_never_negative() -> None:
    assert forecast_wh({START - 2 * SLOT_S: 900, START - SLOT_S: 10}, START, SLOT_S, 150) == 0


def test_forecast__yesterday_known__weighs_it_with_the_newest() -> None:
    history = {START - DAY_S: 500, START - SLOT_S: 100}
    assert forecast_wh(history, START, SLOT_S, 150) == (3 * 500 + 2 * 100) // 5


def test_limits__any_draw__stay_within_their_bounds_and_on_the_tick() -> None:
    for draw in (0.0, 0.123456, 0.5, 0.999999):
        bid, offer = bid_limit_per_kwh(PRICES, draw), offer_limit_per_kwh(PRICES, draw)
        assert 80_000 <= bid <= 320_000
        assert 60_000 <= offer <= 190_000
        assert bid % 100 == offer % 100 == 0
