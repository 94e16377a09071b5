"""The same days under several strategies: the same draws of preferences, so that only the bidding differs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from node.config import MarketRules
from node.simulation.market import Forecast, SlotResult, play, reservations
from node.simulation.measures import Measures, summarise
from node.simulation.population import Population
from node.simulation.strategy import STRATEGIES


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one strategy came to, in all and by slot."""

    measures: Measures
    slots: tuple[SlotResult, ...]


@dataclass(frozen=True, slots=True)
class Setup:
    """What all strategies share."""

    rules: MarketRules
    forecast: Forecast
    spread_percent: int
    """The most that anyone values local energy above the grid's."""
    seed: int


def compare(
    population: Population, setup: Setup, strategies: Sequence[str], played: Callable[[str, int], None]
) -> list[Outcome]:
    """Plays every strategy of STRATEGIES that is named; ``played(strategy, slots)`` hears of the progress."""
    outcomes = []
    for name in strategies:
        rng = np.random.default_rng(setup.seed)
        limits = reservations(len(population.names), setup.rules, setup.spread_percent, rng)
        results: list[SlotResult] = []
        for result in play(population, STRATEGIES[name](limits, rng), limits, setup.rules, setup.forecast):
            results.append(result)
            played(name, len(results))
        outcomes.append(Outcome(summarise(name, results, population, setup.rules), tuple(results)))
    return outcomes
