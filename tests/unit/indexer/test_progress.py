"""Progress is told with its rate and its end, on a terminal and in the log."""

import io
import logging
import time

import pytest

from indexer.progress import Progress, bar, duration
from indexer.sync import Advanced, NothingNew, Reorg


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (59.4, "59s"), (60, "1m00s"), (3_599, "59m59s"), (3_720, "1h02m"), (90_000, "25h00m")],
)
def test_duration__any_length__is_short(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_bar__shares__fill_it() -> None:
    assert [bar(done, 10).count("#") for done in (0, 5, 10)] == [0, 15, 30]
    assert bar(0, 0).count("#") == 0


def test_hear__terminal__shows_a_bar_and_clears_it() -> None:
    terminal = io.StringIO()
    progress = Progress(1, terminal)
    progress.hear(NothingNew(0))
    assert terminal.getvalue() == ""
    progress.hear(Advanced(1, 250, 1_000, 1_000))
    progress.hear(Advanced(251, 500, 1_000, 1_000))
    assert "block=500 of=1000 done=50.0%" in terminal.getvalue()
    assert "eta=" in terminal.getvalue()
    progress.hear(Advanced(501, 1_000, 1_000, 1_000))
    assert terminal.getvalue().endswith("\r\x1b[K")


def test_hear__log__is_told_now_and_then(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    progress = Progress(7)
    for last in range(100, 1_000, 100):
        progress.hear(Advanced(last - 99, last, 600, 10_000))
        now[0] += 3.0
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 2
    assert lines[0].startswith("progress chain=7 block=500 of=10000 done=5.0% events_per_s=250 eta=3m48s")


def test_hear__reorg_below_the_stretch__starts_a_new_one() -> None:
    terminal = io.StringIO()
    progress = Progress(1, terminal)
    progress.hear(Advanced(100, 105, 1, 110))
    progress.hear(Reorg(98, 7))
    progress.hear(Advanced(99, 99, 1, 110))
    assert "block=99 of=110" in terminal.getvalue()
