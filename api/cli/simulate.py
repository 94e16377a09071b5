"""``gridtrace simulate``: the auction and the settlement on records of load and production, without a chain."""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from node.config import MarketRules
    from node.simulation.population import Population

FIRST_DAY = datetime(2025, 6, 2)  # noqa: DTZ001 -- the option's text has no offset and means UTC


def simulate(
    data: Annotated[
        Path | None, typer.Option(help="Folder of measured series; else those that come with the installation.")
    ] = None,
    homes: Annotated[int, typer.Option(min=1, max=10_000, help="Homes.")] = 200,
    rooftops: Annotated[int, typer.Option(min=0, help="How many of the homes have photovoltaics.")] = 60,
    plants: Annotated[int, typer.Option(min=0, max=1_000, help="Plants without a load of their own.")] = 10,
    first_day: Annotated[datetime, typer.Option("--from", formats=["%Y-%m-%d"], help="First day, UTC.")] = FIRST_DAY,
    days: Annotated[int, typer.Option(min=1, max=366, help="How many days.")] = 7,
    strategy: Annotated[
        list[str] | None, typer.Option(help="truthful, adaptive or zero-intelligence; repeatable. [default: all]")
    ] = None,
    forecast: Annotated[
        Literal["perfect", "yesterday"],
        typer.Option(help="Energy that participants expect of a slot: its own, or the same slot's of the day before."),
    ] = "yesterday",
    spread: Annotated[
        int, typer.Option(min=0, max=100, help="Preference for local energy: up to so many percent over the grid's.")
    ] = 10,
    seed: Annotated[int, typer.Option(help="Seed of everything that is drawn.")] = 1,
    plot: Annotated[Path | None, typer.Option(help="Picture of prices, energy and savings: .svg, .png, .pdf.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document, with every slot.")] = False,
) -> None:
    """Play a market on measured days and compare bidding strategies: welfare, prices, self-sufficiency, savings.

    The same auction and settlement as the node's, slot by slot; nothing is stored. The rules are the node's, from the
    environment: GRIDTRACE_SLOT_S, GRIDTRACE_GRID_FEE_PER_KWH, GRIDTRACE_PRICE_LONG_PER_KWH and so on.
    """
    from api.cli.simulate_report import Progress, as_document, comparison
    from node.simulation.compare import Setup, compare
    from node.simulation.strategy import STRATEGIES

    chosen = strategy or list(STRATEGIES)
    rules = _rules(
        *(f"--strategy {name}: must be one of {', '.join(STRATEGIES)}" for name in chosen if name not in STRATEGIES),
        *([f"--rooftops {rooftops}: there are only {homes} homes"] if rooftops > homes else []),
    )
    if plot is not None:
        from api.cli.simulate_plot import checked

        checked(plot)
    population = _population(data, homes, rooftops, plants, first_day, days, rules, seed)
    setup = Setup(rules, forecast, spread, seed)
    with Progress(chosen, population.slots) as progress:
        outcomes = compare(population, setup, chosen, progress.played)
    typer.echo(as_document(outcomes) if as_json else comparison(outcomes))
    if plot is not None:
        from api.cli.simulate_plot import draw

        draw(plot, outcomes, population)
        typer.echo(f"plot: {plot}", err=True)


def _rules(*faults: str) -> "MarketRules":
    from indexer.config import Environment
    from node.config import MarketRules

    env = Environment(os.environ)
    env.faults.extend(faults)
    rules = MarketRules.read(env)
    env.check()
    env.faults += rules.contradictions()
    env.check()
    return rules


def _population(
    data: Path | None,
    homes: int,
    rooftops: int,
    plants: int,
    first_day: datetime,
    days: int,
    rules: "MarketRules",
    seed: int,
) -> "Population":
    from api.devnet.series import load_community
    from node.simulation.population import Participant, measure

    community = load_community(homes, rooftops + plants, seed, data)
    roofs = [*community.plants[:rooftops], *[None] * (homes - rooftops)]
    members = [
        *(Participant(home.name, home, roof) for home, roof in zip(community.homes, roofs, strict=True)),
        *(Participant(plant.name, None, plant) for plant in community.plants[rooftops:]),
    ]
    return measure(members, int(first_day.replace(tzinfo=UTC).timestamp()), days, rules.slot_s)
