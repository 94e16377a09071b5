"""Where many auctions run: processes of this machine, or the workers of a Dask cluster (the extra ``cluster``)."""

from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import active_children, get_context
from typing import Any, Final

from node.errors import GridtraceError

LAST_WORK_S: Final = 2.0
"""How long a process may take to end by itself."""


class ClusterUnavailable(GridtraceError):
    """The cluster cannot be used."""

    code = "cluster-unavailable"
    retryable = True


@contextmanager
def processes(workers: int) -> Iterator[Executor]:
    """So many fresh processes of this machine; they end with the block."""
    others = set(active_children())
    executor = ProcessPoolExecutor(workers, mp_context=get_context("spawn"))
    try:
        yield executor
    finally:
        # A pool that lost a worker may wait for ever for one that it was just starting: see to the end ourselves.
        executor.shutdown(wait=False, cancel_futures=True)
        for child in set(active_children()) - others:
            child.join(LAST_WORK_S)
            if child.is_alive():
                child.kill()
                child.join()


@contextmanager
def dask(scheduler: str, *, timeout_s: float = 10.0) -> Iterator[Executor]:
    """The workers behind a Dask scheduler, such as ``tcp://10.0.0.5:8786``; they must have Gridtrace installed.

    Raises:
        ClusterUnavailable: Dask is not installed here, or nothing answers there within ``timeout_s``.
    """
    try:
        import distributed
    except ImportError as missing:
        raise ClusterUnavailable("a cluster needs Dask: pip install 'gridtrace[cluster]'") from missing
    connect: Any = distributed.Client
    try:
        client = connect(scheduler, timeout=timeout_s, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as refused:
        raise ClusterUnavailable(f"{scheduler}: {refused}") from refused
    try:
        yield client.get_executor()
    finally:
        client.close(timeout_s)
