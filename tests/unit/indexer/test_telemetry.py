"""What the port says of the chains behind it."""

import pytest

from indexer.sync import Advanced, Halted, NothingNew
from indexer.telemetry import READY_LAG_BLOCKS, SILENT_S, Telemetry


def test_report__chains__are_ready_one_by_one() -> None:
    telemetry = Telemetry()
    one, other = telemetry.chain(1), telemetry.chain(2)
    assert telemetry.report()[:2] == (True, False), "starting"
    one.observe(NothingNew(9))
    other.observe(Advanced(1, 5, 3, 5 + READY_LAG_BLOCKS + 1))
    alive, ready, report = telemetry.report()
    assert (alive, ready) == (True, False)
    assert report["chains"]["2"]["behind"] == READY_LAG_BLOCKS + 1
    other.observe(Advanced(6, 14, 3, 14))
    assert telemetry.report()[1]
    other.observe(Halted("replaced"))
    assert telemetry.report()[1] is False
    assert telemetry.report()[2]["chains"]["2"]["reason"] == "replaced"


def test_report__standing_by__is_ready() -> None:
    telemetry = Telemetry()
    telemetry.chain(1).wait("standby")
    assert telemetry.report()[:2] == (True, True)


def test_report__nothing_heard_for_long__is_not_alive() -> None:
    telemetry = Telemetry()
    metrics = telemetry.chain(1)
    metrics.observe(NothingNew(1))
    metrics.heard_s -= SILENT_S + 1
    assert telemetry.report()[:2] == (False, False)


def test_chain__asked_twice__is_the_same() -> None:
    telemetry = Telemetry()
    assert telemetry.chain(1) is telemetry.chain(1)


@pytest.mark.parametrize("series", ["events_total", "missing_logs_total", "cached_blocks_total", "leader"])
def test_metrics__of_several_chains__stand_at_zero(series: str) -> None:
    telemetry = Telemetry()
    telemetry.chain(1)
    telemetry.chain(2)
    for chain in ("1", "2"):
        assert telemetry.registry.get_sample_value(f"gridtrace_indexer_{series}", {"chain": chain}) == 0
