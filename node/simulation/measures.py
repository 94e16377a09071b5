"""What a simulated market came to, as figures that can be compared between strategies."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from contracts.units import NANO_PER_CASH
from node.config import MarketRules
from node.simulation.market import SlotResult
from node.simulation.population import Population


@dataclass(frozen=True, slots=True)
class Measures:
    """One strategy over all slots. Energy in Wh, money in cash units (micro-currency), shares in basis points."""

    strategy: str
    participants: int
    slots: int
    slots_traded: int
    load_wh: int
    production_wh: int
    grid_import_wh: int
    grid_export_wh: int
    traded_wh: int
    delivered_wh: int
    netted_wh: int
    price_mean_per_kwh: int | None
    """Weighted by traded energy, rounded down; None where nothing was traded."""
    price_low_per_kwh: int | None
    price_high_per_kwh: int | None
    welfare: int
    """Value less cost and grid fee of what was traded and delivered."""
    welfare_best: int
    """What truthful orders with perfect forecasts would have come to."""
    efficiency_bp: int
    self_sufficiency_bp: int
    """Part of the load that the community produced itself."""
    self_consumption_bp: int
    """Part of the production that the community used itself."""
    local_trade_bp: int
    """Part of the locally possible exchange that was traded and delivered."""
    saved: int
    """What all participants together have more than with the grid alone."""
    saved_mean: int
    saved_least: int
    saved_by_participant: tuple[int, ...]
    winners: int
    """Participants who are no worse off than with the grid alone."""
    grid_fee: int
    residue_nano: int
    """Sum of everything paid and received, the grid and the operator included: 0."""


def summarise(strategy: str, results: Sequence[SlotResult], population: Population, rules: MarketRules) -> Measures:
    """Adds the slots up. Raises ValueError for no slots."""
    if not results:
        raise ValueError("no slots were played")
    money_nano = np.sum([result.money_nano for result in results], axis=0)
    saved_nano = money_nano - _grid_alone_nano(population, rules)
    prices = [result.price_per_kwh for result in results if result.price_per_kwh is not None]
    traded_wh = sum(result.traded_wh for result in results)
    value = sum((result.price_per_kwh or 0) * result.traded_wh for result in results)
    load_wh = sum(result.load_wh for result in results)
    production_wh = sum(result.production_wh for result in results)
    import_wh = sum(result.grid_import_wh for result in results)
    export_wh = sum(result.grid_export_wh for result in results)
    delivered_wh = sum(result.delivered_wh for result in results)
    gain, best_gain = sum(result.gain_nano for result in results), sum(result.best_gain_nano for result in results)
    grid_nano = sum(result.grid_money_nano for result in results)
    fee_nano = sum(result.fee_nano for result in results)
    return Measures(
        strategy=strategy,
        participants=len(population.names),
        slots=len(results),
        slots_traded=len(prices),
        load_wh=load_wh,
        production_wh=production_wh,
        grid_import_wh=import_wh,
        grid_export_wh=export_wh,
        traded_wh=traded_wh,
        delivered_wh=delivered_wh,
        netted_wh=sum(result.netted_wh for result in results),
        price_mean_per_kwh=value // traded_wh if traded_wh else None,
        price_low_per_kwh=min(prices, default=None),
        price_high_per_kwh=max(prices, default=None),
        welfare=gain // NANO_PER_CASH,
        welfare_best=best_gain // NANO_PER_CASH,
        efficiency_bp=_share_bp(gain, best_gain),
        self_sufficiency_bp=_share_bp(load_wh - import_wh, load_wh),
        self_consumption_bp=_share_bp(production_wh - export_wh, production_wh),
        local_trade_bp=_share_bp(delivered_wh, sum(result.best_wh for result in results)),
        saved=int(saved_nano.sum()) // NANO_PER_CASH,
        saved_mean=int(saved_nano.sum()) // NANO_PER_CASH // len(population.names),
        saved_least=int(saved_nano.min()) // NANO_PER_CASH,
        saved_by_participant=tuple((saved_nano // NANO_PER_CASH).tolist()),
        winners=int((saved_nano >= 0).sum()),
        grid_fee=fee_nano // NANO_PER_CASH,
        residue_nano=int(money_nano.sum()) + grid_nano + fee_nano,
    )


def _grid_alone_nano(population: Population, rules: MarketRules) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """What every participant receives where there is no market: the grid's prices for all he meters."""
    net_wh = population.net_wh[population.first_slot :]
    injected, withdrawn = np.maximum(-net_wh, 0).sum(axis=0), np.maximum(net_wh, 0).sum(axis=0)
    received = injected * rules.price_long_per_kwh - withdrawn * rules.price_short_per_kwh
    return np.asarray(received, dtype=np.int64)


def _share_bp(part: int, whole: int) -> int:
    return part * 10_000 // whole if whole else 0
