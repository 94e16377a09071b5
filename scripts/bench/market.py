"""How long the auction takes: ``python -m scripts.bench.market [--json]``. Times are best and median of a few runs."""

import argparse
import json
import resource
import statistics
import time
from collections.abc import Callable

import numpy as np

from node.market.auction import Book, Side, clear
from node.market.book import result_hash

SIZES = (64, 1_000, 100_000, 1_000_000)
RUNS = 9


def random_book(size: int, seed: int = 1) -> Book:
    """Half bids, half offers; 1 Wh to 10 kWh on 45,000 price ticks of 100."""
    random = np.random.default_rng(seed)

    def side(first: int) -> Side:
        count = size // 2
        return Side.from_columns(
            np.arange(count, dtype=np.int64) * 2 + first,
            random.integers(1, 10_001, count),
            random.integers(-5_000, 40_001, count) * 100,
            np.zeros(count, dtype=np.int64),
        )

    return Book(side(1), side(2))


def timed(work: Callable[[], object]) -> tuple[float, float, int]:
    """Best and median milliseconds, and page faults of the last run: large arrays are new memory every time."""
    times, faults = [], 0
    for _ in range(RUNS):
        faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        start = time.perf_counter()
        work()
        times.append((time.perf_counter() - start) * 1_000)
        faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - faults
    return min(times), statistics.median(times), faults


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="machine-readable")
    as_json = parser.parse_args().json
    values = np.random.default_rng(2).integers(0, 2**62, 1_000_000)
    sort_ms, _, _ = timed(lambda: np.sort(values))
    rows = []
    for size in SIZES:
        book = random_book(size)
        best_ms, median_ms, faults = timed(lambda book=book: clear(book, 20_000))  # type: ignore[misc]
        digest = result_hash(book, clear(book, 20_000)).hex()
        rows.append(
            {"orders": size, "best_ms": best_ms, "median_ms": median_ms, "page_faults": faults, "result": digest}
        )
    if as_json:
        print(json.dumps({"np_sort_1m_int64_ms": sort_ms, "clear": rows}))
        return
    print(f"np.sort of 1,000,000 int64: {sort_ms:.2f} ms")
    for row in rows:
        print(
            f"clear {row['orders']:>9,} orders: best {row['best_ms']:8.3f} ms, median {row['median_ms']:8.3f} ms, "
            f"{float(str(row['best_ms'])) / sort_ms:6.2f} x np.sort, {row['page_faults']:>6} page faults, "
            f"result {str(row['result'])[:16]}"
        )


if __name__ == "__main__":
    main()
