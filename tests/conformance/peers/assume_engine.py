"""ASSUME (package `assume-framework`) under the suite: ``python assume_engine.py [pay_as_clear]``."""

import sys
from datetime import datetime, timedelta
from typing import Any

from assume.common.market_objects import MarketConfig, MarketProduct
from assume.markets.clearing_algorithms import clearing_mechanisms
from dateutil import rrule
from dateutil.relativedelta import relativedelta
from protocol import serve

MECHANISM = sys.argv[1] if len(sys.argv) > 1 else "pay_as_clear"
START = datetime(2026, 1, 1)
HOUR = timedelta(hours=1)
PRODUCT = (START, START + HOUR, None)
CONFIG = MarketConfig(
    market_id="book",
    market_products=[MarketProduct(relativedelta(hours=1), 1)],
    opening_hours=rrule.rrule(rrule.HOURLY, START, until=START + HOUR),
    maximum_bid_volume=10**12,
    maximum_bid_price=10**12,
    minimum_bid_price=-(10**12),
)


def clear(book: dict[str, Any]) -> dict[str, Any]:
    orders = [
        {
            "start_time": START,
            "end_time": START + HOUR,
            "only_hours": None,
            "agent_addr": str(order["sequence"]),
            "bid_id": order["sequence"],
            "volume": order["energy_wh"] if order["side"] == "sell" else -order["energy_wh"],
            "price": order["limit_price_per_kwh"] - (book["grid_fee_per_kwh"] if order["side"] == "buy" else 0),
        }
        for order in book["orders"]
    ]
    accepted, _, _, _ = clearing_mechanisms[MECHANISM](CONFIG).clear(orders, [PRODUCT])
    fills = {order["bid_id"]: abs(order["accepted_volume"]) for order in accepted}
    prices = {order["accepted_price"] for order in accepted}
    return {"fills_wh": fills, "price_per_kwh": prices.pop() if prices else None}


serve(clear)
