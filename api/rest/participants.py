"""Who may take part: clearance by administrators, and what the chain knows of it."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends
from pydantic import Field

from api.deps import Reader, SignedIn, Site, Writer, admin, own
from api.rest.accepted import Accepted, IdempotencyKey
from api.rest.fields import Address, Answer, Instant, Request, Second
from api.rest.meta import Meta, Stamp
from indexer.db import queries
from node import participants
from node.errors import NotFound

router = APIRouter(tags=["participants"])
SQL = queries(__name__)

Role = Literal["producer", "consumer"]


class NewParticipant(Request):
    """Clears an account until ``kyc_until``; ``country`` is an ISO 3166-1 number."""

    account: Address
    roles: Annotated[list[Role], Field(min_length=1, max_length=2)]
    kyc_until: Second
    country: Annotated[int, Field(ge=1, le=999)]


class Participant(Answer):
    """An account's clearance as the chain has it."""

    meta: Meta | None
    account: Address
    roles: list[Role]
    frozen: bool
    kyc_until: Instant
    country: int


@router.post("/v1/participants", status_code=202, dependencies=[Depends(admin)])
async def register(body: NewParticipant, db: Writer, site: Site, idempotency_key: IdempotencyKey) -> Accepted:
    """Clears an account for trading."""
    outbox_id = await participants.register(
        db,
        site.chain,
        account=body.account,
        roles=body.roles,
        kyc_until=body.kyc_until,
        country=body.country,
        request_id=idempotency_key,
    )
    return Accepted(outbox_id=outbox_id)


@router.get("/v1/participants/{account}")
async def participant(account: Address, caller: SignedIn, db: Reader, site: Site, meta: Stamp) -> Participant:
    """An account's clearance; one's own, or any for operators."""
    own(caller, account)
    row = await db.fetchrow(SQL["participant"], site.chain_id, account)
    if row is None:
        raise NotFound
    roles = [name for name, flag in participants.ROLE_FLAGS.items() if row["flags"] & flag]
    frozen = bool(row["flags"] & participants.FROZEN_FLAG)
    return Participant.model_validate({**row, "meta": meta, "roles": roles, "frozen": frozen})
