"""What a deployment is given: parameters that the contracts fix, and who does what. No I/O."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from contracts.typed_data import checksum
from node.errors import Refused
from node.wallet import DEV_CHAIN_IDS

TRACE: Final = 10**18
"""Units of one TRACE."""

ROLES: Final = {
    "registrar": 1,
    "faucet": 2,
    "guardian": 3,
    "treasurer": 4,
    "corrector": 5,
    "certifier": 6,
    "carbon-issuer": 7,
    "asset-manager": 8,
    "pool-manager": 10,
}
"""Roles of the AccessManager that accounts hold, numbered as in contracts/src/registry/Roles.sol."""


class PowersTogether(Refused):
    """The operator may be neither the guardian who can stop him nor the treasury whose votes can replace him."""

    code = "powers-together"


@dataclass(frozen=True, slots=True)
class Parameters:
    """What the contracts are created with."""

    slot_s: int = 900
    """Length of a delivery slot, seconds."""
    withdrawal_delay_s: int = 3_600
    """From announcing a withdrawal to executing it, seconds.

    Cash that a book counted at its gate must not leave before the slot settles: gate lead, slot, reading grace and
    the way through attestation to the batch, 1,500 s by default and whatever an outage adds. Hence the most that the
    contract allows.
    """
    max_fee_per_kwh: int = 720_000
    """Cap of what may remain per kWh sold, micro-currency: a grid fee of 200,000 and twice a spread of 260,000."""
    max_power_w: int = 10_000_000
    """The highest power any meter feeds, watts: caps the growth of its register."""
    correction_window_s: int = 7 * 86_400
    """How long after its slot a register may be corrected, seconds."""
    zones: tuple[tuple[int, str], ...] = ((1, "ZONE-1"),)
    """Grid zones that meters may be in: number and code."""
    timelock_delay_s: int = 2 * 86_400
    """From a vote's end to its effect, seconds; at least 7,200, so that whoever disagrees can withdraw before."""
    voting_delay_s: int = 86_400
    """From a proposal to the moment whose votes count, seconds."""
    voting_period_s: int = 7 * 86_400
    """How long a vote lasts, seconds."""
    proposal_threshold: int = 100_000 * TRACE
    """Votes needed to propose, units of 10^-18 TRACE."""
    quorum_percent: int = 4
    """Part of all TRACE that must take part in a vote."""
    trace_supply: int = 100_000_000 * TRACE
    """TRACE issued to the treasury at once, units of 10^-18."""
    trace_cap: int = 1_000_000_000 * TRACE
    """The most TRACE there may ever be, units of 10^-18."""

    @classmethod
    def of_devnet(cls, **given: Any) -> "Parameters":
        """Votes that can be watched: minutes instead of days, and the shortest delay that the timelock allows."""
        return cls(**{"timelock_delay_s": 7_200, "voting_delay_s": 60, "voting_period_s": 600, **given})


@dataclass(frozen=True, slots=True)
class Choices:
    """Everything that makes two deployments differ."""

    parameters: Parameters
    operator: bytes
    """Settles, attests, and holds every role that is not given to somebody else."""
    treasury: bytes
    """Receives the first TRACE, and with it the votes."""
    holders: Mapping[str, bytes]
    """Who holds which role."""

    @classmethod
    def of(
        cls,
        chain_id: int,
        operator: bytes,
        *,
        parameters: Parameters | None = None,
        treasury: bytes | None = None,
        holders: Mapping[str, bytes] | None = None,
    ) -> "Choices":
        """The choices with what was left open filled in: all roles are the operator's, but for the faucet's, which on
        chains that are no development network nobody has unless somebody is named.

        Raises:
            PowersTogether: on such a chain, nobody but the operator is guardian, or treasury.
        """
        is_dev = chain_id in DEV_CHAIN_IDS
        ours = {role: operator for role in ROLES if role != "faucet" or is_dev}
        default = Parameters.of_devnet() if is_dev else Parameters()
        chosen = cls(parameters or default, operator, treasury or operator, {**ours, **(holders or {})})
        his = {"guardian": chosen.holders["guardian"], "treasury": chosen.treasury}
        together = [name for name, account in his.items() if account == operator]
        if together and not is_dev:
            raise PowersTogether(f"on chain {chain_id}, {' and '.join(together)} cannot be the operator: name others")
        return chosen

    def as_json(self) -> dict[str, Any]:
        """For the deployment's file: amounts as text, since JSON readers round large numbers; addresses in EIP-55."""
        plain = asdict(self.parameters)
        for name, value in plain.items():
            if isinstance(value, int) and value > 2**53:
                plain[name] = str(value)
        plain["zones"] = {str(number): code for number, code in self.parameters.zones}
        return {
            **plain,
            "operator": checksum(self.operator),
            "treasury": checksum(self.treasury),
            "roles": {role: checksum(holder) for role, holder in sorted(self.holders.items())},
        }

    def differences(self, recorded: Mapping[str, Any]) -> list[str]:
        """What was recorded otherwise, in words; nothing where the record has no such entry."""
        ours = self.as_json()
        return [
            f"{name} is {recorded[name]}, not {value}"
            for name, value in ours.items()
            if name in recorded and recorded[name] != value
        ]
