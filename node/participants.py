"""Taking part: clearance, meters on chain, deposits, imbalance mandates; each becomes one outbox transaction.

Every request is checked here before it costs gas, and carries its own authority where it moves somebody's money: a
deposit its ERC-2612 permit, a mandate its EIP-712 signature.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from contracts.abi import encode_call
from contracts.addresses import Deployment
from contracts.typed_data import (
    PAYMENT_TOKEN_NAME,
    PAYMENT_TOKEN_VERSION,
    BadSignature,
    Domain,
    Mandate,
    checksum,
    mandate_digest,
    permit_digest,
    recover,
)
from indexer.db import Connection
from node.errors import Refused
from node.outbox import enqueue

ROLE_FLAGS: Final = {"producer": 1, "consumer": 2}
FROZEN_FLAG: Final = 4
POWER_HEADROOM: Final = 2
"""The chain's cap of a meter's power, in fuses: above all that validation takes, so that no honest one is refused."""


class WrongSigner(Refused):
    """The signature is not the account's own."""

    code = "wrong-signer"


class UnknownRole(Refused):
    """A participant is a producer, a consumer, or both."""

    code = "unknown-role"


@dataclass(frozen=True, slots=True)
class ChainContext:
    """The deployed contracts, and who sends to them."""

    chain_id: int
    deployment: Deployment
    operator: bytes
    """Address that holds the registrar, attester, settler and (on a devnet) faucet roles."""

    @property
    def domain(self) -> Domain:
        """EIP-712 domain of orders and mandates."""
        return Domain(self.chain_id, self.deployment.address("SettlementExchange"))

    async def send(self, db: Connection, *, key: str, kind: str, contract: str, calldata: bytes) -> int:
        """Puts one transaction to one of our contracts into the outbox; returns its number."""
        return await enqueue(
            db,
            key=key,
            kind=kind,
            sender=self.operator,
            target=self.deployment.address(contract),
            calldata=calldata,
        )


@dataclass(frozen=True, slots=True)
class Permit:
    """An ERC-2612 permit for the exchange to take ``amount`` cash units from ``owner``."""

    owner: bytes
    amount: int
    nonce: int
    deadline: int
    signature: bytes


async def register(
    db: Connection,
    chain: ChainContext,
    *,
    account: bytes,
    roles: Sequence[str],
    kyc_until: datetime,
    country: int,
    request_id: str,
    kept_flags: int = 0,
) -> int:
    """Clears an account for trading until ``kyc_until``; returns the outbox number.

    ``kept_flags`` are those that it keeps beside its roles'.

    The same ``request_id`` is sent once; a later request with the same values is another one, since the account may
    have been changed in between.

    Raises:
        UnknownRole: a role is neither producer nor consumer.
    """
    unknown = sorted(set(roles) - ROLE_FLAGS.keys())
    if unknown:
        raise UnknownRole(f"unknown role {unknown[0]!r}: a participant is a producer, a consumer, or both")
    flags = kept_flags | sum(ROLE_FLAGS[role] for role in set(roles))
    until_s = int(kyc_until.timestamp())
    calldata = encode_call("ParticipantRegistry", "setParticipant", account, until_s, flags, country)
    key = f"participant:{account.hex()}:{request_id}"
    return await chain.send(db, key=key, kind="set_participant", contract="ParticipantRegistry", calldata=calldata)


async def announce_meter(
    db: Connection,
    chain: ChainContext,
    *,
    meter_id: int,
    owner: bytes,
    zone: int,
    key: bytes,
    plant_id: bytes,
    request_id: str,
) -> int:
    """Puts a meter, its owner and its signing key on chain; returns the outbox number."""
    calldata = encode_call("ParticipantRegistry", "setMeter", meter_id, owner, zone, True, key, plant_id)
    return await chain.send(
        db, key=f"meter:{meter_id}:{request_id}", kind="set_meter", contract="ParticipantRegistry", calldata=calldata
    )


async def cap_power(db: Connection, chain: ChainContext, *, meter_id: int, fuse_w: int, request_id: str) -> int:
    """Limits on chain how fast a meter's register may grow, by what its connection carries; returns the outbox number.

    The ledger refuses more than its own limit (``Parameters.max_power_w``), which then goes on to hold for the meter.
    """
    calldata = encode_call("ProductionLedger", "setPowerCap", meter_id, POWER_HEADROOM * fuse_w)
    key = f"power-cap:{meter_id}:{request_id}"
    return await chain.send(db, key=key, kind="set_power_cap", contract="ProductionLedger", calldata=calldata)


def permit_digest_of(chain: ChainContext, permit: Permit) -> bytes:
    """What the owner signs to let the exchange take the deposit (ERC-2612)."""
    return permit_digest(
        PAYMENT_TOKEN_NAME,
        PAYMENT_TOKEN_VERSION,
        chain.chain_id,
        chain.deployment.address("PaymentToken"),
        permit.owner,
        chain.deployment.address("SettlementExchange"),
        permit.amount,
        permit.nonce,
        permit.deadline,
    )


def _require_signer(digest: bytes, signature: bytes, account: bytes) -> None:
    try:
        signer = recover(digest, signature)
    except BadSignature as error:
        raise WrongSigner(str(error)) from error
    if signer != account:
        raise WrongSigner(f"signed by {checksum(signer)}, not by {checksum(account)}")


async def deposit(db: Connection, chain: ChainContext, permit: Permit) -> int:
    """Moves cash from the owner's wallet into his vault account by his permit; returns the outbox number.

    Raises:
        WrongSigner: the permit is not signed by its owner, or over other values.
    """
    _require_signer(permit_digest_of(chain, permit), permit.signature, permit.owner)
    r, s, v = permit.signature[:32], permit.signature[32:64], permit.signature[64]
    calldata = encode_call(
        "SettlementExchange", "depositWithPermit", permit.owner, permit.amount, permit.deadline, v, r, s
    )
    key = f"deposit:{permit.owner.hex()}:{permit.nonce}:{permit.amount}:{permit.deadline}"
    return await chain.send(db, key=key, kind="deposit", contract="SettlementExchange", calldata=calldata)


async def set_mandate(db: Connection, chain: ChainContext, mandate: Mandate, signature: bytes) -> int:
    """Puts an account's standing imbalance mandate on chain; returns the outbox number.

    Raises:
        WrongSigner: the mandate is not signed by its account.
    """
    _require_signer(mandate_digest(chain.domain, mandate), signature, mandate.account)
    fields = (mandate.account, mandate.budget_per_slot, mandate.budget, mandate.expiry, mandate.nonce)
    calldata = encode_call("SettlementExchange", "setMandate", fields, signature)
    key = f"mandate:{mandate.account.hex()}:{mandate.nonce}"
    return await chain.send(db, key=key, kind="set_mandate", contract="SettlementExchange", calldata=calldata)


async def faucet(db: Connection, chain: ChainContext, *, account: bytes, amount: int, request_id: str) -> int:
    """Mints devnet money to an account; the same ``request_id`` mints once. Returns the outbox number."""
    calldata = encode_call("PaymentToken", "mint", account, amount)
    key = f"faucet:{account.hex()}:{request_id}"
    return await chain.send(db, key=key, kind="faucet", contract="PaymentToken", calldata=calldata)
