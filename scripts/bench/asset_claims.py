"""What paying a plant's holders costs: ``python -m scripts.bench.asset_claims [--json] [--holders N]``.

Receipts' ``gasUsed`` on anvil, with the deployed bytecode: the deposit of a distribution for two holders and for N, a
claim by itself, and claims of many in one transaction, as payouts send them.
"""

import argparse
import json
from dataclasses import asdict, dataclass
from typing import Final

from scripts.bench.evm import Anvil, anvil, deploy, read, send

NOW_S: Final = 1_750_150_800
ADMIN: Final = b"\xad" * 20
AT_ONCE: Final = 200
AMOUNT: Final = 1_000_000_000


@dataclass(frozen=True)
class Gas:
    """Of whole transactions."""

    holders: int
    deposit_for_two: int
    deposit_for_all: int
    claim_alone: int
    claim_of_a_pair_each: int
    claim_of_a_payout_each: int


class Plant:
    """A plant's token, and accounts that hold a fraction each."""

    def __init__(self, evm: Anvil, holders: int) -> None:
        self.evm = evm
        manager = deploy(evm, ADMIN, "GridtraceAccessManager", ADMIN)
        self.registry = deploy(evm, ADMIN, "ParticipantRegistry", manager)
        self.money = deploy(evm, ADMIN, "PaymentToken", manager)
        factory = deploy(evm, ADMIN, "AssetFactory", manager, self.registry, self.money)
        self.accounts = [(0xACC0 << 64 | number).to_bytes(20, "big") for number in range(holders)]
        self._clear([ADMIN, *self.accounts])
        creation = (1, bytes(32), ADMIN, 10 * (holders + 1), "Plant", "SUN", bytes(32), "")
        send(evm, ADMIN, factory, "AssetFactory", "createAsset", creation)
        self.token = read(evm, factory, "AssetFactory", "assetOf", 1)
        self.token = bytes.fromhex(self.token[2:]) if isinstance(self.token, str) else self.token
        send(evm, ADMIN, self.money, "PaymentToken", "mint", ADMIN, 10**18)
        send(evm, ADMIN, self.money, "PaymentToken", "approve", self.token, 10**18)

    def _clear(self, accounts: list[bytes]) -> None:
        for at in range(0, len(accounts), AT_ONCE):
            entries = [(account, 2**60, 1, 756) for account in accounts[at : at + AT_ONCE]]
            send(self.evm, ADMIN, self.registry, "ParticipantRegistry", "setParticipants", entries)

    def share(self, accounts: list[bytes]) -> None:
        """Gives each a fraction."""
        for account in accounts:
            send(self.evm, ADMIN, self.token, "AssetToken", "transfer", account, 1)

    def deposit(self) -> int:
        """Gas of paying a distribution in."""
        return send(self.evm, ADMIN, self.token, "AssetToken", "depositRevenue", AMOUNT, bytes(32)).gas

    def claim(self, account: bytes) -> int:
        """Gas of a claim by the holder himself."""
        return send(self.evm, account, self.token, "AssetToken", "claim").gas

    def claim_for(self, accounts: list[bytes]) -> int:
        """Gas of a payout."""
        return send(self.evm, ADMIN, self.token, "AssetToken", "claimFor", accounts).gas


def measure(holders: int) -> Gas:
    """The figures in the steady state: everybody has been paid before."""
    with anvil(NOW_S) as evm:
        plant = Plant(evm, holders)
        plant.share(plant.accounts[:1])
        plant.deposit()
        for_two = plant.deposit()
        plant.share(plant.accounts[1:])
        for_all = plant.deposit()
        many = plant.accounts[: min(AT_ONCE, holders)]
        plant.claim_for(many)
        plant.deposit()
        alone = plant.claim(many[0])
        pair = plant.claim_for(many[1:3])
        plant.deposit()
        return Gas(holders, for_two, for_all, alone, pair // 2, plant.claim_for(many) // len(many))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="machine-readable")
    parser.add_argument("--holders", type=int, default=10_000)
    options = parser.parse_args()
    found = measure(options.holders)
    if options.json:
        print(json.dumps(asdict(found)))
        return
    print(f"deposit: {found.deposit_for_two:,} gas for 2 holders, {found.deposit_for_all:,} for {found.holders:,}")
    print(f"claim: {found.claim_alone:,} alone, {found.claim_of_a_pair_each:,} each of two, ", end="")
    print(f"{found.claim_of_a_payout_each:,} each of {min(AT_ONCE, found.holders)} in a payout")


if __name__ == "__main__":
    main()
