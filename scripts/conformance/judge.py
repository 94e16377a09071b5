"""What is wrong with an engine's answer to one book, fault by fault."""

from dataclasses import dataclass
from typing import Any, Final

from scripts.conformance.suite import Case, Order, welfare_nano

FAULTS: Final = {
    "no answer": "the engine failed, or its answer is not of the protocol",
    "volume lost": "less energy trades than could",
    "welfare lost": "the trades are worth less than the best ones",
    "better order priced out": "an order is left out for a worse one, or although it is better than the price",
    "over-filled": "an order gets more than it asked for, or one that is not in the book is filled",
    "minimum fill broken": "an order gets less than it accepts, and not nothing",
    "limit violated": "a buyer pays more, or a seller receives less, than his limit",
    "price off": "the price is none at which supply meets demand",
    "money not zero": "what buyers pay is not what sellers and the grid receive",
    "unstable": "a second run gives another result",
}
"""Name and meaning of every fault, in the order of the report."""


class AnswerUnreadable(ValueError):
    """The answer is not of the protocol."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An engine's result: Wh by sequence, what each order pays in nano-currency (received is negative), the price."""

    fills_wh: dict[int, float]
    paid_nano: dict[int, float]
    price_per_kwh: float | None
    """None where nothing trades, or where the engine has no price for all."""


def read(case: Case, answer: Any) -> Answer:
    """Reads an answer, completing what follows from the rest. Raises AnswerUnreadable."""
    if not isinstance(answer, dict) or "error" in answer or not answer.keys() & {"fills_wh", "trades"}:
        raise AnswerUnreadable(f"neither fills_wh nor trades: {str(answer)[:200]}")
    try:
        price = None if answer.get("price_per_kwh") is None else float(answer["price_per_kwh"])
        trades = [[float(value) for value in trade] for trade in answer.get("trades", [])]
        priced = all(len(trade) == 4 for trade in trades)
        fills = (
            _numbers(answer["fills_wh"])
            if "fills_wh" in answer
            else _sums((t[i], t[2]) for t in trades for i in (0, 1))
        )
        if "paid_nano" in answer:
            return Answer(fills, _numbers(answer["paid_nano"]), price)
        if trades and priced:
            fee = case.grid_fee_per_kwh
            bought = ((buy, (own + fee) * wh) for buy, _, wh, own in trades)
            return Answer(fills, _sums([*bought, *((sell, -own * wh) for _, sell, wh, own in trades)]), price)
    except (TypeError, ValueError, AttributeError, IndexError) as error:
        raise AnswerUnreadable(f"{type(error).__name__}: {error}") from error
    if price is None and any(fills.values()):
        raise AnswerUnreadable("energy trades, and neither price_per_kwh nor paid_nano nor priced trades say at what")
    sides = {order.sequence: order.side for order in case.orders}
    due = {"buy": (price or 0) + case.grid_fee_per_kwh, "sell": -(price or 0)}
    return Answer(fills, {number: due[sides[number]] * wh for number, wh in fills.items() if number in sides}, price)


def faults(case: Case, answer: Answer) -> list[str]:
    """Names of what is wrong, of FAULTS; none where the answer is right."""
    expected, orders = case.expected, {order.sequence: order for order in case.orders}
    filled = {number: wh for number, wh in answer.fills_wh.items() if abs(wh) > _slack(wh)}
    bought, sold = (
        sum(filled.get(order.sequence, 0) for order in case.orders if order.side == side) for side in ("buy", "sell")
    )
    volume = min(bought, sold)
    welfare = welfare_nano(case, answer.fills_wh)
    paid = sum(answer.paid_nano.values()) - case.grid_fee_per_kwh * bought
    found = {
        "volume lost": volume < expected.matched_wh - _slack(expected.matched_wh),
        "welfare lost": welfare < expected.welfare_nano - _money_slack(case, expected.welfare_nano),
        "better order priced out": case.is_divisible and _priced_out(case, answer),
        "over-filled": any(
            number not in orders or wh < 0 or wh > orders[number].energy_wh + _slack(wh)
            for number, wh in filled.items()
        )
        or abs(bought - sold) > _slack(bought),
        "minimum fill broken": any(
            wh < orders[number].min_fill_wh - _slack(wh) for number, wh in filled.items() if number in orders
        ),
        "limit violated": any(_over_limit(case, orders[number], answer) for number in filled if number in orders),
        "price off": _price_off(case, answer),
        "money not zero": abs(paid) > _money_slack(case, sum(map(abs, answer.paid_nano.values()))),
    }
    return [name for name in FAULTS if found.get(name)]


def _slack(size: float) -> float:
    """How far off an engine that calculates in floating point may be."""
    return 1e-6 + 1e-9 * abs(size)


def _money_slack(case: Case, nano: float) -> float:
    """The same for money: what so little energy is worth at the dearest limit."""
    return _slack(nano) + 1e-6 * max((abs(order.limit_price_per_kwh) for order in case.orders), default=0)


def _priced_out(case: Case, answer: Answer) -> bool:
    for side, sign in (("buy", 1), ("sell", -1)):
        mine = [order for order in case.orders if order.side == side]
        fee = case.grid_fee_per_kwh if side == "buy" else 0
        worst = min(
            (sign * order.limit_price_per_kwh for order in mine if answer.fills_wh.get(order.sequence, 0) > 1e-6),
            default=None,
        )
        for order in mine:
            if answer.fills_wh.get(order.sequence, 0) >= order.energy_wh - _slack(order.energy_wh):
                continue
            limit = sign * order.limit_price_per_kwh
            better = answer.price_per_kwh is not None and limit > sign * (answer.price_per_kwh + fee) + 1e-6
            if better or (worst is not None and limit > worst):
                return True
    return False


def _over_limit(case: Case, order: Order, answer: Answer) -> bool:
    most = (1 if order.side == "buy" else -1) * order.limit_price_per_kwh * answer.fills_wh[order.sequence]
    return answer.paid_nano.get(order.sequence, 0) > most + _money_slack(case, most)


def _price_off(case: Case, answer: Answer) -> bool:
    low, high = case.expected.price_low_per_kwh, case.expected.price_high_per_kwh
    if low is None or high is None or answer.price_per_kwh is None or not case.is_divisible:
        return False
    return not low - 1e-6 <= answer.price_per_kwh <= high + 1e-6


def _numbers(values: dict[str, Any]) -> dict[int, float]:
    return {int(number): float(value) for number, value in values.items()}


def _sums(pairs: Any) -> dict[int, float]:
    totals: dict[int, float] = {}
    for number, value in pairs:
        totals[int(number)] = totals.get(int(number), 0) + value
    return totals
