"""ERC-2612 permits of the payment token, given to an asset's token."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from contracts.typed_data import (
    PAYMENT_TOKEN_NAME,
    PAYMENT_TOKEN_VERSION,
    BadSignature,
    checksum,
    permit_digest,
    recover,
)
from node.errors import Refused
from node.participants import ChainContext, WrongSigner

LONGEST_DEADLINE_S: Final = 3_600
"""What could be carried out later would bind its signer to a forgotten click."""


class PermitTooSmall(Refused):
    """The permit does not cover what is to be paid."""

    code = "permit-too-small"


class DeadlineInvalid(Refused):
    """The deadline has passed, or is too far away."""

    code = "deadline-invalid"


@dataclass(frozen=True, slots=True)
class TokenPermit:
    """Allows an asset's token to take ``value`` payment token units. ``value`` 0: there is an allowance already."""

    value: int
    nonce: int
    deadline: int
    signature: bytes

    @property
    def fields(self) -> tuple[int, int, int, bytes, bytes]:
        """IAssetToken.Permit."""
        if not self.value:
            return 0, 0, 0, bytes(32), bytes(32)
        return self.value, self.deadline, self.signature[64], self.signature[:32], self.signature[32:64]


def check_deadline(deadline: int, now: datetime) -> None:
    """Raises DeadlineInvalid unless what is signed can be carried out now and not for long."""
    left_s = deadline - now.timestamp()
    if not 0 < left_s <= LONGEST_DEADLINE_S:
        raise DeadlineInvalid(f"deadline={deadline} must be 1 to {LONGEST_DEADLINE_S} s away, is {left_s:.0f}")


def check_permit(chain: ChainContext, token: bytes, permit: TokenPermit, owner: bytes, amount: int) -> None:
    """Checks a permit as far as that can be done without the chain.

    Raises:
        PermitTooSmall: it is for less than ``amount``.
        WrongSigner: it is not signed by ``owner``, or over other values.
    """
    if not permit.value:
        return
    if permit.value < amount:
        raise PermitTooSmall(f"the permit is for {permit.value}, {amount} are needed")
    digest = permit_digest(
        PAYMENT_TOKEN_NAME,
        PAYMENT_TOKEN_VERSION,
        chain.chain_id,
        chain.deployment.address("PaymentToken"),
        owner,
        token,
        permit.value,
        permit.nonce,
        permit.deadline,
    )
    try:
        signer = recover(digest, permit.signature)
    except BadSignature as error:
        raise WrongSigner(str(error)) from error
    if signer != owner:
        raise WrongSigner(f"the permit is signed by {checksum(signer)}, not by {checksum(owner)}")
