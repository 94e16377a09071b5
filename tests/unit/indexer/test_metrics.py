"""Every series is there from the start, at zero, and counts what the steps say."""

from indexer.metrics import Metrics
from indexer.sync import Advanced, NothingNew, Reorg


def sample(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(f"gridtrace_indexer_{name}", {"chain": "7", **labels})


def test_metrics__before_the_first_step__stand_at_zero() -> None:
    metrics = Metrics(7)
    for name in ("events_total", "blocks_total", "reorged_blocks_total", "block_number", "lag_blocks", "leader"):
        assert sample(metrics, name) == 0
    for outcome in ("NothingNew", "Advanced", "Reorg", "Ahead", "Halted"):
        assert sample(metrics, "steps_total", outcome=outcome) == 0
    assert sample(metrics, "faults_total", code="rpc-unavailable") == 0


def test_observe__steps__are_counted() -> None:
    metrics = Metrics(7)
    for outcome in (Advanced(1, 4, 9, 6), Advanced(5, 6, 1, 6), Reorg(4, 2), NothingNew(4)):
        metrics.observe(outcome)
    metrics.fault("rpc-refused")
    assert sample(metrics, "events_total") == 10
    assert sample(metrics, "blocks_total") == 6
    assert sample(metrics, "reorged_blocks_total") == 2
    assert sample(metrics, "block_number") == 4
    assert sample(metrics, "steps_total", outcome="Advanced") == 2
    assert sample(metrics, "faults_total", code="rpc-refused") == 1
