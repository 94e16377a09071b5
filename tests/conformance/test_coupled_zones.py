"""Our engine against the published cases of coupled zones."""

import json
from pathlib import Path
from typing import Any

import pytest

from node.market.area import Area
from node.market.auction import Book, Side
from node.market.zonal import SideResult, clear

SUITE = json.loads((Path(__file__).parent / "coupled_zones.json").read_text())


def area(case: dict[str, Any]) -> Area:
    links = {(link["from"], link["to"]): link for link in case["links"]}
    return Area(
        tuple(case["zones"]),
        {pair: link["fee_per_kwh"] for pair, link in links.items()},
        {pair: link["capacity_wh"] for pair, link in links.items() if "capacity_wh" in link},
    )


def side(case: dict[str, Any], zone: int, wanted: str) -> Side:
    return Side.of(
        (order["sequence"], order["energy_wh"], order["limit_price_per_kwh"], order.get("min_fill_wh", 0))
        for order in case["orders"]
        if (order["zone"], order["side"]) == (zone, wanted)
    )


def interval(row: SideResult) -> list[int | None]:
    return [row.price_per_kwh, row.price_low_per_kwh, row.price_high_per_kwh]


def answer(case: dict[str, Any]) -> dict[str, Any]:
    """What the engine makes of a case, in the suite's terms."""
    books = {zone: Book(side(case, zone, "buy"), side(case, zone, "sell")) for zone in case["zones"]}
    result = clear(area(case), books)
    fills: dict[int, int] = {}
    for zone, book in books.items():
        for orders, row in ((book.buys, result.buys[zone]), (book.sells, result.sells[zone])):
            fills |= dict(zip(orders.sequence.tolist(), row.fills_wh.tolist(), strict=True))
    trades = [
        [int(books[flow.buy_zone].buys.sequence[buy]), int(books[flow.sell_zone].sells.sequence[sell]), int(energy_wh)]
        for flow in result.flows
        for buy, sell, energy_wh in zip(flow.trades.buy, flow.trades.sell, flow.trades.energy_wh, strict=True)
    ]
    return {
        "sell_prices": {str(zone): interval(result.sells[zone]) for zone in case["zones"]},
        "buy_prices": {str(zone): interval(result.buys[zone]) for zone in case["zones"]},
        "flows": [[flow.sell_zone, flow.buy_zone, flow.energy_wh, flow.rent_per_kwh] for flow in result.flows],
        "fills_wh": {str(sequence): fill for sequence, fill in sorted(fills.items()) if fill},
        "trades": trades,
        "rejected": list(result.rejected),
    }


@pytest.mark.parametrize("case", SUITE["cases"], ids=lambda case: case["name"])
def test_engine__published_case__gives_the_published_result(case: dict[str, Any]) -> None:
    assert answer(case) == case["expect"]
