"""Our engine against the published cases."""

import json
from pathlib import Path
from typing import Any

import pytest

from node.market.auction import Book, Side, clear

SUITE = json.loads((Path(__file__).parent / "single_zone.json").read_text())


def side(case: dict[str, Any], wanted: str) -> Side:
    return Side.of(
        (order["sequence"], order["energy_wh"], order["limit_price_per_kwh"], order.get("min_fill_wh", 0))
        for order in case["orders"]
        if order["side"] == wanted
    )


@pytest.mark.parametrize("case", SUITE["cases"], ids=lambda case: case["name"])
def test_engine__published_case__gives_the_published_result(case: dict[str, Any]) -> None:
    book = Book(side(case, "buy"), side(case, "sell"))
    result = clear(book, case["grid_fee_per_kwh"])

    filled = zip(book.buys.sequence.tolist(), result.buy_fills_wh.tolist(), strict=True)
    filled_sells = zip(book.sells.sequence.tolist(), result.sell_fills_wh.tolist(), strict=True)
    trades = result.trades
    buys, sells = book.buys.sequence[trades.buy].tolist(), book.sells.sequence[trades.sell].tolist()
    assert case["expect"] == {
        "price_per_kwh": result.price_per_kwh,
        "price_low_per_kwh": result.price_low_per_kwh,
        "price_high_per_kwh": result.price_high_per_kwh,
        "matched_wh": result.matched_wh,
        "fills_wh": {str(number): fill for number, fill in (*filled, *filled_sells) if fill},
        "trades": [list(trade) for trade in zip(buys, sells, trades.energy_wh.tolist(), strict=True)],
        "rejected": list(result.rejected),
    }
