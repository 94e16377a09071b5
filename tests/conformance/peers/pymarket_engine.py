"""pymarket (package `pymarket`) under the suite: ``python pymarket_engine.py huang|muda|p2p``."""

import sys
import warnings
from typing import Any

import numpy as np
import pymarket
from protocol import serve

MECHANISM = sys.argv[1] if len(sys.argv) > 1 else "huang"
warnings.simplefilter("ignore")


def clear(book: dict[str, Any]) -> dict[str, Any]:
    market = pymarket.Market()
    numbers = {}
    for user, order in enumerate(book["orders"]):
        is_buyer = order["side"] == "buy"
        # It knows no grid fee: bids compete at their limit less the fee.
        price = order["limit_price_per_kwh"] - (book["grid_fee_per_kwh"] if is_buyer else 0)
        numbers[market.accept_bid(order["energy_wh"], price, user, is_buyer)] = order
    transactions, _ = market.run(MECHANISM, **({} if MECHANISM == "huang" else {"r": np.random.RandomState(1)}))
    fills: dict[int, float] = {}
    paid: dict[int, float] = {}
    for row in transactions.get_df().itertuples():
        order, wh = numbers[row.bid], float(row.quantity)
        number = order["sequence"]
        is_buyer = order["side"] == "buy"
        fills[number] = fills.get(number, 0) + wh
        price = float(row.price) + (book["grid_fee_per_kwh"] if is_buyer else 0)
        paid[number] = paid.get(number, 0) + (1 if is_buyer else -1) * price * wh
    return {"fills_wh": fills, "paid_nano": paid}


serve(clear)
