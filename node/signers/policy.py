"""What the operator's key signs: calls of our own contracts that the node makes, and next to no money.

It stands before every signer, wherever the key is: whoever can write to the outbox cannot have anything else signed.
"""

import json
import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from contracts.abi import CHILDREN, selector
from contracts.addresses import Deployment
from contracts.typed_data import checksum
from node.wallet import Signer, SignerUnavailable, SigningForbidden

CALLS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "ParticipantRegistry": ("setParticipant", "setMeter"),
        "PaymentToken": ("mint",),
        "ProductionLedger": ("attest", "issue", "setPowerCap"),
        "SettlementExchange": ("settleBatch", "depositWithPermit", "setMandate"),
        "AssetFactory": ("createAsset",),
        "AssetToken": ("setDocuments", "depositRevenueFor", "claimFor", "buyFor"),
    }
)
"""All that the node sends."""


class DayLimitReached(SignerUnavailable):
    """The day's transactions carry as much money as the policy lets them; the next day signs on."""

    code = "signing-day-limit"


@dataclass(frozen=True, slots=True)
class Policy:
    """Targets with their selectors, and how much money transactions may carry."""

    chain_id: int
    calls: frozenset[tuple[bytes, bytes]]
    """Pairs of target and selector."""
    elsewhere: frozenset[bytes]
    """Selectors that may be called at targets which ``calls`` does not name: every asset is a contract of its own."""
    value_per_day: int = 0
    """Wei that the transactions of one day (UTC) may carry together."""
    day_file: Path | None = None
    """Where the day's sum stands; needed where the limit is above 0."""


def policy(chain_id: int, deployment: Deployment, value_per_day: int = 0, day_file: Path | None = None) -> Policy:
    """The node's policy on these contracts."""
    calls = {
        (deployment.address(contract), selector(contract, function))
        for contract, functions in CALLS.items()
        if contract in deployment.addresses
        for function in functions
    }
    elsewhere = {selector(contract, function) for contract in CHILDREN for function in CALLS[contract]}
    return Policy(chain_id, frozenset(calls), frozenset(elsewhere), value_per_day, day_file)


class Guarded:
    """A signer that signs what the policy allows."""

    def __init__(
        self, signer: Signer, allowed: Policy, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._signer, self._policy, self._now = signer, allowed, now
        self._targets = {target for target, _ in allowed.calls}
        self._lock = threading.Lock()

    @property
    def address(self) -> bytes:
        """The account, 20 bytes."""
        return self._signer.address

    def sign_transaction(self, transaction: dict[str, Any]) -> bytes:
        """As the port says; DayLimitReached where the day's money is spent."""
        self._check(transaction)
        if transaction["value"]:
            with self._lock:
                self._count(transaction["value"])
        return self._signer.sign_transaction(transaction)

    def _check(self, transaction: Mapping[str, Any]) -> None:
        allowed, target = self._policy, bytes(transaction.get("to") or b"")
        called = bytes(transaction["data"][:4])
        if transaction.get("chainId") != allowed.chain_id:
            raise SigningForbidden(f"not for chain {allowed.chain_id}")
        if len(target) != 20:
            raise SigningForbidden("the node creates no contracts by itself")
        if (target, called) not in allowed.calls and (target in self._targets or called not in allowed.elsewhere):
            raise SigningForbidden(f"function 0x{called.hex()} of {checksum(target)} is not in the policy")
        if not 0 <= transaction["value"] <= allowed.value_per_day:
            raise SigningForbidden(f"{transaction['value']} wei, {allowed.value_per_day} may be sent in a day")

    def _count(self, value: int) -> None:
        """Adds to the day's sum, on disk before anything is signed."""
        path = self._policy.day_file
        assert path is not None, "the configuration demands it"
        today = self._now().date().isoformat()
        try:
            known = json.loads(path.read_text()) if path.exists() else {"day": today, "value_wei": "0"}
            spent = int(known["value_wei"]) if known["day"] == today else 0
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DayLimitReached(f"{path} does not say what was spent: {error}") from None
        if spent + value > self._policy.value_per_day:
            raise DayLimitReached(f"{spent} of {self._policy.value_per_day} wei were signed for on {today}")
        fresh = path.with_name(path.name + ".new")
        with fresh.open("w") as file:
            json.dump({"day": today, "value_wei": str(spent + value)}, file)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
