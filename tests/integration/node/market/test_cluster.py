"""The same books on processes of this machine and on a real Dask cluster of two workers: the same hashes."""

import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from node.market import cluster, many
from node.market.many import Job, WorkersFailed, clear_many
from tests.unit.node.market.test_many import bytes_of, jobs

pytestmark = pytest.mark.integration


@pytest.fixture
def small_groups(monkeypatch: pytest.MonkeyPatch) -> list[Job]:
    """Books in so many groups that every worker gets some."""
    monkeypatch.setattr(many, "GROUP_ORDERS", 40)
    return jobs(200)


@pytest.fixture
def scheduler() -> Iterator[Any]:
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None, silence_logs=50
    ) as running:
        yield running


def where(_: int) -> int:
    import time

    time.sleep(0.2)
    return os.getpid()


def test_processes__many_books__give_the_same_hashes(small_groups: list[Job]) -> None:
    alone = clear_many(small_groups)
    with cluster.processes(2) as executor:
        spread = clear_many(small_groups, executor, timeout_s=60)
    assert [one.result_hash for one in spread] == [one.result_hash for one in alone]
    assert bytes_of(small_groups, spread) == bytes_of(small_groups, alone)


def test_processes__killed_in_the_middle__are_a_typed_failure(small_groups: list[Job]) -> None:
    with cluster.processes(2) as executor:
        os.kill(next(executor.map(where, [0])), signal.SIGKILL)
        with pytest.raises(WorkersFailed, match="BrokenProcessPool"):
            clear_many(small_groups, executor, timeout_s=60)


def test_dask__two_workers__give_the_same_hashes(small_groups: list[Job], scheduler: Any) -> None:
    alone = clear_many(small_groups)
    with cluster.dask(scheduler.scheduler_address) as executor:
        workers = set(executor.map(where, range(6)))
        spread = clear_many(small_groups, executor, timeout_s=60)
    assert len(workers) == 2
    assert os.getpid() not in workers
    assert [one.result_hash for one in spread] == [one.result_hash for one in alone]
    assert bytes_of(small_groups, spread) == bytes_of(small_groups, alone)


def test_dask__one_worker_killed__the_other_clears_all(small_groups: list[Job], scheduler: Any) -> None:
    with cluster.dask(scheduler.scheduler_address) as executor:
        os.kill(next(iter(executor.map(where, [0]))), signal.SIGKILL)
        spread = clear_many(small_groups, executor, timeout_s=60)
    assert [one.result_hash for one in spread] == [one.result_hash for one in clear_many(small_groups)]


def test_dask__nobody_there__is_a_typed_failure_in_time() -> None:
    pytest.importorskip("distributed")
    with pytest.raises(cluster.ClusterUnavailable), cluster.dask("tcp://127.0.0.1:9", timeout_s=0.5):
        pass
