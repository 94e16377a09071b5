"""How a sender behaves; times in real seconds, gas in gas units, fees in wei per gas."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from node.outbox.fees import WEI_PER_GWEI

LINES: Final[Mapping[str, str]] = MappingProxyType(dict.fromkeys(("baseline", "attest", "issue"), "registers"))
"""Kinds that wait in one line, because each follows from the one before; every other kind has a line of its own."""
LOOSE: Final = frozenset(
    {"deposit", "set_mandate", "faucet", "create_asset", "buy_fractions", "deposit_revenue", "claim_revenue"}
)
"""Kinds whose transactions have nothing to do with each other: one that fails holds up no other."""


@dataclass(frozen=True, slots=True)
class SendPolicy:
    """Defaults suit a public chain and a devnet with several blocks a second alike."""

    poll_s: float = 0.2
    """How often the outbox and the chain are looked at where nothing wakes the sender."""
    resend_after_s: float = 5.0
    """A transaction without a receipt is sent again this often: a node may have dropped it."""
    bump_after_s: float = 30.0
    """The oldest transaction without a receipt gets higher fees this long after its last signing."""
    back_off_s: float = 1.0
    """Pause after the node or the database failed to answer."""
    refuse_after_blocks: int = 3
    """A simulation that fails is tried again until this many blocks have passed: the newest block's time and state
    may lag behind what the transaction follows from."""
    refuse_after_s: float | None = 15.0
    """The same, on chains that make a block only when there is a transaction. None where blocks come by themselves:
    such a chain, when it stands still, refuses nothing."""
    lines: Mapping[str, str] = field(default_factory=lambda: LINES)
    """The line of a kind, where it is not the kind's own: a row whose simulation fails holds up its line only."""
    loose: frozenset[str] = LOOSE
    """Kinds in which it does not even hold up its line."""
    in_flight: int = 16
    """At most this many transactions wait for a block."""
    gas_cap: int = 16_777_216
    """The most gas one transaction may have (EIP-7825)."""
    fee_ceiling: int = 1_000 * WEI_PER_GWEI
    """No transaction ever offers more."""
    confirmations: int = 64
    """Depth that counts as final on chains without a finalized tag."""


def gas_with_margin(estimate: int, cap: int) -> int:
    """What is offered for an estimate: state may change between the simulation and the block."""
    return min(estimate + estimate // 4 + 25_000, cap)
