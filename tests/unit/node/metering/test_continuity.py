"""Rollover, restart, replacement and nonsense: each is told from the others."""

import pytest

from contracts.typed_data import Reading
from node.metering.continuity import Baseline, Continued, Stopped, Verdict, go_on
from node.metering.device_types import Sample
from node.metering.fault_kinds import FaultKind

T = 1_718_000_000
LAST = Reading(3, T, 10, 4_294_967_000, 500, 0)
WIDTH = 2**32


def after(
    sample: Sample,
    *,
    passed_s: int = 360,
    base: Baseline | None = None,
    resets: bool = False,
    uptime_s: int | None = None,
) -> Verdict:
    """At 10 kW, 360 s carry 1,000 Wh."""
    return go_on(LAST, base or Baseline(), sample, time_s=T + passed_s, fuse_w=10_000, resets=resets, uptime_s=uptime_s)


def kinds(verdict: Verdict) -> list[FaultKind]:
    return [verdict.note.kind] if isinstance(verdict, Stopped) else [note.kind for note in verdict.notes]


def test_go_on__ordinary__moves() -> None:
    verdict = after(Sample(import_wh=4_294_967_100, export_wh=500))
    assert verdict == Continued(4_294_967_100, 500, Baseline())


def test_go_on__rollover__loses_nothing() -> None:
    verdict = after(Sample(import_wh=100, export_wh=500, import_wraps_wh=WIDTH))
    assert isinstance(verdict, Continued)
    assert (verdict.import_wh, verdict.export_wh, verdict.baseline) == (WIDTH + 100, 500, Baseline(WIDTH, 0))
    assert kinds(verdict) == [FaultKind.ROLLED_OVER]
    again = go_on(
        Reading(3, T, 11, WIDTH + 100, 500, 0),
        Baseline(WIDTH, 0),
        Sample(import_wh=150, export_wh=500, import_wraps_wh=WIDTH),
        time_s=T + 60,
        fuse_w=10_000,
    )
    assert again == Continued(WIDTH + 150, 500, Baseline(WIDTH, 0))


def test_go_on__fall_that_no_rollover_explains__is_named_with_both_values() -> None:
    verdict = after(Sample(import_wh=4_000_000_000, export_wh=500, import_wraps_wh=WIDTH))
    assert isinstance(verdict, Stopped)
    assert verdict.note.kind is FaultKind.REGISTER_FELL
    assert verdict.note.evidence == {"register": "import", "was_wh": LAST.import_wh, "shows_wh": 4_000_000_000}


def test_go_on__unknown_width__is_no_rollover() -> None:
    assert kinds(after(Sample(import_wh=100, export_wh=500))) == [FaultKind.REGISTER_FELL]


@pytest.mark.parametrize(("moved_wh", "expected"), [(1_001, []), (1_002, [FaultKind.OVER_FUSE])])
def test_go_on__jump__is_believed_up_to_what_the_fuse_carries(moved_wh: int, expected: list[FaultKind]) -> None:
    """359 s and one of resolution carry 1,000 Wh; the register may add 1 Wh."""
    sample = Sample(import_wh=LAST.import_wh + moved_wh, export_wh=500)
    assert kinds(after(sample, passed_s=359)) == expected


def test_go_on__device_that_forgets__counts_on_from_its_restart() -> None:
    verdict = after(Sample(import_wh=300, export_wh=0), resets=True)
    assert isinstance(verdict, Continued)
    assert (verdict.import_wh, verdict.export_wh) == (LAST.import_wh + 300, 500)
    assert verdict.baseline == Baseline(LAST.import_wh, 500)
    assert set(kinds(verdict)) == {FaultKind.REBOOTED}


def test_go_on__restart_seen_by_its_uptime__is_named_with_and_without_a_fall() -> None:
    kept = after(Sample(import_wh=LAST.import_wh, export_wh=500, uptime_s=10), uptime_s=5_000)
    lost = after(Sample(import_wh=20, export_wh=500, uptime_s=10), uptime_s=5_000)
    assert kinds(kept) == [FaultKind.REBOOTED]
    assert isinstance(lost, Continued) and lost.import_wh == LAST.import_wh + 20
    assert kinds(after(Sample(import_wh=20, export_wh=500, uptime_s=5_360), uptime_s=5_000)) == [
        FaultKind.REGISTER_FELL
    ]


def test_go_on__restarted_device_shows_too_much__is_not_believed() -> None:
    assert kinds(after(Sample(import_wh=1_500, export_wh=500), resets=True)) == [FaultKind.REGISTER_FELL]


def test_go_on__other_serial_number__waits_for_a_person() -> None:
    verdict = after(Sample(import_wh=4_294_967_100, export_wh=500, serial="B"), base=Baseline(serial="A"))
    assert isinstance(verdict, Stopped)
    assert verdict.note.evidence == {"was": "A", "serial": "B", "import_wh": 4_294_967_100, "export_wh": 500}


def test_go_on__serial_number_not_read_this_time__is_the_same_device() -> None:
    verdict = after(Sample(import_wh=4_294_967_100, export_wh=500), base=Baseline(serial="A"))
    assert verdict == Continued(4_294_967_100, 500, Baseline(serial="A"))


def test_go_on__baseline__is_added() -> None:
    verdict = after(Sample(import_wh=10, export_wh=1), base=Baseline(LAST.import_wh, 499))
    assert verdict == Continued(LAST.import_wh + 10, 500, Baseline(LAST.import_wh, 499))


def test_go_on__first_reading__is_taken_as_it_is() -> None:
    first = go_on(None, Baseline(), Sample(import_wh=9, export_wh=8), time_s=T, fuse_w=1)
    assert first == Continued(9, 8, Baseline())
