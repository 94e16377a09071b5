"""The stranger's verifier of day-ahead sessions: its own blocks and hashes, and the lies that it finds."""

import json
import os
import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from node.market.area import alone
from node.market.book import BookOrder
from node.market.instructions import Instructions
from node.market.session_book import ClearedSession, clear_day
from scripts import verify_day_ahead
from tests.unit.api.cli.test_auction import DOCUMENT
from tests.unit.node.market.orders import ORDER, SLOT, entry
from tests.unit.node.market.test_session_book import AREA, BOOKS, DAY, NEXT, bid, book

SCRIPT = Path(verify_day_ahead.__file__)
FEE = 20_000


def document(session: ClearedSession, **changes: Any) -> dict[str, Any]:
    return {
        "day": "2025-06-15T00:00:00Z",
        "accepted_blocks": list(session.accepted_blocks),
        "rejected_blocks": list(session.rejected_blocks),
        "book": "0x" + session.data.hex(),
        "book_hash": "0x" + session.book_hash.hex(),
        "result_hash": "0x" + session.result_hash.hex(),
        "exchange_domain": DOCUMENT["exchange_domain"],
        **changes,
    }


HONEST = clear_day(alone(1, FEE), DAY, BOOKS)


NAMES = [
    b"\x0a" * 16 + bytes(16),
    *(b"\x0a" * 16 + bytes([n]) * 16 for n in (1, 2)),
    *(bytes([n]) * 32 for n in (11, 12, 13)),
]


def drawn(seed: int) -> ClearedSession:
    """Three slots in which blocks compete for few bids at few prices; parents and children, some minimum fills."""
    random_ = random.Random(seed)
    starts = [SLOT, NEXT, NEXT + 900]
    blocks: list[bytes | None] = [name for name in NAMES for _ in range(random_.randrange(4))]
    wanted = [*blocks, *[None] * random_.randrange(6, 12)]
    random_.shuffle(wanted)
    sides = {name: int(random_.random() < 0.8) for name in NAMES}
    orders: dict[int, list[BookOrder]] = {start: [] for start in starts}
    for number, block in enumerate(wanted, 1):
        start = random_.choice(starts)
        energy_wh = random_.choice([200, 300, 500, 800])
        side = int(random_.random() < 0.3) if block is None else sides[block]
        price = random_.choice([100_000, 120_000, 121_000, 150_000] if side else [130_000, 150_000, 170_000, 200_000])
        order = replace(
            ORDER,
            side=side,
            delivery_start=start,
            energy_wh=energy_wh,
            limit_price_per_kwh=price,
            min_fill_wh=random_.choice([0, 0, 0, energy_wh // 2, energy_wh]) if block is None else 0,
        )
        orders[start].append(BookOrder(number, bytes(32), order, bytes(65), Instructions(block=block)))
    books = {start: (book(*entries, start=start),) for start, entries in orders.items() if entries}
    return clear_day(alone(1, FEE), DAY, books)


def test_session__random_days__come_to_the_hash_of_the_product() -> None:
    accepted = rejected = 0
    for seed in range(3_000 if os.environ.get("GRIDTRACE_DEEP") else 150):
        theirs = drawn(seed)
        ours = verify_day_ahead.Session(*verify_day_ahead.parse(theirs.data))
        assert (ours.accepted(), ours.rejected()) == (list(theirs.accepted_blocks), list(theirs.rejected_blocks)), seed
        assert ours.result_hash() == theirs.result_hash.hex(), seed
        accepted, rejected = accepted + len(theirs.accepted_blocks), rejected + len(theirs.rejected_blocks)
    assert accepted > 30
    assert rejected > 0


def test_judge__honest_document__agrees() -> None:
    found = verify_day_ahead.judge(document(HONEST))

    assert (found["agrees"], found["accepted_blocks"], found["order_count"]) == (True, [3], 5)
    assert found["matched_wh"] == "2000"


@pytest.mark.parametrize(
    ("name", "wrong"),
    [("book_hash", "0x00"), ("result_hash", "0x00"), ("accepted_blocks", []), ("rejected_blocks", [5])],
)
def test_judge__something_said_wrongly__is_named(name: str, wrong: Any) -> None:
    (difference,) = verify_day_ahead.judge(document(HONEST, **{name: wrong}))["differences"]

    assert difference.startswith(f"{name}: said {wrong}")


def test_judge__order_that_nobody_signed__is_named() -> None:
    forged = replace(bid(1), signature=bytes(65))
    session = clear_day(alone(1, FEE), DAY, {SLOT: (book(forged, entry(2, side=1)),)})

    assert verify_day_ahead.judge(document(session))["differences"] == ["signature: order 1 is not its trader's"]


def run(content: bytes) -> tuple[int, str]:
    """Without this project's folder, packages or environment: -I leaves Python alone with the two files."""
    command = [sys.executable, "-I", "-S", str(SCRIPT)]
    done = subprocess.run(command, input=content, capture_output=True, timeout=60, check=False)
    return done.returncode, (done.stdout + done.stderr).decode()


def test_command__honest_dishonest_and_nothing__end_with_0_1_and_2() -> None:
    both = clear_day(AREA, DAY, {SLOT: (*BOOKS[SLOT], book(zone=2))})

    assert run(json.dumps(document(HONEST)).encode())[0] == 0
    assert run(json.dumps(document(HONEST, result_hash="0x00")).encode())[0] == 1
    for content in (
        b"",
        json.dumps({"book": None}).encode(),
        json.dumps(document(HONEST, book="0x" + HONEST.data[:-1].hex())).encode(),
        json.dumps(document(both)).encode(),
    ):
        code, told = run(content)
        assert (code, told.split(":")[0]) == (2, "cannot judge")
