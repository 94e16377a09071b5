"""``gridtrace auction clear`` in its three ways: line by line, over processes, over a Dask cluster."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.conformance.suite import cases

pytestmark = pytest.mark.integration


@pytest.fixture
def books(tmp_path: Path) -> Path:
    path = tmp_path / "books.jsonl"
    lines = [case.request() for case in cases()[:120]]
    path.write_text("\n".join([*lines[:60], "not a book", *lines[60:]]) + "\n")
    return path


def clear(*arguments: str) -> list[bytes]:
    command = [sys.executable, "-m", "api.cli.main", "auction", "clear", *arguments]
    done = subprocess.run(command, capture_output=True, timeout=120, check=False)
    assert done.returncode == 1, done.stderr
    return done.stdout.splitlines()


def test_clear__over_processes_and_a_cluster__is_what_it_is_line_by_line(books: Path) -> None:
    distributed = pytest.importorskip("distributed")
    alone = clear(str(books))
    assert len(alone) == 121
    assert set(json.loads(alone[60])) == {"error"}
    assert len({json.loads(line).get("result_hash") for line in alone}) > 90
    assert clear(str(books), "--workers", "2") == alone
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None, silence_logs=50
    ) as cluster:
        assert clear(str(books), "--cluster", cluster.scheduler_address) == alone
