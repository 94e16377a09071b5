"""What is deployed, and in which domains people sign."""

from typing import Any

from fastapi import APIRouter, Depends

from api.deps import Site, public
from api.rest.fields import Address, Answer
from contracts.typed_data import (
    EXCHANGE_NAME,
    EXCHANGE_VERSION,
    PAYMENT_TOKEN_NAME,
    PAYMENT_TOKEN_VERSION,
    checksum,
)

router = APIRouter(tags=["contracts"], dependencies=[Depends(public)])


class SigningDomain(Answer):
    """An EIP-712 domain."""

    name: str
    version: str
    chain_id: int
    verifying_contract: Address


class Contracts(Answer):
    chain_id: int
    start_block: int
    contracts: dict[str, str]
    exchange_domain: SigningDomain
    payment_token_domain: SigningDomain


def payment_token_domain(site: Any) -> SigningDomain:
    """Where deposits' permits are signed (ERC-2612)."""
    return SigningDomain(
        name=PAYMENT_TOKEN_NAME,
        version=PAYMENT_TOKEN_VERSION,
        chain_id=site.chain_id,
        verifying_contract=site.chain.deployment.address("PaymentToken"),
    )


@router.get("/v1/contracts")
async def contracts(site: Site) -> Contracts:
    """Addresses and signing domains. Compare them with what you know before you sign."""
    deployment = site.chain.deployment
    return Contracts(
        chain_id=site.chain_id,
        start_block=deployment.start_block,
        contracts={name: checksum(address) for name, address in sorted(deployment.addresses.items())},
        exchange_domain=SigningDomain(
            name=EXCHANGE_NAME,
            version=EXCHANGE_VERSION,
            chain_id=site.chain_id,
            verifying_contract=deployment.address("SettlementExchange"),
        ),
        payment_token_domain=payment_token_domain(site),
    )
