"""What the indexer counts. Every series stands at zero from the start, so that rates have a first point."""

import time
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge

from indexer.sync import Advanced, Ahead, Halted, NothingNew, Outcome, Reorg, Supplemented

OUTCOMES: Final = (NothingNew, Advanced, Reorg, Ahead, Supplemented, Halted)
FAULTS: Final = (
    "rpc-unavailable",
    "rpc-refused",
    "state-pruned",
    "traces-refused",
    "rpc-disagreement",
    "receipts-disagree",
    "wrong-chain",
    "database-unavailable",
    "reconcile-impossible",
    "stream-not-delivered",
    "failed",
)
ENDPOINT_FAULTS: Final = ("transport", "limit", "wrong-chain", "stale", "disagreement")


class Series:
    """All series of a registry; one label of each is the chain."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self.steps = self._counter("steps", "Steps by outcome.", "outcome")
        self.faults = self._counter("faults", "Steps that failed, by error code.", "code")
        self.endpoint_faults = self._counter(
            "endpoint_faults", "What endpoints did wrong, by endpoint and kind.", "endpoint", "kind"
        )
        self.endpoint_used = self._gauge(
            "endpoint_in_use", "1 for endpoints that may be asked, 0 for those put aside.", "endpoint"
        )
        self.events = self._counter("events", "Events written.")
        self.blocks = self._counter("blocks", "Blocks written.")
        self.reorged = self._counter("reorged_blocks", "Blocks removed by reorgs.")
        self.missing = self._counter("missing_logs", "Logs that eth_getLogs had left out and receipts have.")
        self.cached = self._counter("cached_blocks", "Blocks read from the cache on disk.")
        self.compared = self._counter("compared_balances", "Mirrored values compared with the contracts.")
        self.differences = self._counter("balance_differences", "Compared values that were not the contracts'.")
        self.number = self._gauge("block_number", "Last indexed block.")
        self.lag = self._gauge("lag_blocks", "Blocks between the chain's head and the mirror.")
        self.leader = self._gauge("leader", "1 while this process writes, 0 while it stands by.")

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"gridtrace_indexer_{name}", text, ["chain", *labels], registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"gridtrace_indexer_{name}", text, ["chain", *labels], registry=self.registry)


class Metrics:
    """One chain's series, and how the chain is."""

    def __init__(self, chain_id: int, series: Series | None = None) -> None:
        self._series = series or Series(CollectorRegistry())
        self.registry = self._series.registry
        self.state, self.reason = "starting", ""
        """``standby``, ``running``, ``unavailable``, ``failed`` or ``halted``, and why."""
        self.block = 0
        self.behind = 0
        self.heard_s = time.monotonic()
        """When something last happened, by the monotonic clock."""
        self._chain = chain = str(chain_id)
        series = self._series
        self.events, self.blocks = series.events.labels(chain=chain), series.blocks.labels(chain=chain)
        self.reorged, self.cached = series.reorged.labels(chain=chain), series.cached.labels(chain=chain)
        self.compared = series.compared.labels(chain=chain)
        self.differences = series.differences.labels(chain=chain)
        self.missing = series.missing.labels(chain=chain)
        self.number, self.lag = series.number.labels(chain=chain), series.lag.labels(chain=chain)
        self.leader = series.leader.labels(chain=chain)
        for outcome in OUTCOMES:
            series.steps.labels(chain=chain, outcome=outcome.__name__)
        for code in FAULTS:
            series.faults.labels(chain=chain, code=code)

    def observe(self, outcome: Outcome) -> None:
        """Counts a step."""
        self.heard_s = time.monotonic()
        self._series.steps.labels(chain=self._chain, outcome=type(outcome).__name__).inc()
        self.reason = ""
        match outcome:
            case Advanced(first, last, events, head):
                self.events.inc(events)
                self.blocks.inc(last - first + 1)
                self._stand("running", last, head - last)
            case Reorg(ancestor, depth):
                self.reorged.inc(depth)
                self._stand("running", ancestor, self.behind)
            case NothingNew(number):
                self._stand("running", number, 0)
            case Ahead(ours, _):
                self._stand("running", ours, 0)
            case Supplemented(events):
                self.events.inc(events)
            case Halted(reason):
                self.state, self.reason = "halted", reason

    def wait(self, state: str, reason: str = "") -> None:
        """Says what the chain waits for."""
        self.heard_s = time.monotonic()
        self.state, self.reason = state, reason

    def fault(self, code: str) -> None:
        """Counts a failure."""
        self._series.faults.labels(chain=self._chain, code=code).inc()

    def endpoint(self, name: str) -> None:
        """Creates an endpoint's series."""
        for kind in ENDPOINT_FAULTS:
            self._series.endpoint_faults.labels(chain=self._chain, endpoint=name, kind=kind)
        self.endpoint_used(name, used=True)

    def endpoint_fault(self, name: str, kind: str) -> None:
        """Counts what an endpoint did wrong."""
        self._series.endpoint_faults.labels(chain=self._chain, endpoint=name, kind=kind).inc()

    def endpoint_used(self, name: str, *, used: bool) -> None:
        """Notes whether an endpoint is asked, or put aside."""
        self._series.endpoint_used.labels(chain=self._chain, endpoint=name).set(used)

    def _stand(self, state: str, block: int, behind: int) -> None:
        self.state, self.block, self.behind = state, block, max(behind, 0)
        self.number.set(block)
        self.lag.set(self.behind)
