"""How many events a second a continuous book takes: ``python -m scripts.bench.market_book [--json]``.

Of a million events, a little more than half are orders, most of which are cancelled some thousand events later; one in
seven crosses the best price. Icebergs, minimum fills, replacements, immediate-or-cancel, fill-or-kill and post-only
orders are 13 % of the orders. Times are CPU seconds of this process, on one book.
"""

import argparse
import json
import time
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from node.market.columns import Columns
from node.market.continuous import Continuous
from node.market.engine import LiveOrder, Network, replay_hash
from node.market.replay import replay

EVENTS = 1_000_000
CHUNK = 1_000
NETWORK = Network.single(20_000)


def random_columns(count: int, seed: int = 1) -> Columns:
    """The stream, as columns: every order has a time, and most have a later one at which they are cancelled."""
    random = np.random.default_rng(seed)
    orders = int(count * 0.56)
    cancelled = np.flatnonzero(random.random(orders) < 0.9)
    times = np.concatenate((np.arange(orders), cancelled + random.integers(1, 5_000, len(cancelled)) + 0.5))
    order_of = np.concatenate((np.arange(orders), cancelled))
    in_time = np.argsort(times, kind="stable")[:count]
    is_cancel, order_of = in_time >= orders, order_of[in_time]
    columns = Columns.empty(count)
    columns.sequence[:] = np.arange(1, count + 1)
    columns.is_cancel[:] = is_cancel
    rows = np.zeros(orders, dtype=np.int64)
    comes = np.flatnonzero(~is_cancel)
    rows[order_of[comes]] = comes
    columns.target[is_cancel] = rows[order_of[is_cancel]]
    side = random.integers(0, 2, count)
    columns.side[:] = side
    away = random.exponential(12, count).astype(np.int64) + 1
    takes = random.random(count) < 0.15
    away[takes] = -random.integers(1, 6, int(takes.sum()))
    columns.limit_per_kwh[:] = (1_500 + np.where(side == 1, away, -away)) * 100 + np.where(side == 1, 0, 20_000)
    columns.energy_wh[:] = random.integers(1, 200, count) * 10
    columns.trader[:] = random.integers(0, 500, count)
    _ask(columns, random, comes)
    return columns


def _ask(columns: Columns, random: np.random.Generator, comes: NDArray[np.int64]) -> None:
    """One order in ten or so asks for something."""
    draw = random.random(len(comes))
    for name, value, low, high in (
        ("display_wh", 50, 0.00, 0.03),
        ("min_fill_wh", 10, 0.03, 0.05),
        ("time_in_force", 2, 0.05, 0.07),
        ("time_in_force", 3, 0.07, 0.08),
        ("post_only", 1, 0.08, 0.10),
    ):
        getattr(columns, name)[comes[(draw >= low) & (draw < high)]] = value
    replacing = np.flatnonzero((draw >= 0.10) & (draw < 0.13) & (np.arange(len(comes)) > 100))
    rows, olds = comes[replacing], comes[replacing - random.integers(1, 50, len(replacing))]
    columns.target[rows] = olds
    for name in ("trader", "side", "limit_per_kwh", "display_wh", "min_fill_wh"):
        getattr(columns, name)[rows] = getattr(columns, name)[olds]


def live(columns: Columns) -> tuple[Continuous, float]:
    """Plays the stream to the live engine, an event at a time; making the events is not counted."""
    engine, spent_s = Continuous(NETWORK), 0.0
    events = columns.events()
    while chunk := list(islice(events, CHUNK)):
        start = time.process_time()
        for event in chunk:
            if isinstance(event, LiveOrder):
                engine.accept(event)
            else:
                engine.cancel(event)
        spent_s += time.process_time() - start
    return engine, spent_s


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="machine-readable")
    as_json = parser.parse_args().json
    columns = random_columns(EVENTS)
    engine, live_s = live(columns)
    replay(random_columns(1_000), NETWORK)  # loads the machine code
    replay_s = []
    for _ in range(3):
        start = time.process_time()
        result = replay(columns, NETWORK)
        replay_s.append(time.process_time() - start)
    hashes = replay_hash(engine.fills, engine.state()), result.hash()
    figures = {
        "events": EVENTS,
        "fills": len(engine.fills),
        "waiting": len(engine.orders),
        "live_events_per_s": round(EVENTS / live_s),
        "replay_events_per_s": round(EVENTS / min(replay_s)),
        "same": hashes[0] == hashes[1],
        "result": hashes[1].hex(),
    }
    if as_json:
        print(json.dumps(figures))
        return
    print(f"{EVENTS:,} events, {figures['fills']:,} fills, {figures['waiting']:,} orders left in the book")
    print(f"live engine: {figures['live_events_per_s']:>10,} events/s")
    print(f"replay:      {figures['replay_events_per_s']:>10,} events/s")
    print(f"result {hashes[1].hex()[:16]}, the same: {figures['same']}")


if __name__ == "__main__":
    main()
