"""How long auctions take: ``python -m scripts.bench.market [--json]``. Times are best and median of a few runs.

Results are the same on every machine and with every engine: their hashes are printed beside the times.
"""

import argparse
import json
import resource
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from node.market import crossing, kernels, zonal
from node.market.area import Area
from node.market.auction import Book, Engine, Side, clear
from node.market.book import result_hash
from node.market.cluster import processes
from node.market.crossing import Crossing
from node.market.many import Job, clear_many
from node.market.rationing import Int64s

SIZES = (64, 1_000, 100_000, 1_000_000)
FEE = 20_000
RUNS = 9
ZONES, ZONE_ORDERS = 10_000, 200


def random_book(size: int, seed: int = 1, *, prices: tuple[int, int, int] = (-5_000, 40_001, 100)) -> Book:
    """Half bids, half offers; 1 Wh to 10 kWh on 45,000 price ticks of 100."""
    random = np.random.default_rng(seed)
    lowest, highest, tick = prices

    def side(first: int) -> Side:
        count = size // 2
        return Side.from_columns(
            np.arange(count, dtype=np.int64) * 2 + first,
            random.integers(1, 10_001, count),
            random.integers(lowest, highest, count) * tick,
            np.zeros(count, dtype=np.int64),
        )

    return Book(side(1), side(2))


class WithoutPairing:
    """The compiled engine, up to the fills."""

    def cross(self, bids: Int64s, bid_wh: Int64s, asks: Int64s, ask_wh: Int64s, fee: int, /) -> Crossing | None:
        return kernels.cross(bids, bid_wh, asks, ask_wh, fee)

    def pair(self, buy_fills_wh: Int64s, _sell_fills_wh: Int64s, /) -> tuple[Int64s, Int64s, Int64s]:
        return buy_fills_wh[:0], buy_fills_wh[:0], buy_fills_wh[:0]


def timed(work: Callable[[], object], runs: int = RUNS) -> dict[str, float]:
    """Best and median milliseconds, the least of this process's CPU, and the last run's page faults (large arrays are
    new memory every time). On a busy machine the CPU is the figure to trust."""
    times, cpu, faults = [], [], 0
    for _ in range(runs):
        faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        start, start_cpu = time.perf_counter(), time.process_time()
        work()
        times.append((time.perf_counter() - start) * 1_000)
        cpu.append((time.process_time() - start_cpu) * 1_000)
        faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - faults
    return {"best_ms": min(times), "median_ms": statistics.median(times), "cpu_ms": min(cpu), "page_faults": faults}


def row(name: str, times: dict[str, float], result: str = "") -> dict[str, Any]:
    return {"name": name, **times, "result": result}


def cleared(name: str, book: Book, engine: Engine | None = None, fee: int = FEE) -> dict[str, Any]:
    """A row of the table."""
    result = clear(book, fee, engine=engine)
    found = f"{result_hash(book, result).hex()[:16]} {len(result.trades.energy_wh):,} trades"
    return row(name, timed(lambda: clear(book, fee, engine=engine)), found)


def one_book() -> Iterator[dict[str, Any]]:
    for size in SIZES:
        yield cleared(f"clear {size:,} orders", random_book(size))
    million = random_book(1_000_000)
    yield cleared("  without pairing the fills", million, WithoutPairing())
    yield cleared("  plain engine (numpy)", million, crossing)
    yield cleared("  prices from -10^13 to 10^13", random_book(1_000_000, prices=(-(10**13), 10**13, 1)))
    yield cleared("  one price, shared pro rata", random_book(1_000_000, prices=(400, 401, 100)), fee=0)
    fills = np.random.default_rng(3).integers(1, 10_001, 500_000)
    times = timed(lambda: kernels.pair(fills, fills[::-1]))
    yield row("pair 1,000,000 fills", times, f"{len(kernels.pair(fills, fills[::-1])[0]):,} trades")


def many_books() -> Iterator[dict[str, Any]]:
    jobs = [Job(random_book(ZONE_ORDERS, seed), FEE) for seed in range(ZONES)]
    hashes = [one.result_hash for one in clear_many(jobs)]
    name = f"clear {ZONES:,} zones of {ZONE_ORDERS} orders"
    yield row(name, timed(lambda: clear_many(jobs), 3))
    with processes(2) as executor:
        spread = [one.result_hash for one in clear_many(jobs, executor)]
        times = timed(lambda: clear_many(jobs, executor), 3)
        yield row("  on two processes", times, "same hashes" if spread == hashes else "OTHER HASHES")
    large = [Job(random_book(100_000, seed), FEE) for seed in range(20)]
    yield row("clear 20 zones of 100,000 orders", timed(lambda: [clear(job.book, FEE) for job in large], 3))
    zones = tuple(range(20))
    fees = {(sell, buy): FEE if sell == buy else FEE + 5_000 for sell in zones for buy in zones}
    area, books = Area(zones, fees), dict(zip(zones, (job.book for job in large), strict=True))
    yield row("  coupled, every zone with every other", timed(lambda: zonal.clear(area, books), 3))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="machine-readable")
    as_json = parser.parse_args().json
    values = np.random.default_rng(2).integers(0, 2**62, 1_000_000)
    sort = timed(lambda: np.sort(values))
    rows = []
    if not as_json:
        print(f"np.sort of 1,000,000 int64: best {sort['best_ms']:.2f} ms, cpu {sort['cpu_ms']:.2f} ms")
    for found in (each for part in (one_book, many_books) for each in part()):
        rows.append(found)
        if not as_json:
            print(
                f"{found['name']:<40} best {found['best_ms']:9.3f} ms, median {found['median_ms']:9.3f} ms, "
                f"cpu {found['cpu_ms']:9.3f} ms = {found['cpu_ms'] / sort['cpu_ms']:6.2f} x np.sort, "
                f"{found['page_faults']:>5} page faults  {found['result']}"
            )
    if as_json:
        print(json.dumps({"np_sort_1m_int64": sort, "rows": rows}))


if __name__ == "__main__":
    main()
