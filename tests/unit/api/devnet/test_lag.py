import pytest

from api.devnet.lag import LagMeter


def test_heard__every_block__counts_once() -> None:
    meter = LagMeter("postgresql://nowhere", {1: 10.0, 2: 11.0, 3: 12.0})
    meter.heard(1, 10.5)
    meter.heard(3, 12.25)
    assert list(meter.lags_s) == pytest.approx([0.5, 1.25, 0.25])


def test_heard__a_block_whose_mining_was_not_seen__is_left_out() -> None:
    meter = LagMeter("postgresql://nowhere", {})
    meter.heard(7, 1.0)
    assert not meter.lags_s


def test_heard__the_chain_went_back__measures_nothing_twice() -> None:
    meter = LagMeter("postgresql://nowhere", {1: 10.0, 2: 11.0})
    meter.heard(2, 11.5)
    meter.heard(1, 20.0)
    meter.heard(2, 21.0)
    assert list(meter.lags_s)[:1] == pytest.approx([0.5])
