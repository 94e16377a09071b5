"""Strategies on the same days: what must hold whatever they bid."""

import os

import numpy as np
import pytest

from indexer.config import Environment
from node.config import MarketRules
from node.simulation.compare import Outcome, Setup, compare
from node.simulation.market import Forecast
from node.simulation.measures import summarise
from node.simulation.population import Population
from node.simulation.strategy import STRATEGIES

RULES = MarketRules.read(Environment({}))


def population(seed: int, participants: int = 12, days: int = 1, slots: int = 24) -> Population:
    rng = np.random.default_rng(seed)
    shape = ((days + 1) * slots, participants)
    return Population(
        names=tuple(f"p{number}" for number in range(participants)),
        slot_s=86_400 // slots,
        first_slot=slots,
        start_s=86_400,
        load_wh=rng.integers(0, 2_000, shape),
        production_wh=rng.integers(0, 4_000, shape) * (rng.random(shape) < 0.4),
    )


def play(seed: int, *strategies: str, forecast: Forecast = "yesterday", spread: int = 10) -> list[Outcome]:
    return compare(population(seed), Setup(RULES, forecast, spread, seed), strategies, lambda name, slots: None)


@pytest.mark.parametrize("seed", range(4))
def test_compare__any_strategy__money_comes_from_nowhere(seed: int) -> None:
    for outcome in play(seed, *STRATEGIES):
        assert outcome.measures.residue_nano == 0
        assert outcome.measures.traded_wh > 0


@pytest.mark.parametrize("seed", range(4))
def test_compare__truthful_with_perfect_forecasts__leaves_no_welfare_behind(seed: int) -> None:
    (outcome,) = play(seed, "truthful", forecast="perfect")
    assert outcome.measures.welfare == outcome.measures.welfare_best > 0
    assert outcome.measures.delivered_wh == outcome.measures.traded_wh
    assert all(slot.grid_import_wh * slot.grid_export_wh == 0 for slot in outcome.slots)


@pytest.mark.parametrize("name", STRATEGIES)
def test_compare__yesterdays_forecast__gains_at_most_what_was_possible(name: str) -> None:
    (outcome,) = play(7, name)
    assert all(slot.gain_nano <= slot.best_gain_nano for slot in outcome.slots)
    assert all(slot.delivered_wh <= min(slot.traded_wh, slot.best_wh) for slot in outcome.slots)


@pytest.mark.parametrize("name", STRATEGIES)
def test_compare__the_same_seed__gives_the_same_market(name: str) -> None:
    (once,), (again,) = play(3, name), play(3, name)
    assert once.measures == again.measures
    assert [slot.price_per_kwh for slot in once.slots] == [slot.price_per_kwh for slot in again.slots]


def test_compare__no_preference_and_perfect_forecasts__makes_nobody_worse_off() -> None:
    (outcome,) = play(5, "truthful", forecast="perfect", spread=0)
    assert outcome.measures.winners == outcome.measures.participants
    assert outcome.measures.saved_least >= 0


def test_compare__adaptive__comes_closer_to_the_best_than_random_bids() -> None:
    days = population(2, days=14)
    setup = Setup(RULES, "perfect", 10, 2)
    adaptive, random = compare(days, setup, ["adaptive", "zero-intelligence"], lambda name, slots: None)
    assert adaptive.measures.efficiency_bp > random.measures.efficiency_bp


def test_compare__progress__hears_of_every_slot() -> None:
    heard: list[tuple[str, int]] = []
    setup = Setup(RULES, "perfect", 10, 1)
    compare(population(1), setup, ["truthful"], lambda name, slots: heard.append((name, slots)))
    assert heard == [("truthful", number) for number in range(1, 25)]


def test_summarise__no_slots__is_refused() -> None:
    with pytest.raises(ValueError, match="no slots"):
        summarise("truthful", [], population(1), RULES)


def test_rules__of_the_environment__are_the_nodes_own() -> None:
    assert MarketRules.read(Environment({"GRIDTRACE_GRID_FEE_PER_KWH": "7"})).grid_fee_per_kwh == 7
    assert "GRIDTRACE_GRID_FEE_PER_KWH" not in os.environ
