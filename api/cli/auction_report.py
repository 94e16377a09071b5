"""What running an auction again has found, for a person and for a program."""

from datetime import UTC, datetime
from typing import Any

import msgspec

from node.market.area_auction import Cleared
from node.market.book import PublishedBook
from node.market.rerun import Rerun

SHOWN = 20
"""Differences that a person is shown."""


def facts(found: Rerun) -> dict[str, Any]:
    """For a program. Hashes as the API writes them; money and energy as decimal strings."""
    cleared = found.cleared
    return {
        "agrees": not found.differences,
        "area": cleared.area.name,
        "delivery_start": _moment(cleared.delivery_start),
        "zones": [_zone(cleared, book) for book in cleared.books],
        "trade_count": trade_count(cleared),
        "rejected": list(cleared.result.rejected),
        "book_hash": "0x" + cleared.book_hash.hex(),
        "result_hash": "0x" + cleared.result_hash.hex(),
        "differences": [
            {"check": difference.check, "said": difference.said, "found": difference.found}
            for difference in found.differences
        ],
    }


def _zone(cleared: Cleared, book: PublishedBook) -> dict[str, Any]:
    buys, sells = cleared.result.buys[book.zone], cleared.result.sells[book.zone]
    prices = {
        "price_per_kwh": sells.price_per_kwh,
        "price_low_per_kwh": sells.price_low_per_kwh,
        "price_high_per_kwh": sells.price_high_per_kwh,
        "buy_price_per_kwh": buys.price_per_kwh,
    }
    return {
        "zone": book.zone,
        "order_count": len(book.orders),
        **{name: None if price is None else str(price) for name, price in prices.items()},
        "bought_wh": str(buys.matched_wh),
        "sold_wh": str(sells.matched_wh),
    }


def trade_count(cleared: Cleared) -> int:
    """How many trades an auction makes."""
    return sum(len(flow.trades.energy_wh) for flow in cleared.result.flows)


def document(found: Rerun) -> str:
    """One JSON document."""
    return msgspec.json.encode(facts(found)).decode()


def told(found: Rerun) -> str:
    """For a person."""
    cleared = found.cleared
    rejected = len(cleared.result.rejected)
    shown = found.differences[:SHOWN]
    lines = [
        f"{'DIFFERS' if found.differences else 'agrees'}: slot {_moment(cleared.delivery_start)}",
        *(_told_zone(_zone(cleared, book)) for book in cleared.books),
        f"{trade_count(cleared)} trades; {rejected} orders left out for their minimum fill",
        f"book hash   0x{cleared.book_hash.hex()}",
        f"result hash 0x{cleared.result_hash.hex()}",
        *(f"{difference.check}: said {difference.said}; found {difference.found}" for difference in shown),
    ]
    if len(found.differences) > SHOWN:
        lines.append(f"and {len(found.differences) - SHOWN} more differences: --json has them all")
    return "\n".join(lines)


def _told_zone(zone: dict[str, Any]) -> str:
    name = f"zone {zone['zone']}: {zone['order_count']} orders"
    if zone["price_per_kwh"] is None and zone["buy_price_per_kwh"] is None:
        return f"{name}, nothing trades"
    return (
        f"{name}, {zone['sold_wh']} Wh sold at {zone['price_per_kwh']} micro per kWh, "
        f"{zone['bought_wh']} Wh bought at {zone['buy_price_per_kwh']}"
    )


def _moment(unix_s: int) -> str:
    try:
        return datetime.fromtimestamp(unix_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError):
        return str(unix_s)
