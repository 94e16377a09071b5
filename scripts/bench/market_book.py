"""How many events a second a continuous book takes: ``python -m scripts.bench.market_book [--json]``.

Of a million events, a little more than half are orders, most of which are cancelled some thousand events later; one in
seven crosses the best price. Icebergs, minimum fills, replacements, immediate-or-cancel, fill-or-kill and post-only
orders are 13 % of the orders. Times are CPU seconds of this process, on one book.

The engine is the one that the node runs, and takes events in batches, which is what comes while a transaction is
written. With everything around it, events of the sequence go in with their payloads, and out come the columns that are
written to PostgreSQL, the levels that are published, and the hash of all fills. In replay it takes all events at once.
"""

import argparse
import json
import time
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from node.market import rows
from node.market.area import Area
from node.market.book_events import ACCEPTED, POST_ONLY, REPLACES
from node.market.continuous import Continuous
from node.market.engine import replay_hash
from node.market.rows import CANCEL, NO_TARGET, Rows
from node.market.sequence import ORDER_ACCEPTED, ORDER_CANCELLED, Event, cancelled_payload
from node.market.slot_book import SlotBook, network_of

EVENTS = 1_000_000
BATCH = 1_000
AREA = Area((1,), {(1, 1): 20_000}, {})
SHORT_PER_KWH = 1_000_000
NO_HASH = bytes(32)


def random_events(count: int, seed: int = 1) -> Rows:
    """The stream, as rows: every order has a time, and most have a later one at which they are cancelled."""
    random = np.random.default_rng(seed)
    orders = int(count * 0.56)
    cancelled = np.flatnonzero(random.random(orders) < 0.9)
    times = np.concatenate((np.arange(orders), cancelled + random.integers(1, 5_000, len(cancelled)) + 0.5))
    order_of = np.concatenate((np.arange(orders), cancelled))
    in_time = np.argsort(times, kind="stable")[:count]
    is_cancel, order_of = in_time >= orders, order_of[in_time]
    events = rows.events(count)
    events["sequence"] = np.arange(1, count + 1)
    events["kind"][is_cancel] = CANCEL
    row_of = np.zeros(orders, dtype=np.int64)
    comes = np.flatnonzero(~is_cancel)
    row_of[order_of[comes]] = comes
    events["target"][is_cancel] = row_of[order_of[is_cancel]]
    side = random.integers(0, 2, count)
    events["side"] = side
    away = random.exponential(12, count).astype(np.int64) + 1
    takes = random.random(count) < 0.15
    away[takes] = -random.integers(1, 6, int(takes.sum()))
    events["limit_per_kwh"] = (1_500 + np.where(side == 1, away, -away)) * 100 + np.where(side == 1, 0, 20_000)
    events["energy_wh"] = random.integers(1, 200, count) * 10
    events["trader"] = random.integers(0, 500, count)
    _ask(events, random, comes)
    return events


def _ask(events: Rows, random: np.random.Generator, comes: NDArray[np.int64]) -> None:
    """One order in ten or so asks for something."""
    draw = random.random(len(comes))
    for name, value, low, high in (
        ("display_wh", 50, 0.00, 0.03),
        ("min_fill_wh", 10, 0.03, 0.05),
        ("time_in_force", 2, 0.05, 0.07),
        ("time_in_force", 3, 0.07, 0.08),
        ("post_only", 1, 0.08, 0.10),
    ):
        events[name][comes[(draw >= low) & (draw < high)]] = value
    replacing = np.flatnonzero((draw >= 0.10) & (draw < 0.13) & (np.arange(len(comes)) > 100))
    new, olds = comes[replacing], comes[replacing - random.integers(1, 50, len(replacing))]
    events["target"][new] = olds
    for name in ("trader", "side", "limit_per_kwh", "display_wh", "min_fill_wh"):
        events[name][new] = events[name][olds]
    events["display_wh"][events["display_wh"] >= events["energy_wh"]] = 0


def sequenced(events: Rows) -> Iterator[list[Event]]:
    """The same events as they stand in the sequence, in batches."""
    digests = np.zeros((len(events), 4), dtype=">u8")
    digests[:, 3] = events["sequence"]
    cancelled = cancelled_payload(0)
    for first in range(0, len(events), BATCH):
        batch = events[first : first + BATCH]
        payloads = _payloads(batch, digests[first : first + BATCH], digests)
        subjects = np.where(batch["kind"] == CANCEL, batch["target"], np.arange(first, first + len(batch)))
        yield [
            Event(sequence, ORDER_CANCELLED, digests[subject].tobytes(), cancelled, NO_HASH, NO_HASH)
            if kind == CANCEL
            else Event(sequence, ORDER_ACCEPTED, digests[subject].tobytes(), payload, NO_HASH, NO_HASH)
            for kind, sequence, subject, payload in zip(
                batch["kind"].tolist(), batch["sequence"].tolist(), subjects.tolist(), payloads, strict=True
            )
        ]


def _payloads(batch: Rows, own: NDArray[np.uint64], digests: NDArray[np.uint64]) -> list[bytes]:
    orders = np.zeros(len(batch), ACCEPTED)
    orders["zone"] = 1
    for name in (
        "sequence",
        "trader",
        "side",
        "limit_per_kwh",
        "energy_wh",
        "min_fill_wh",
        "display_wh",
        "time_in_force",
    ):
        orders[name] = batch[name]
    orders["digest"] = own.view("V32").ravel()
    replaces = batch["target"] != NO_TARGET
    orders["flags"] = batch["post_only"] * POST_ONLY + replaces * REPLACES
    orders["replaces"][replaces] = digests[batch["target"][replaces]]
    data, size = orders.tobytes(), ACCEPTED.itemsize
    return [data[at : at + size] for at in range(0, len(data), size)]


def live(events: Rows) -> float:
    """Plays the stream to the live engine, batch after batch."""
    engine, spent_s = Continuous(network_of(AREA)), 0.0
    for first in range(0, len(events), BATCH):
        batch = events[first : first + BATCH].copy()
        start = time.process_time()
        engine.play(batch)
        spent_s += time.process_time() - start
    return spent_s


def whole_book(events: Rows) -> tuple[SlotBook, float]:
    """Tells a slot's book of the stream; making the events is not counted."""
    book, spent_s = SlotBook(AREA, 0, SHORT_PER_KWH), 0.0
    for batch in sequenced(events):
        start = time.process_time()
        book.apply(batch)
        book.drain()
        spent_s += time.process_time() - start
    return book, spent_s


def replay(events: Rows) -> tuple[bytes, float]:
    """Plays all events at once; the hash of the fills and of the book that is left."""
    engine = Continuous(network_of(AREA))
    start = time.process_time()
    fills, _ = engine.play(events)
    spent_s = time.process_time() - start
    told = np.column_stack((events["sequence"][fills[:, :2]], fills[:, 2:5]))
    return replay_hash(told, engine.state()), spent_s


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="machine-readable")
    as_json = parser.parse_args().json
    events = random_events(EVENTS)
    replay(random_events(1_000))  # loads the machine code
    live_s = min(live(events) for _ in range(3))
    book, book_s = whole_book(events)
    results = [replay(events) for _ in range(3)]
    hashes = book.hash(), results[0][0]
    figures = {
        "events": EVENTS,
        "fills": book.trade_count,
        "waiting": len(book.state()),
        "live_events_per_s": round(EVENTS / live_s),
        "book_events_per_s": round(EVENTS / book_s),
        "replay_events_per_s": round(EVENTS / min(spent_s for _, spent_s in results)),
        "same": hashes[0] == hashes[1],
        "result": hashes[1].hex(),
    }
    if as_json:
        print(json.dumps(figures))
        return
    print(f"{EVENTS:,} events, {figures['fills']:,} fills, {figures['waiting']:,} orders left in the book")
    print(f"live engine:           {figures['live_events_per_s']:>10,} events/s")
    print(f"  with all around it:  {figures['book_events_per_s']:>10,} events/s")
    print(f"replay:                {figures['replay_events_per_s']:>10,} events/s")
    print(f"result {hashes[1].hex()[:16]}, the same: {figures['same']}")


if __name__ == "__main__":
    main()
