"""Books in, results out, as JSON lines: the protocol of the conformance suite (tests/conformance/README.md)."""

import sys
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from typing import Any, Literal

import msgspec

from indexer.errors import ConfigError
from node.market import cluster as clusters
from node.market.auction import MAX_PRICE_PER_KWH, Book, Side
from node.market.auction import clear as clear_one
from node.market.book import result_hash
from node.market.many import Cleared, Job, clear_many


class BookOrder(msgspec.Struct, frozen=True):
    """Wh, and micro-currency per kWh; a buyer's limit includes the grid fee."""

    sequence: int
    side: Literal["buy", "sell"]
    energy_wh: int
    limit_price_per_kwh: int
    min_fill_wh: int = 0


class BookLine(msgspec.Struct, frozen=True):
    """One line of input."""

    orders: list[BookOrder]
    grid_fee_per_kwh: int = 0
    name: str | None = None
    zones: list[Any] = []


def clear(source: str, workers: int, cluster: str | None) -> bool:
    """Answers every line of a file or of standard input; False where one is no book."""
    if workers and cluster:
        raise ConfigError(["--workers and --cluster: one of them"])
    try:
        lines = sys.stdin.buffer if source == "-" else open(source, "rb")  # noqa: SIM115, PTH123 - closed below
    except OSError as error:
        raise ConfigError([f"{source}: {error.strerror}"]) from error
    with lines if lines is not sys.stdin.buffer else nullcontext():
        answers = _spread(lines, workers, cluster) if workers or cluster else map(_answer, lines)
        told = [_say(answer) for answer in answers]
    return all(told)


def _say(answer: dict[str, Any]) -> bool:
    sys.stdout.buffer.write(msgspec.json.encode(answer) + b"\n")
    sys.stdout.buffer.flush()
    return "error" not in answer


def _answer(line: bytes) -> dict[str, Any]:
    try:
        name, job = _read(line)
    except ValueError as error:
        return {"error": str(error)}
    result = clear_one(job.book, job.fee_per_kwh)
    return _written(name, job, Cleared(result, result_hash(job.book, result)))


def _spread(lines: Iterable[bytes], workers: int, cluster: str | None) -> Iterator[dict[str, Any]]:
    """Reads all books first; an answer stands at the place of its line."""
    read: list[tuple[str | None, Job] | str] = []
    for line in lines:
        try:
            read.append(_read(line))
        except ValueError as error:
            read.append(str(error))
    jobs = [entry[1] for entry in read if not isinstance(entry, str)]
    with clusters.dask(cluster) if cluster else clusters.processes(workers) as executor:
        cleared = iter(clear_many(jobs, executor))
        for entry in read:
            yield {"error": entry} if isinstance(entry, str) else _written(*entry, next(cleared))


def _read(line: bytes) -> tuple[str | None, Job]:
    """Raises ValueError for what is no book of one zone."""
    try:
        book = msgspec.json.decode(line, type=BookLine)
    except msgspec.DecodeError as error:
        raise ValueError(str(error)) from error
    if book.zones:
        raise ValueError("this command clears books of one zone")
    if len({order.sequence for order in book.orders}) < len(book.orders):
        raise ValueError("a sequence number stands twice")
    if abs(book.grid_fee_per_kwh) >= MAX_PRICE_PER_KWH:
        raise ValueError(f"the grid fee must stay within ±{MAX_PRICE_PER_KWH}")
    try:
        return book.name, Job(Book(_side(book, "buy"), _side(book, "sell")), book.grid_fee_per_kwh)
    except OverflowError as error:
        raise ValueError(f"a number is too large: {error}") from error


def _side(book: BookLine, wanted: str) -> Side:
    return Side.of(
        (order.sequence, order.energy_wh, order.limit_price_per_kwh, order.min_fill_wh)
        for order in book.orders
        if order.side == wanted
    )


def _written(name: str | None, job: Job, cleared: Cleared) -> dict[str, Any]:
    result, book = cleared.result, job.book
    sides = ((book.buys, result.buy_fills_wh), (book.sells, result.sell_fills_wh))
    filled = [
        (number, fill)
        for side, fills in sides
        for number, fill in zip(side.sequence.tolist(), fills.tolist(), strict=True)
    ]
    trades = result.trades
    pairs = zip(
        book.buys.sequence[trades.buy].tolist(),
        book.sells.sequence[trades.sell].tolist(),
        trades.energy_wh.tolist(),
        strict=True,
    )
    return {
        "name": name,
        "price_per_kwh": result.price_per_kwh,
        "price_low_per_kwh": result.price_low_per_kwh,
        "price_high_per_kwh": result.price_high_per_kwh,
        "matched_wh": result.matched_wh,
        "fills_wh": {str(number): fill for number, fill in filled if fill},
        "trades": [list(pair) for pair in pairs],
        "rejected": list(result.rejected),
        "result_hash": cleared.result_hash.hex(),
    }
