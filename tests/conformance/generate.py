"""Writes ``random_books.jsonl``: ``python -m tests.conformance.generate [--check]``.

What is expected of each book comes from the rules' plain account (tests/property/node/market/naive.py), and its welfare
from a linear programme solved by HiGHS: neither shares code with the engine.
"""

import argparse
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

from tests.property.node.market import naive
from tests.property.node.market.naive import BUY, SELL, Bid

FILE = Path(__file__).parent / "random_books.jsonl"
SEED = 20_260
DIVISIBLE = 1_000
WITH_MINIMUM_FILLS = 200


def random_book(random: Random) -> list[Bid]:
    """2 to 13 orders: many ties and gaps, or quantities and prices that are all different."""
    tight = random.random() < 0.5
    most_wh, limits = (12, range(-4, 7)) if tight else (5_000, range(-300, 301))
    return [
        Bid(sequence, random.choice((BUY, SELL)), random.randint(1, most_wh), random.choice(limits))
        for sequence in range(1, random.randint(2, 13) + 1)
    ]


def with_minimum_fills(random: Random, book: list[Bid]) -> list[Bid]:
    shares = (0.0, 0.0, 0.0, 0.4, 1.0)
    return [replace(order, min_fill=int(order.quantity * random.choice(shares))) for order in book]


def line(name: str, book: list[Bid], fee: int) -> dict[str, Any]:
    """A book and what must come of it. The bids of ``book`` are named net of the fee."""
    outcome, _ = naive.clear(book)
    best = naive.welfare(book, outcome.fills)
    if not any(order.min_fill for order in book):
        assert best == naive.best_welfare(book)
    rows = [
        [order.sequence, "buy" if order.side == BUY else "sell", order.quantity]
        + [order.limit + (fee if order.side == BUY else 0)]
        + ([order.min_fill] if order.min_fill else [])
        for order in book
    ]
    return {
        "name": name,
        "fee": fee,
        "orders": rows,
        "expect": [outcome.price, outcome.low, outcome.high, outcome.volume, best],
        "fills": {str(sequence): wh for sequence, wh in sorted(outcome.fills.items()) if wh},
    }


def lines() -> Iterator[str]:
    random = Random(SEED)
    for number in range(DIVISIBLE + WITH_MINIMUM_FILLS):
        book = random_book(random)
        kind = "random" if number < DIVISIBLE else "minimum-fill"
        if number >= DIVISIBLE:
            book = with_minimum_fills(random, book)
        # Every fifth book has a grid fee: engines without one can leave those out.
        fee = 0 if number % 5 else random.choice((3, 200))
        yield json.dumps(line(f"{kind}-{number + 1:04}", book, fee), separators=(",", ":")) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="fail where the file is not what would be written")
    text = "".join(lines())
    if not parser.parse_args().check:
        FILE.write_text(text)
    elif FILE.read_text() != text:
        raise SystemExit(f"{FILE.name} is not what this script writes")


if __name__ == "__main__":
    main()
