"""Which transactions, transfers and traces of a chain are kept. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scope:
    """All of a chain, or what concerns some addresses."""

    everything: bool = False
    contracts: bool = False
    """What concerns the manifest's contracts, and the transactions that their indexed events come from."""
    addresses: frozenset[bytes] = frozenset()

    def concerns(self, parties: Iterable[bytes | None], contracts: frozenset[bytes]) -> bool:
        """Whether one of the parties is among those that are asked for."""
        return self.everything or any(
            party in self.addresses or (self.contracts and party in contracts) for party in parties
        )

    def __str__(self) -> str:
        if self.everything:
            return "all of the chain"
        named = [*(["the contracts"] if self.contracts else []), *(f"0x{one.hex()}" for one in sorted(self.addresses))]
        return f"of {', '.join(named)}"
