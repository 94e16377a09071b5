"""What every account owes or receives for the difference between what it traded and what its meters saw.

Position C = sold − bought, metered M = injection − withdrawal, imbalance I = M − C. Long and short accounts are
netted against each other first, at the local price; the rest is traded with the grid at its long or short price. The
grid account is the counterparty of everything, so that money sums to exactly zero.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from contracts.units import money_nano
from node.settlement.delivery import Delivery, Metered, Trade


@dataclass(frozen=True, slots=True)
class Prices:
    """Imbalance prices in micro-currency per kWh; long ≤ local ≤ short."""

    local_per_kwh: int
    long_per_kwh: int
    short_per_kwh: int


@dataclass(frozen=True, slots=True)
class Line:
    """One account's slot. Money is exact nano-currency, positive when received."""

    account: bytes
    bought_wh: int = 0
    sold_wh: int = 0
    injection_wh: int = 0
    withdrawal_wh: int = 0
    imbalance_wh: int = 0
    """Positive: long, more fed in or less taken than traded."""
    netted_wh: int = 0
    """Part of the imbalance that local accounts cover for each other; never negative."""
    trade_money_nano: int = 0
    grid_fee_nano: int = 0
    """Paid, as a positive number."""
    rent_nano: int = 0
    """Congestion rent, paid, as a positive number."""
    imbalance_money_nano: int = 0
    missing: bool = False


@dataclass(frozen=True, slots=True)
class Imbalance:
    """All accounts of a slot but the grid's part, which is the remainder."""

    lines: tuple[Line, ...]
    grid_exchange_wh: int
    """Sum of all imbalances: positive when the zone fed the grid."""
    grid_money_nano: int
    """What the grid account receives for it."""


def imbalance_prices(clearing_price_per_kwh: int | None, long_per_kwh: int, short_per_kwh: int) -> Prices:
    """The clearing price brought into [long, short]; their midpoint, rounded down, when nothing cleared.

    Raises ValueError when long is above short: being out of balance would then pay.
    """
    if long_per_kwh > short_per_kwh:
        raise ValueError(f"imbalance prices: long {long_per_kwh} is above short {short_per_kwh}")
    if clearing_price_per_kwh is None:
        return Prices((long_per_kwh + short_per_kwh) // 2, long_per_kwh, short_per_kwh)
    local_per_kwh = min(max(clearing_price_per_kwh, long_per_kwh), short_per_kwh)
    return Prices(local_per_kwh, long_per_kwh, short_per_kwh)


def local_price(clearing_prices: Iterable[int | None], trades: Iterable[Trade]) -> int | None:
    """What energy was worth in a slot, in micro-currency per kWh: the auction's price, where all was traded at it.

    Else, of trades at several prices, their mean weighted by energy, rounded down: no small trade sets the price of all
    imbalance. None when nothing was traded and no auction has the one price.
    """
    traded = [(trade.energy_wh, trade.price_per_kwh) for trade in trades]
    prices = {price for price in clearing_prices if price is not None}
    if not traded:
        return prices.pop() if len(prices) == 1 else None
    return sum(money_nano(price, energy_wh) for energy_wh, price in traded) // sum(energy_wh for energy_wh, _ in traded)


def largest_remainder(total: int, weights: Sequence[int]) -> list[int]:
    """Splits ``total`` in proportion to ``weights``; the shares sum to it exactly. Ties go to the earlier one.

    Raises ValueError unless 0 ≤ total ≤ sum of weights and no weight is negative: no share then exceeds its weight.
    """
    whole = sum(weights)
    if not 0 <= total <= whole or any(weight < 0 for weight in weights):
        raise ValueError(f"cannot split {total} over weights that sum to {whole}")
    if not total:
        return [0] * len(weights)
    shares = [total * weight // whole for weight in weights]
    by_remainder = sorted(range(len(weights)), key=lambda index: (-(total * weights[index] % whole), index))
    for index in by_remainder[: total - sum(shares)]:
        shares[index] += 1
    return shares


def settle_imbalance(deliveries: Iterable[Delivery], metered: Mapping[bytes, Metered], prices: Prices) -> Imbalance:
    """The slot of every account that has a meter or a trade, in account order.

    An account with a missing meter is settled at its position: its imbalance is 0.
    """
    positions = _positions(deliveries)
    accounts = sorted(positions.keys() | metered.keys())
    open_lines = [_balance(account, positions.get(account), metered.get(account)) for account in accounts]
    lines = _price(_net(open_lines), prices)
    return Imbalance(
        lines=lines,
        grid_exchange_wh=sum(line.imbalance_wh for line in lines),
        grid_money_nano=-sum(line.imbalance_money_nano for line in lines),
    )


@dataclass(slots=True)
class _Position:
    bought_wh: int = 0
    sold_wh: int = 0
    money_nano: int = 0
    fee_nano: int = 0
    rent_nano: int = 0


@dataclass(slots=True)
class _Open:
    account: bytes
    position: _Position
    meter: Metered
    imbalance_wh: int
    netted_wh: int = 0


def _positions(deliveries: Iterable[Delivery]) -> dict[bytes, _Position]:
    positions: dict[bytes, _Position] = {}
    for delivery in deliveries:
        trade = delivery.trade
        buyer = positions.setdefault(trade.buyer, _Position())
        buyer.bought_wh += trade.energy_wh
        buyer.money_nano -= delivery.value_nano
        buyer.fee_nano += delivery.fee_nano
        buyer.rent_nano += delivery.rent_nano
        seller = positions.setdefault(trade.seller, _Position())
        seller.sold_wh += trade.energy_wh
        seller.money_nano += delivery.value_nano
    return positions


def _balance(account: bytes, position: _Position | None, meter: Metered | None) -> _Open:
    position = position or _Position()
    meter = meter or Metered(injection_wh=0, withdrawal_wh=0)
    if meter.missing:
        return _Open(account, position, Metered(0, 0, missing=True), imbalance_wh=0)
    contract_wh = position.sold_wh - position.bought_wh
    return _Open(account, position, meter, imbalance_wh=meter.injection_wh - meter.withdrawal_wh - contract_wh)


def _net(lines: list[_Open]) -> list[_Open]:
    long = [line for line in lines if line.imbalance_wh > 0]
    short = [line for line in lines if line.imbalance_wh < 0]
    netted_wh = min(sum(line.imbalance_wh for line in long), -sum(line.imbalance_wh for line in short))
    for side in (long, short):
        weights = [abs(line.imbalance_wh) for line in side]
        for line, share_wh in zip(side, largest_remainder(netted_wh, weights), strict=True):
            line.netted_wh = share_wh
    return lines


def _price(lines: Iterable[_Open], prices: Prices) -> tuple[Line, ...]:
    return tuple(
        Line(
            account=line.account,
            bought_wh=line.position.bought_wh,
            sold_wh=line.position.sold_wh,
            injection_wh=line.meter.injection_wh,
            withdrawal_wh=line.meter.withdrawal_wh,
            imbalance_wh=line.imbalance_wh,
            netted_wh=line.netted_wh,
            trade_money_nano=line.position.money_nano,
            grid_fee_nano=line.position.fee_nano,
            rent_nano=line.position.rent_nano,
            imbalance_money_nano=_money(line, prices),
            missing=line.meter.missing,
        )
        for line in lines
    )


def _money(line: _Open, prices: Prices) -> int:
    rest_wh = abs(line.imbalance_wh) - line.netted_wh
    netted_nano = money_nano(prices.local_per_kwh, line.netted_wh)
    if line.imbalance_wh >= 0:
        return netted_nano + money_nano(prices.long_per_kwh, rest_wh)
    return -(netted_nano + money_nano(prices.short_per_kwh, rest_wh))
