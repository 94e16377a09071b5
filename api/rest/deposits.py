"""Money into the vault: by a permit its owner signed; and devnet money out of thin air."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query
from pydantic import Field

from api.deps import Site, Writer, by_signature, public, snapshot
from api.errors import NOWHERE
from api.rest.accepted import Accepted, IdempotencyKey
from api.rest.contracts import SigningDomain, payment_token_domain
from api.rest.fields import Address, Answer, Instant, Natural, Request, Second, Signature, seconds
from node import nonces, participants
from node.errors import NotFound

router = APIRouter(tags=["money"])

PERMIT_LIFE: Final = timedelta(days=1)


class PermitTerms(Answer):
    """What the owner signs (ERC-2612) before ``POST /v1/deposits``. Cash units."""

    token: SigningDomain
    owner: Address
    spender: Address
    value: Natural
    nonce: Natural
    deadline: Instant


class NewDeposit(Request):
    """A signed permit for ``amount`` cash units."""

    account: Address
    amount: Natural
    nonce: Natural
    deadline: Second
    signature: Signature


class FaucetRequest(Request):
    account: Address
    amount: Annotated[Natural, Field(le=10**15)]


@router.get("/v1/deposits/permit", dependencies=[Depends(public)])
async def permit(site: Site, account: Annotated[Address, Query()], amount: Annotated[Natural, Query()]) -> PermitTerms:
    """What must be signed to deposit ``amount``. Compare it with ``GET /v1/contracts`` before signing."""
    async with snapshot(site) as db:
        under_way = await nonces.permits_under_way(db, account)
    async with site.nonces.turn():
        nonce = await nonces.of_permit(site.rpc, site.chain, account, under_way)
    deadline = seconds(site.clock.now().replace(microsecond=0) + PERMIT_LIFE)
    return PermitTerms(
        token=payment_token_domain(site),
        owner=account,
        spender=site.chain.deployment.address("SettlementExchange"),
        value=amount,
        nonce=nonce,
        deadline=datetime.fromtimestamp(deadline, UTC),
    )


@router.post("/v1/deposits", status_code=202, dependencies=[Depends(by_signature)])
async def deposit(body: NewDeposit, db: Writer, site: Site) -> Accepted:
    """Moves money from the owner's wallet into his vault account."""
    signed = participants.Permit(
        owner=body.account,
        amount=body.amount,
        nonce=body.nonce,
        deadline=seconds(body.deadline),
        signature=body.signature,
    )
    return Accepted(outbox_id=await participants.deposit(db, site.chain, signed))


@router.post("/v1/faucet", status_code=202, dependencies=[Depends(public)])
async def faucet(
    body: FaucetRequest,
    db: Writer,
    site: Site,
    idempotency_key: IdempotencyKey,
) -> Accepted:
    """Devnet money into an account's wallet; on any other chain there is no such place."""
    if not site.config.devnet:
        raise NotFound(NOWHERE)
    outbox_id = await participants.faucet(
        db, site.chain, account=body.account, amount=body.amount, request_id=idempotency_key
    )
    return Accepted(outbox_id=outbox_id)
