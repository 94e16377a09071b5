"""Which refused batches were one account's own doing, so that nobody can use up a slot's attempts.

Between a batch and its block an account may raise its nonce, withdraw, or replace its mandate; the exchange then
refuses the batch and names the account. The next batch is judged by what the chain says by then, without what has
become void. Such an attempt is excused, as often as the account has something in the slot that can still be left out.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

ATTEMPTS: Final = 3
"""How often a batch that the chain refused is built anew, excused attempts not counted."""

_CHARGE_ERRORS: Final = frozenset({"InsufficientCash", "MandateExceeded", "MandateExpired"})
_OWN_ERRORS: Final = _CHARGE_ERRORS | {
    "InsufficientEnergy",
    "MandateVoid",
    "NotCleared",
    "OrderExpired",
    "OrderVoid",
    "OtherSide",
    "OverFilled",
    "SlotPassed",
}
"""Errors of the exchange that follow from what the named account did, and from nothing that the node chose."""
_CHARGES: Final = 2
"""What is excused of an account besides its orders: its charge judged anew, and then its charge withheld."""
_NAMED: Final = re.compile(r"(\w+)\((?:account|trader)=0x([0-9a-fA-F]{40})[,)]")


@dataclass(frozen=True, slots=True)
class Tally:
    """What a settlement's refused attempts come to."""

    attempts: int
    counted: int
    """Those that no account answers for; the settlement fails with the ``ATTEMPTS``-th."""
    withheld: frozenset[bytes]
    """Accounts whose means were the reason twice: whatever they allow, nothing is charged of them any more.

    A mandate can be replaced with every block, so that what it allows would never be known in time.
    """

    @property
    def exhausted(self) -> bool:
        return self.counted >= ATTEMPTS


def culprit(error: str | None, grid_account: bytes) -> tuple[str, bytes] | None:
    """The error's name and the account whose doing it is, if it is anybody's; the grid account is the operator's."""
    found = _NAMED.match(error or "")
    if found is None or found[1] not in _OWN_ERRORS:
        return None
    account = bytes.fromhex(found[2])
    return None if account == grid_account else (found[1], account)


def tally(errors: Iterable[str | None], orders: Mapping[bytes, int], grid_account: bytes) -> Tally:
    """Sums up the refused attempts of a slot in which each account has so many traded ``orders``.

    There are at most ``ATTEMPTS`` more of them than orders and twice the accounts of the batch.
    """
    errors = list(errors)
    named: Counter[bytes] = Counter()
    charged: Counter[bytes] = Counter()
    for error in errors:
        if (who := culprit(error, grid_account)) is not None:
            named[who[1]] += 1
            charged[who[1]] += who[0] in _CHARGE_ERRORS
    excused = sum(min(times, orders.get(account, 0) + _CHARGES) for account, times in named.items())
    withheld = frozenset(account for account, times in charged.items() if times >= _CHARGES)
    return Tally(len(errors), len(errors) - excused, withheld)
