"""What the indexer counts. Every series stands at zero from the start, so that rates have a first point."""

from prometheus_client import CollectorRegistry, Counter, Gauge, start_http_server

from indexer.sync import Advanced, Ahead, Halted, NothingNew, Outcome, Reorg

OUTCOMES = (NothingNew, Advanced, Reorg, Ahead, Halted)


class Metrics:
    """One chain's series, in a registry of their own."""

    def __init__(self, chain_id: int) -> None:
        self.registry = CollectorRegistry()
        labels = {"chain": str(chain_id)}
        self._steps = Counter(
            "gridtrace_indexer_steps", "Steps by outcome.", ["chain", "outcome"], registry=self.registry
        )
        self._faults = Counter(
            "gridtrace_indexer_faults", "Steps that failed, by error code.", ["chain", "code"],
            registry=self.registry,
        )  # fmt: skip
        self.events = self._counter("events", "Events written.", labels)
        self.blocks = self._counter("blocks", "Blocks written.", labels)
        self.reorged = self._counter("reorged_blocks", "Blocks removed by reorgs.", labels)
        self.number = self._gauge("block_number", "Last indexed block.", labels)
        self.lag = self._gauge("lag_blocks", "Blocks between the chain's head and the mirror.", labels)
        self.leader = self._gauge("leader", "1 while this process writes, 0 while it stands by.", labels)
        self._labels = labels
        for outcome in OUTCOMES:
            self._steps.labels(outcome=outcome.__name__, **labels)
        for code in ("rpc-unavailable", "rpc-refused", "rpc-disagreement", "database-unavailable"):
            self._faults.labels(code=code, **labels)

    def observe(self, outcome: Outcome) -> None:
        """Counts a step."""
        self._steps.labels(outcome=type(outcome).__name__, **self._labels).inc()
        match outcome:
            case Advanced(first, last, events, head):
                self.events.inc(events)
                self.blocks.inc(last - first + 1)
                self.number.set(last)
                self.lag.set(head - last)
            case Reorg(ancestor, depth):
                self.reorged.inc(depth)
                self.number.set(ancestor)
            case NothingNew(number):
                self.number.set(number)
                self.lag.set(0)

    def fault(self, code: str) -> None:
        """Counts a failure."""
        self._faults.labels(code=code, **self._labels).inc()

    def serve(self, port: int) -> None:
        """Answers Prometheus on a local port, for the life of the process."""
        start_http_server(port, addr="127.0.0.1", registry=self.registry)

    def _counter(self, name: str, text: str, labels: dict[str, str]) -> Counter:
        return Counter(f"gridtrace_indexer_{name}", text, list(labels), registry=self.registry).labels(**labels)

    def _gauge(self, name: str, text: str, labels: dict[str, str]) -> Gauge:
        return Gauge(f"gridtrace_indexer_{name}", text, list(labels), registry=self.registry).labels(**labels)
