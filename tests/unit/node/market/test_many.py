"""Many books over an executor: every result at its place, with the hash it has alone."""

import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import Any

import pytest

from node.market import many
from node.market.auction import Book, Side, clear
from node.market.book import result_bytes, result_hash
from node.market.many import Cleared, Job, WorkersFailed, clear_many


def jobs(count: int) -> list[Job]:
    """Books of 0 to 12 orders, with ties and minimum fills; each with another fee."""
    made = []
    for seed in range(count):
        rows = [(n + 1, 1 + (seed + n) * 7 % 5, (seed * 3 + n * 5) % 9, (seed + n) % 4 // 3) for n in range(seed % 13)]
        buys, sells = ([row for row in rows if row[0] % 2 == side] for side in (0, 1))
        made.append(Job(Book(Side.of(buys), Side.of(sells)), seed % 3))
    return made


def bytes_of(work: list[Job], cleared: list[Cleared]) -> list[bytes]:
    return [result_bytes(job.book, one.result) for job, one in zip(work, cleared, strict=True)]


def test_clear_many__here_or_elsewhere__is_what_each_book_gives_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(many, "GROUP_ORDERS", 20)
    left_out = Book(Side.of([(3, 12, 50, 12)]), Side.of([(1, 10, 20, 10), (2, 5, 10, 5)]))
    work = [*jobs(60), Job(left_out, 0), *jobs(5)]
    alone = [clear(job.book, job.fee_per_kwh) for job in work]
    with ThreadPoolExecutor(3) as executor:
        here, elsewhere = clear_many(work), clear_many(work, executor)

    expected = [result_bytes(job.book, result) for job, result in zip(work, alone, strict=True)]
    assert bytes_of(work, here) == bytes_of(work, elsewhere) == expected
    hashes = [result_hash(job.book, result) for job, result in zip(work, alone, strict=True)]
    assert [one.result_hash for one in elsewhere] == [one.result_hash for one in here] == hashes
    assert elsewhere[60].result.rejected == (3,)


def test_clear_many__no_books__asks_nobody() -> None:
    with ThreadPoolExecutor(1) as executor:
        assert clear_many([], executor) == clear_many([]) == []


class Lossy(Executor):
    """Loses what is handed in, in its own way."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error
        self.cancelled = 0

    def submit(self, _function: Callable[..., Any], /, *_: Any, **__: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.add_done_callback(lambda done: setattr(self, "cancelled", self.cancelled + done.cancelled()))
        if self.error is not None:
            future.set_exception(self.error)
        return future


@pytest.mark.parametrize("error", [OSError("connection lost"), RuntimeError("killed"), MemoryError()])
def test_clear_many__lost_worker__says_so_and_can_be_tried_again(error: Exception) -> None:
    with pytest.raises(WorkersFailed, match=type(error).__name__) as failed:
        clear_many(jobs(3), Lossy(error))
    assert failed.value.retryable
    assert failed.value.__cause__ is error


def test_clear_many__late_workers__are_not_waited_for() -> None:
    lossy = Lossy(None)
    with pytest.raises(WorkersFailed, match=r"within 0\.05 s"):
        clear_many(jobs(3), lossy, timeout_s=0.05)
    assert lossy.cancelled == 1


def test_clear_many__group__is_not_larger_than_it_must_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(many, "GROUP_ORDERS", 10)
    sizes: list[int] = []
    lock = threading.Lock()

    class Counting(ThreadPoolExecutor):
        def submit(self, function: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
            with lock:
                sizes.append(len(arguments[0]))
            return super().submit(function, *arguments, **named)

    with Counting(2) as executor:
        clear_many(jobs(40), executor)
    assert sum(sizes) == 40
    assert len(sizes) > 10
