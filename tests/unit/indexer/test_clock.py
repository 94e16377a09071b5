"""Market time: an affine function of real time."""

import pytest

from indexer.clock import SimulatedClock


def test_at__rate_150__runs_150_times_faster() -> None:
    clock = SimulatedClock(real_anchor_s=1_000, market_anchor_s=50_000, rate=150)

    assert clock.at(1_000) == 50_000
    assert clock.at(1_006) == 50_900


def test_parse__own_text__is_the_same_clock() -> None:
    clock = SimulatedClock(1763722800.123456, 1750150800.0, 150.0)

    assert SimulatedClock.parse(str(clock)) == clock


@pytest.mark.parametrize("text", ["", "1:2", "1:2:3:4", "a:b:c", "1:2:0", "1:2:-1", "1:2:nan"])
def test_parse__not_a_clock__is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        SimulatedClock.parse(text)


async def test_sleep_until__past__returns_at_once() -> None:
    clock = SimulatedClock()

    await clock.sleep_until(clock.now_s() - 1)


async def test_sleep_until__future__has_come() -> None:
    clock = SimulatedClock(rate=100)
    then = clock.now_s() + 5

    await clock.sleep_until(then)

    assert clock.now_s() >= then
