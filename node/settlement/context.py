"""What settlement is told once, and the answers it gives besides a result."""

from dataclasses import dataclass

from contracts.addresses import Deployment
from contracts.settlement_batch import MAX_ENTRIES
from node.config import MarketRules
from node.errors import GridtraceError, Refused


@dataclass(frozen=True, slots=True)
class SettlementContext:
    """The rules and the chain that a node settles by; the same for every slot."""

    rules: MarketRules
    chain_id: int
    deployment: Deployment
    operator: bytes
    """Sends every transaction of settlement."""
    grid_account: bytes
    """Counterparty of what local trade does not cover."""
    salt_secret: bytes
    """Derives the salt of every committed reading."""
    most_entries: int = MAX_ENTRIES
    """Of one batch; what a slot was computed with stays with it."""


@dataclass(frozen=True, slots=True)
class NotReady:
    """The slot cannot be settled yet; the same call may succeed later."""

    reason: str


class BatchImpossible(Refused):
    """A settlement cannot be put into a batch that the chain would take."""

    code = "batch-impossible"


class GridAccountShort(GridtraceError):
    """The grid account cannot cover its part; the batch waits until its cash or its mandate allows it."""

    code = "grid-account-short"
    retryable = True


class AttemptRevived(GridtraceError):
    """A batch was settled by an attempt that had been given up; it has to be looked into."""

    code = "attempt-revived"


class OutcomeChanged(BatchImpossible):
    """A stored settlement no longer follows from what it was computed from."""

    code = "settlement-changed"
