"""What running an auction again has found, for a person and for a program."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from node.market.area_auction import Cleared
from node.market.book import PublishedBook
from node.market.rerun import Difference, Rerun
from node.market.session_rerun import SessionRerun

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
        "differences": _differences(found.differences),
    }


def session_facts(found: SessionRerun) -> dict[str, Any]:
    """The same of a day-ahead session; its slots are those that have orders."""
    session = found.session
    return {
        "agrees": not found.differences,
        "day": _moment(session.day),
        "slots": [
            {
                "delivery_start": _moment(slot.delivery_start),
                "zones": [_zone(slot, book) for book in slot.books],
                "trade_count": trade_count(slot),
            }
            for slot in session.slots
        ],
        "accepted_blocks": list(session.accepted_blocks),
        "rejected_blocks": list(session.rejected_blocks),
        "book_hash": "0x" + session.book_hash.hex(),
        "result_hash": "0x" + session.result_hash.hex(),
        "differences": _differences(found.differences),
    }


def _differences(differences: Sequence[Difference]) -> list[dict[str, str]]:
    return [{"check": one.check, "said": one.said, "found": one.found} for one in differences]


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


def session_document(found: SessionRerun) -> str:
    """One JSON document."""
    return msgspec.json.encode(session_facts(found)).decode()


def told(found: Rerun) -> str:
    """For a person."""
    cleared = found.cleared
    lines = [
        f"{_verdict(found.differences)}: slot {_moment(cleared.delivery_start)}",
        *(_told_zone(_zone(cleared, book)) for book in cleared.books),
        f"{trade_count(cleared)} trades; {len(cleared.result.rejected)} orders left out for their minimum fill",
        f"book hash   0x{cleared.book_hash.hex()}",
        f"result hash 0x{cleared.result_hash.hex()}",
        *_told_differences(found.differences),
    ]
    return "\n".join(lines)


def told_session(found: SessionRerun) -> str:
    """For a person."""
    session = found.session
    slots = session.slots
    orders = sum(len(book.orders) for slot in slots for book in slot.books)
    traded_wh = sum(row.matched_wh for slot in slots for row in slot.result.buys.values())
    lines = [
        f"{_verdict(found.differences)}: day-ahead session of the day that begins {_moment(session.day)}",
        f"{orders} orders in {len(slots)} slots, {traded_wh} Wh in {sum(map(trade_count, slots))} trades",
        f"blocks accepted: {_names(session.accepted_blocks)}; left out though they would gain: "
        + _names(session.rejected_blocks),
        f"book hash   0x{session.book_hash.hex()}",
        f"result hash 0x{session.result_hash.hex()}",
        *_told_differences(found.differences),
    ]
    return "\n".join(lines)


def _verdict(differences: Sequence[Difference]) -> str:
    return "DIFFERS" if differences else "agrees"


def _names(blocks: Sequence[int]) -> str:
    shown = ", ".join(map(str, blocks[:SHOWN])) or "none"
    return shown if len(blocks) <= SHOWN else f"{shown} and {len(blocks) - SHOWN} more"


def _told_differences(differences: Sequence[Difference]) -> list[str]:
    lines = [f"{one.check}: said {one.said}; found {one.found}" for one in differences[:SHOWN]]
    if len(differences) > SHOWN:
        lines.append(f"and {len(differences) - SHOWN} more differences: --json has them all")
    return lines


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
