"""Records become registers of whole Wh."""

import numpy as np
import pytest

from node.simulation.population import DAY_S, Participant, measure


class Steady:
    """So many micro-Wh every second."""

    def __init__(self, uwh_per_s: int) -> None:
        self.uwh_per_s = uwh_per_s

    def cumulative_uwh(self, time_s: int) -> int:
        return self.uwh_per_s * time_s


def test_measure__less_than_a_wh_a_slot__is_carried_into_the_next() -> None:
    population = measure([Participant("a", load=Steady(500))], start_s=DAY_S, days=1, slot_s=900)
    assert population.load_wh.sum() == 2 * 500 * DAY_S // 1_000_000
    assert set(population.load_wh[:, 0].tolist()) == {0, 1}


def test_measure__load_and_production__are_netted_behind_the_meter() -> None:
    home = Participant("a", load=Steady(2_000_000), production=Steady(3_000_000))
    population = measure([home, Participant("b")], start_s=0, days=1, slot_s=3_600)
    assert population.slots == 24
    assert np.array_equal(population.net_wh, np.array([[-3_600, 0]] * 48))


@pytest.mark.parametrize(("start_s", "slot_s"), [(1, 900), (0, 7_000)])
def test_measure__off_the_days_grid__is_refused(start_s: int, slot_s: int) -> None:
    with pytest.raises(ValueError, match="grid"):
        measure([Participant("a")], start_s, 1, slot_s)
