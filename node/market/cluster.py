"""Where many auctions run: processes of this machine, or the workers of a Dask cluster (the extra ``cluster``)."""

from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from typing import Any

from node.errors import GridtraceError


class ClusterUnavailable(GridtraceError):
    """The cluster cannot be used."""

    code = "cluster-unavailable"
    retryable = True


@contextmanager
def processes(workers: int) -> Iterator[Executor]:
    """So many fresh processes of this machine; they end with the block."""
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as executor:
        yield executor


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
