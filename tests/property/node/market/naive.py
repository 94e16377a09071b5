"""The auction's rules written down a second time, plainly and slowly, straight from their definitions."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fractions import Fraction

from scipy.optimize import linprog  # type: ignore[import-untyped]

BUY, SELL = 0, 1


@dataclass(frozen=True)
class Bid:
    sequence: int
    side: int
    quantity: int
    limit: int
    min_fill: int = 0


@dataclass(frozen=True)
class Outcome:
    price: int | None
    low: int | None
    high: int | None
    volume: int
    fills: dict[int, int]


def demand(orders: Iterable[Bid], price: int) -> int:
    return sum(order.quantity for order in orders if order.side == BUY and order.limit >= price)


def supply(orders: Iterable[Bid], price: int) -> int:
    return sum(order.quantity for order in orders if order.side == SELL and order.limit <= price)


def volume_of(orders: list[Bid]) -> int:
    return max((min(demand(orders, order.limit), supply(orders, order.limit)) for order in orders), default=0)


def equilibrium_prices(orders: list[Bid], volume: int) -> list[int]:
    limits = [order.limit for order in orders]
    return [
        price
        for price in range(min(limits) - 2, max(limits) + 3)
        if demand(orders, price) >= volume
        and supply(orders, price) >= volume
        and demand(orders, price + 1) <= volume
        and supply(orders, price - 1) <= volume
    ]


def largest_remainder(level: list[Bid], amount: int) -> dict[int, int]:
    total = sum(order.quantity for order in level)
    exact = {order.sequence: Fraction(order.quantity * amount, total) for order in level}
    shares = {sequence: share.numerator // share.denominator for sequence, share in exact.items()}
    rest = sorted(exact, key=lambda sequence: (shares[sequence] - exact[sequence], sequence))
    for sequence in rest[: amount - sum(shares.values())]:
        shares[sequence] += 1
    return shares


def first_come(level: list[Bid], amount: int) -> dict[int, int]:
    shares = {}
    for order in sorted(level, key=lambda order: order.sequence):
        shares[order.sequence] = min(order.quantity, amount)
        amount -= shares[order.sequence]
    return shares


def side_fills(orders: list[Bid], volume: int, cost: Callable[[Bid], int]) -> dict[int, int]:
    fills: dict[int, int] = {}
    for level_cost in sorted({cost(order) for order in orders}):
        level = [order for order in orders if cost(order) == level_cost]
        amount = min(volume, sum(order.quantity for order in level))
        rationed = amount < sum(order.quantity for order in level)
        share = first_come if rationed and any(order.min_fill > 1 for order in level) else largest_remainder
        fills |= share(level, amount)
        volume -= amount
    return fills


def clear_divisible(orders: list[Bid]) -> Outcome:
    volume = volume_of(orders)
    if not volume:
        return Outcome(None, None, None, 0, {order.sequence: 0 for order in orders})
    prices = equilibrium_prices(orders, volume)
    low, high = prices[0], prices[-1]
    assert prices == list(range(low, high + 1))
    buys = side_fills([o for o in orders if o.side == BUY], volume, lambda order: -order.limit)
    sells = side_fills([o for o in orders if o.side == SELL], volume, lambda order: order.limit)
    return Outcome((low + high) // 2, low, high, volume, buys | sells)


def violators(orders: list[Bid], outcome: Outcome) -> list[Bid]:
    return [order for order in orders if 0 < outcome.fills[order.sequence] < order.min_fill]


def surplus(order: Bid, outcome: Outcome) -> int:
    if outcome.price is None:
        return 0
    return order.limit - outcome.price if order.side == BUY else outcome.price - order.limit


def clear(orders: list[Bid]) -> tuple[Outcome, list[int]]:
    active, out = list(orders), []
    while short := violators(active, outcome := clear_divisible(active)):
        least = min(short, key=lambda order: (surplus(order, outcome), order.sequence))
        out.append(least)
        active.remove(least)
    for order in sorted(out, key=lambda order: (-surplus(order, outcome), order.sequence)):
        attempt = clear_divisible([*active, order])
        if not violators([*active, order], attempt):
            active.append(order)
            outcome = attempt
    left_out = [order for order in out if order not in active]
    rejected = [o.sequence for o in left_out if outcome.price is None or surplus(o, outcome) > 0]
    return (
        Outcome(
            outcome.price,
            outcome.low,
            outcome.high,
            outcome.volume,
            outcome.fills | {order.sequence: 0 for order in left_out},
        ),
        sorted(rejected),
    )


def pair(orders: list[Bid], fills: dict[int, int]) -> list[tuple[int, int, int]]:
    buys = [[o.sequence, fills[o.sequence]] for o in sorted(orders, key=lambda o: o.sequence) if o.side == BUY]
    sells = [[o.sequence, fills[o.sequence]] for o in sorted(orders, key=lambda o: o.sequence) if o.side == SELL]
    trades = []
    for buy in buys:
        for sell in sells:
            if energy := min(buy[1], sell[1]):
                trades.append((buy[0], sell[0], energy))
                buy[1] -= energy
                sell[1] -= energy
    return trades


def best_welfare(orders: list[Bid]) -> int:
    """The optimum of the linear programme, by HiGHS; integer data have an integer optimum."""
    value = [-order.limit if order.side == BUY else order.limit for order in orders]
    balance = [[1 if order.side == BUY else -1 for order in orders]]
    solution = linprog(value, A_eq=balance, b_eq=[0], bounds=[(0, order.quantity) for order in orders], method="highs")
    assert solution.success
    return round(-float(solution.fun))


def welfare(orders: list[Bid], fills: dict[int, int]) -> int:
    return sum((1 if o.side == BUY else -1) * o.limit * fills[o.sequence] for o in orders)
