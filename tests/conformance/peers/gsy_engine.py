"""gsy-framework (https://github.com/gridsingularity/gsy-framework) under the suite: ``python gsy_engine.py``."""

from typing import Any

from gsy_framework.matching_algorithms import PayAsClearMatchingAlgorithm
from protocol import serve


def clear(book: dict[str, Any]) -> dict[str, Any]:
    sides: dict[str, list[dict[str, Any]]] = {"buy": [], "sell": []}
    for order in book["orders"]:
        # It knows no grid fee: bids compete at their limit less the fee.
        fee = book["grid_fee_per_kwh"] if order["side"] == "buy" else 0
        rate = order["limit_price_per_kwh"] - fee
        sides[order["side"]].append({"id": order["sequence"], "energy": order["energy_wh"], "energy_rate": rate})
    data = {"market": {"slot": {"bids": sides["buy"], "offers": sides["sell"], "current_time": "now"}}}
    matches = PayAsClearMatchingAlgorithm().get_matches_recommendations(data)
    trades = [[m["bid"]["id"], m["offer"]["id"], m["selected_energy"], m["trade_rate"]] for m in matches]
    return {"trades": trades, "price_per_kwh": trades[0][3] if trades else None}


serve(clear)
