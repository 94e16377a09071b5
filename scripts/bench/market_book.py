"""How many events a second a continuous book takes: ``python -m scripts.bench.market_book [--json]``.

Of a million events, 52 % are orders that mostly wait, 38 % cancellations and 10 % orders that trade at once; one in
twenty orders is an iceberg, one in fifty has a minimum fill, and there are replacements, immediate-or-cancel,
fill-or-kill and post-only orders. Times are CPU seconds of this process.
"""

import argparse
import json
import time

import numpy as np

from node.market.columns import Columns
from node.market.continuous import Continuous
from node.market.engine import LiveOrder, Network, replay_hash
from node.market.replay import replay

EVENTS = 1_000_000
NETWORK = Network.single(20_000)


def random_columns(count: int, seed: int = 1) -> Columns:
    """The stream, as columns."""
    random = np.random.default_rng(seed)
    share = random.random(count)
    columns = Columns.empty(count)
    columns.sequence[:] = np.arange(1, count + 1)
    is_cancel = share < 0.38
    is_cancel[0] = False
    takes = share > 0.9
    columns.is_cancel[:] = is_cancel
    side = random.integers(0, 2, count)
    columns.side[:] = side
    away = random.exponential(12, count).astype(np.int64) + 1
    away[takes] = -random.integers(1, 6, int(takes.sum()))
    offer = 1_500 + np.where(side == 1, away, -away)
    columns.limit_per_kwh[:] = offer * 100 + np.where(side == 1, 0, 20_000)
    columns.energy_wh[:] = random.integers(1, 200, count) * 10
    columns.trader[:] = random.integers(0, 500, count)
    # A cancellation names one of the last orders, which may have gone.
    accepted = np.flatnonzero(~is_cancel)
    before = np.searchsorted(accepted, np.flatnonzero(is_cancel))
    back = random.integers(1, 2_000, len(before))
    columns.target[is_cancel] = accepted[np.maximum(before - back, 0)]
    special = random.random(count)
    columns.display_wh[(special < 0.05) & ~is_cancel] = 50
    columns.min_fill_wh[(special > 0.05) & (special < 0.07) & ~is_cancel] = 10
    columns.time_in_force[(special > 0.10) & (special < 0.12) & ~is_cancel] = 2
    columns.time_in_force[(special > 0.12) & (special < 0.13) & ~is_cancel] = 3
    columns.post_only[(special > 0.20) & (special < 0.25) & ~is_cancel] = 1
    replaces = np.flatnonzero((special > 0.30) & (special < 0.33) & ~is_cancel & (np.arange(count) > 100))
    target = accepted[np.maximum(np.searchsorted(accepted, replaces) - random.integers(1, 50, len(replaces)), 0)]
    columns.target[replaces] = target
    for name in ("trader", "side", "limit_per_kwh", "display_wh", "min_fill_wh"):
        getattr(columns, name)[replaces] = getattr(columns, name)[target]
    return columns


def live(columns: Columns) -> tuple[Continuous, float]:
    """Plays the stream to the live engine, an event at a time."""
    engine = Continuous(NETWORK)
    events = list(columns.events())
    start = time.process_time()
    for event in events:
        if isinstance(event, LiveOrder):
            engine.accept(event)
        else:
            engine.cancel(event)
    return engine, time.process_time() - start


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
