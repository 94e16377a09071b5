"""The suite's books and what must come of them, from the data beside tests/conformance/README.md."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

DATA: Final = Path(__file__).parents[2] / "tests" / "conformance"


@dataclass(frozen=True, slots=True)
class Order:
    """Wh, and micro-currency per kWh; a buyer's limit includes the grid fee."""

    sequence: int
    side: str
    energy_wh: int
    limit_price_per_kwh: int
    min_fill_wh: int = 0


@dataclass(frozen=True, slots=True)
class Expected:
    """What is right. The prices are sellers' and None where nothing trades; welfare is in nano-currency."""

    price_per_kwh: int | None
    price_low_per_kwh: int | None
    price_high_per_kwh: int | None
    matched_wh: int
    welfare_nano: int
    fills_wh: dict[int, int]


@dataclass(frozen=True, slots=True)
class Case:
    """A book of one zone."""

    name: str
    grid_fee_per_kwh: int
    orders: tuple[Order, ...]
    expected: Expected

    @property
    def is_divisible(self) -> bool:
        """Whether every order may be filled in any part."""
        return not any(order.min_fill_wh > 1 for order in self.orders)

    def request(self) -> str:
        """The line that an engine reads."""
        orders = [
            {
                "sequence": order.sequence,
                "side": order.side,
                "energy_wh": order.energy_wh,
                "limit_price_per_kwh": order.limit_price_per_kwh,
            }
            | ({"min_fill_wh": order.min_fill_wh} if order.min_fill_wh else {})
            for order in self.orders
        ]
        return json.dumps({"name": self.name, "grid_fee_per_kwh": self.grid_fee_per_kwh, "orders": orders})


def welfare_nano(case: Case, fills_wh: Mapping[int, float]) -> float:
    """What the filled bids are worth, less the grid fee and what the filled offers ask."""
    fee = case.grid_fee_per_kwh
    bought = ((order.limit_price_per_kwh - fee, order) for order in case.orders if order.side == "buy")
    sold = ((-order.limit_price_per_kwh, order) for order in case.orders if order.side == "sell")
    return sum(worth * fills_wh.get(order.sequence, 0) for worth, order in (*bought, *sold))


def cases(folder: Path = DATA) -> list[Case]:
    """Every case: first those to be checked by hand, then the random ones."""
    by_hand = json.loads((folder / "single_zone.json").read_text())["cases"]
    with (folder / "random_books.jsonl").open() as lines:
        return [_by_hand(case) for case in by_hand] + [_random(json.loads(line)) for line in lines]


def _by_hand(case: dict[str, Any]) -> Case:
    expect = case["expect"]
    fills = {int(sequence): wh for sequence, wh in expect["fills_wh"].items()}
    orders = tuple(Order(**order) for order in case["orders"])
    prices = (expect["price_per_kwh"], expect["price_low_per_kwh"], expect["price_high_per_kwh"])
    unjudged = Case(case["name"], case["grid_fee_per_kwh"], orders, Expected(*prices, 0, 0, {}))
    expected = Expected(*prices, expect["matched_wh"], round(welfare_nano(unjudged, fills)), fills)
    return Case(case["name"], case["grid_fee_per_kwh"], orders, expected)


def _random(line: dict[str, Any]) -> Case:
    price, low, high, matched_wh, welfare = line["expect"]
    fills = {int(sequence): wh for sequence, wh in line["fills"].items()}
    orders = tuple(Order(*row) for row in line["orders"])
    return Case(line["name"], line["fee"], orders, Expected(price, low, high, matched_wh, welfare, fills))
