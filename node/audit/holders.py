"""A plant's fractions again, event by event: who held how many while revenue came, and what each claim had to pay.

The rules are FractionLedger's, in whole numbers of any size: revenue of one fraction in units of 2^-60 payment units, a
holder's revenue that times his fractions less his debt, which every transfer shifts and every payment raises. Pure.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from contracts.typed_data import checksum
from node.audit.compare import Finding

UNIT_BITS: Final = 60
ZERO: Final = bytes(20)


@dataclass(frozen=True, slots=True)
class Moved:
    sender: bytes
    """Twenty zeros where the fractions are issued."""
    to: bytes
    fractions: int


@dataclass(frozen=True, slots=True)
class PaidIn:
    amount: int
    per_fraction: int
    """Revenue of one fraction so far, as the event says, in units of 2^-60."""


@dataclass(frozen=True, slots=True)
class Claimed:
    account: bytes
    amount: int


@dataclass(frozen=True, slots=True)
class Taken:
    """Revenue that a forced transfer took along; its fractions are a ``Moved`` before it."""

    sender: bytes
    to: bytes
    amount: int


Event: TypeAlias = Moved | PaidIn | Claimed | Taken


@dataclass(slots=True)
class Holders:
    """All holders of one token after the events that were given so far."""

    supply: int = 0
    per_fraction: int = 0
    deposited: int = 0
    claimed: int = 0
    fractions: Counter[bytes] = field(default_factory=Counter)
    _carried: int = 0
    _debts: Counter[bytes] = field(default_factory=Counter)

    def claimable(self, account: bytes) -> int:
        """Whole payment units that a claim would pay now."""
        return (self.per_fraction * self.fractions[account] - self._debts[account]) >> UNIT_BITS

    def take(self, name: str, event: Event) -> list[Finding]:
        """Goes on by one event; what of it does not follow from those before. ``name`` says where it stands."""
        match event:
            case Moved(sender, to, fractions):
                return self._move(name, sender, to, fractions)
            case PaidIn(amount, per_fraction):
                self._pay_in(amount)
                if per_fraction == self.per_fraction:
                    return []
                return [_finding("revenue", f"{name} revenue of one fraction", self.per_fraction, per_fraction)]
            case Claimed(account, amount):
                expected = self.claimable(account)
                self._debts[account] += amount << UNIT_BITS
                self.claimed += amount
                if amount == expected:
                    return []
                return [_finding("claim", f"{name} by {checksum(account)}", expected, amount)]
            case Taken(sender, to, amount):
                self._debts[sender] += amount << UNIT_BITS
                self._debts[to] -= amount << UNIT_BITS
        return []

    def _move(self, name: str, sender: bytes, to: bytes, fractions: int) -> list[Finding]:
        earlier = self.per_fraction * fractions
        if sender == ZERO:
            self.supply += fractions
        else:
            self.fractions[sender] -= fractions
            self._debts[sender] -= earlier
        self.fractions[to] += fractions
        self._debts[to] += earlier
        if self.fractions[sender] >= 0:
            return []
        held = self.fractions[sender] + fractions
        return [_finding("holding", f"{name} of {checksum(sender)}", f"at most {held}", fractions)]

    def _pay_in(self, amount: int) -> None:
        self.deposited += amount
        if self.supply:
            each, self._carried = divmod(self._carried + (amount << UNIT_BITS), self.supply)
            self.per_fraction += each


def _finding(kind: str, subject: str, expected: object, actual: object) -> Finding:
    return Finding(kind, subject, str(expected), str(actual), "deposits and transfers", "blockchain")
