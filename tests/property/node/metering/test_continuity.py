"""Whatever a device's width and its restarts: its chain is the sum of what it counted."""

from hypothesis import given
from hypothesis import strategies as st

from contracts.typed_data import Reading
from node.metering.continuity import Baseline, Continued, go_on
from node.metering.device_types import Sample

FUSE_W = 600_000  # 10 kWh a minute
WIDTH = 2**16
STEPS = st.lists(st.tuples(st.integers(0, 9_000), st.booleans()), min_size=1, max_size=60)


def follow(last: Reading, baseline: Baseline, sample: Sample, uptime_s: int) -> tuple[Reading, Baseline]:
    time_s = last.time + 60
    verdict = go_on(last, baseline, sample, time_s=time_s, fuse_w=FUSE_W, uptime_s=uptime_s)
    assert isinstance(verdict, Continued)
    return Reading(1, time_s, 1, verdict.import_wh, 0, 0), verdict.baseline


@given(st.integers(0, WIDTH - 1), STEPS)
def test_go_on__narrow_register__loses_nothing(raw: int, steps: list[tuple[int, bool]]) -> None:
    last, baseline, total = Reading(1, 1_718_000_000, 1, raw, 0, 0), Baseline(), raw
    for moved_wh, _ in steps:
        raw, total = (raw + moved_wh) % WIDTH, total + moved_wh
        last, baseline = follow(last, baseline, Sample(import_wh=raw, import_wraps_wh=WIDTH), 0)
        assert last.import_wh == total


@given(st.integers(10_000, 10**9), STEPS)
def test_go_on__device_that_forgets__loses_nothing_that_it_counted(raw: int, steps: list[tuple[int, bool]]) -> None:
    last, baseline, total, uptime_s = Reading(1, 1_718_000_000, 1, raw, 0, 0), Baseline(), raw, 600
    for moved_wh, restarts in steps:
        # Where it counted less before a restart than after it, the restart cannot be told from counting on.
        restarts = restarts and raw > moved_wh
        before_s, uptime_s = max(uptime_s, 2), 1 if restarts else uptime_s + 60
        raw, total = moved_wh if restarts else raw + moved_wh, total + moved_wh
        sample = Sample(import_wh=raw, uptime_s=uptime_s, import_wraps_wh=2**40)
        last, baseline = follow(last, baseline, sample, before_s)
        assert last.import_wh == total
