"""Many auctions at once, in this process or spread over the workers of an executor: the same results and hashes.

Any ``concurrent.futures.Executor`` serves: a process pool, or the workers of ``node/market/cluster.py``. What travels
is a few long columns for each group of books, not thousands of small arrays.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, Executor, wait
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Final

import numpy as np

from node.errors import GridtraceError
from node.market.auction import AuctionResult, Book, Side, Trades, clear
from node.market.book import result_hash
from node.market.rationing import Int64s

GROUP_ORDERS: Final = 50_000
"""Orders that go to a worker together: a tenth of a second's work or less."""


class WorkersFailed(GridtraceError):
    """The workers did not clear all books. Nothing is lost: the same books can be cleared again."""

    code = "auction-workers-failed"
    retryable = True


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """A book and the grid fee within its zone."""

    book: Book
    fee_per_kwh: int


@dataclass(frozen=True, slots=True, eq=False)
class Cleared:
    """What an auction decided, and the hash that pins it."""

    result: AuctionResult
    result_hash: bytes


@dataclass(frozen=True, slots=True, eq=False)
class _Columns:
    """Rows of many tables under each other: table ``n`` has the rows from ``starts[n]`` to ``starts[n + 1]``."""

    rows: Int64s
    starts: tuple[int, ...]

    @classmethod
    def of(cls, tables: Sequence[tuple[Int64s, ...]]) -> "_Columns":
        rows = [np.concatenate(column) for column in zip(*tables, strict=True)]
        return cls(np.stack(rows), tuple(accumulate((len(table[0]) for table in tables), initial=0)))

    def tables(self) -> Iterator[Int64s]:
        return (self.rows[:, start:end] for start, end in pairwise(self.starts))


@dataclass(frozen=True, slots=True, eq=False)
class _Answer:
    """The results of a group. ``facts`` has, for each, the fields that are neither fills nor trades."""

    fills: _Columns
    trades: _Columns
    facts: tuple[tuple[int | None, int | None, int | None, int, tuple[int, ...], bytes], ...]


def clear_many(
    jobs: Sequence[Job], executor: Executor | None = None, *, timeout_s: float | None = 600.0
) -> list[Cleared]:
    """Clears every book, each by itself; results in the order of the jobs.

    Raises:
        WorkersFailed: a worker was lost, or the executor took longer than ``timeout_s`` for all.
    """
    if executor is None:
        return [_clear(job) for job in jobs]
    try:
        futures = [
            executor.submit(_work, [job.fee_per_kwh for job in group], _Columns.of(list(_sides(group))))
            for group in _groups(jobs)
        ]
        done, late = wait(futures, timeout_s, FIRST_EXCEPTION)
        for future in late:
            future.cancel()
        answers = [future.result() for future in futures if future in done]
    except Exception as error:  # whatever the executor raises where a worker dies: each has its own
        raise WorkersFailed(f"{type(error).__name__}: {error}") from error
    if late:
        raise WorkersFailed(f"{len(late)} of {len(futures)} groups of books not cleared within {timeout_s} s")
    return [cleared for answer in answers for cleared in _read(answer)]


def _clear(job: Job) -> Cleared:
    result = clear(job.book, job.fee_per_kwh)
    return Cleared(result, result_hash(job.book, result))


def _groups(jobs: Sequence[Job]) -> Iterator[list[Job]]:
    group: list[Job] = []
    orders = 0
    for job in jobs:
        group.append(job)
        orders += len(job.book.buys.sequence) + len(job.book.sells.sequence)
        if orders >= GROUP_ORDERS:
            yield group
            group, orders = [], 0
    if group:
        yield group


def _sides(jobs: Sequence[Job]) -> Iterator[tuple[Int64s, ...]]:
    for job in jobs:
        for side in (job.book.buys, job.book.sells):
            yield side.sequence, side.quantity_wh, side.limit_per_kwh, side.min_fill_wh


def _work(fees: Sequence[int], columns: _Columns) -> _Answer:
    """Runs in a worker."""
    sides = (Side(*table) for table in columns.tables())
    done = [_clear(Job(Book(next(sides), next(sides)), fee)) for fee in fees]
    results = [cleared.result for cleared in done]
    return _Answer(
        fills=_Columns.of([(fills,) for result in results for fills in (result.buy_fills_wh, result.sell_fills_wh)]),
        trades=_Columns.of([(result.trades.buy, result.trades.sell, result.trades.energy_wh) for result in results]),
        facts=tuple(
            (
                result.price_per_kwh,
                result.price_low_per_kwh,
                result.price_high_per_kwh,
                result.matched_wh,
                result.rejected,
                cleared.result_hash,
            )
            for result, cleared in zip(results, done, strict=True)
        ),
    )


def _read(answer: _Answer) -> Iterator[Cleared]:
    fills, trades = answer.fills.tables(), answer.trades.tables()
    for price, low, high, matched_wh, rejected, hash_ in answer.facts:
        buys, sells = next(fills)[0], next(fills)[0]
        yield Cleared(AuctionResult(price, low, high, matched_wh, buys, sells, Trades(*next(trades)), rejected), hash_)
