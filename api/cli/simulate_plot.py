"""The picture of a simulation, drawn with matplotlib where it is installed."""

from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from indexer.errors import ConfigError

if TYPE_CHECKING:
    from node.simulation.compare import Outcome
    from node.simulation.population import Population

FORMATS: Final = (".svg", ".png", ".pdf")


def checked(path: Path) -> None:
    """Raises ConfigError where the picture could not be written in the end."""
    faults = []
    if path.suffix.lower() not in FORMATS:
        faults.append(f"--plot {path}: must end in one of {', '.join(FORMATS)}")
    if not path.absolute().parent.is_dir():
        faults.append(f"--plot {path}: there is no folder {path.absolute().parent}")
    if find_spec("matplotlib") is None:
        faults.append("--plot needs matplotlib: pip install 'gridtrace[plot]'")
    if faults:
        raise ConfigError(faults)


def draw(path: Path, outcomes: Sequence["Outcome"], population: "Population") -> None:
    """Three panels over the same days: price of each strategy, energy of the community, money saved by participant."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 9), layout="constrained")
    prices, energy, savings = figure.subplots(3, 1)
    days = [(slot.start_s - population.start_s) / 86_400 for slot in outcomes[0].slots]
    for outcome in outcomes:
        known = [None if slot.price_per_kwh is None else slot.price_per_kwh / 1e6 for slot in outcome.slots]
        prices.plot(days, known, label=outcome.measures.strategy, linewidth=1)
    prices.set(title="Clearing price, where anything is traded", ylabel="€/kWh")
    _energy(energy, days, outcomes[0], 3_600 / population.slot_s)
    for outcome in outcomes:
        saved = sorted(outcome.measures.saved_by_participant)
        savings.plot(range(1, len(saved) + 1), [cash / 1e6 for cash in saved], label=outcome.measures.strategy)
    savings.axhline(0, color="grey", linewidth=0.5)
    savings.set(title="Saved against the grid alone", xlabel="participants, least to most", ylabel="€")
    first_day = datetime.fromtimestamp(population.start_s, UTC)
    for panel in (prices, energy):
        panel.set(xlabel=f"days since {first_day:%A %Y-%m-%d}, UTC", xlim=(0, days[-1]))
    for panel in (prices, energy, savings):
        panel.legend(loc="best", fontsize="small", frameon=False)
        panel.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=150)


def _energy(panel: Any, days: Sequence[float], outcome: "Outcome", per_hour: float) -> None:
    for name, label in (("load_wh", "load"), ("production_wh", "production"), ("delivered_wh", "traded and delivered")):
        panel.plot(days, [getattr(slot, name) * per_hour / 1e3 for slot in outcome.slots], label=label, linewidth=1)
    panel.set(title=f"Mean power of the community ({outcome.measures.strategy})", ylabel="kW")
