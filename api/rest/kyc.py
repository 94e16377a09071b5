"""Clearance: one's own application, and the queue of those who decide."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response
from pydantic import ConfigDict, Field

from api.deps import Admin, InPerson, Reader, Sealing, Site, Writer, admin
from api.rest.accepted import Accepted, IdempotencyKey
from api.rest.fields import Address, Answer, Instant, Line, Request, Second
from node import kyc

router = APIRouter(tags=["kyc"])

Status = Literal["pending", "approved", "rejected", "expired"]
DocumentType = Literal["passport", "id_card", "residence_permit", "company_register"]


class NewApplication(Request):
    """``roles``: none to hold fractions of assets; producer and consumer to trade energy."""

    email: Annotated[str, Field(pattern=r"^[^@\s\x00-\x1f\x7f]{1,64}@[^@\s\x00-\x1f\x7f]{1,190}$")]
    full_name: Annotated[Line, Field(max_length=255)]
    country_code: Annotated[str, Field(pattern=r"^[A-Z]{2}$")]
    phone: Annotated[str, Field(pattern=r"^\+[0-9 ]{6,24}$")]
    document_type: DocumentType
    document_number: Annotated[Line, Field(min_length=3, max_length=50)]
    roles: Annotated[list[Literal["producer", "consumer"]], Field(max_length=2, default_factory=list)]


class Application(Answer):
    """Telephone and document number are cut to their last characters."""

    user_id: UUID
    wallet: Address
    email: str | None
    kyc_status: Status
    full_name: str
    country_code: str
    phone: str
    document_type: DocumentType
    document_number: str
    roles: list[str]
    applied_at: Instant
    verification_date: Instant | None
    cleared_until: Instant | None
    decision_reason: str | None
    outbox_id: int | None


class PersonalData(Answer):
    """Whole, nothing cut; what is kept beside these is told too."""

    model_config = ConfigDict(extra="allow", frozen=True)

    user_id: UUID
    wallet_address: str
    email: str | None
    role: str
    kyc_status: Status
    created_at: Instant
    full_name: str
    country_code: str
    phone: str
    document_type: DocumentType
    document_number: str
    roles: list[str]
    applied_at: Instant
    verification_date: Instant | None
    cleared_until: Instant | None
    decision_reason: str | None


class Applications(Answer):
    items: list[Application]


class Approval(Request):
    """``applied_at`` is that of the application that was looked at: of a later one nothing is decided."""

    cleared_until: Second
    applied_at: Instant


class Rejection(Request):
    """``applied_at`` is that of the application that was looked at: of a later one nothing is decided."""

    applied_at: Instant
    reason: Annotated[Line, Field(max_length=500)]


def _answer(found: kyc.Profile) -> Application:
    return Application.model_validate(found, from_attributes=True)


@router.put("/v1/kyc/application")
async def apply(body: NewApplication, caller: InPerson, db: Writer, box: Sealing) -> Application:
    """Applies, or renews one's application: it is decided anew. The chain learns nothing of this."""
    application = kyc.Application(**{**body.model_dump(), "roles": tuple(sorted(set(body.roles)))})
    await kyc.apply(db, box, caller.user_id, application)
    return _answer(await kyc.profile(db, caller.user_id))


@router.get("/v1/kyc/application")
async def application(caller: InPerson, db: Reader) -> Application:
    """One's own application and what became of it."""
    return _answer(await kyc.profile(db, caller.user_id))


@router.get("/v1/kyc/personal-data")
async def personal_data(caller: InPerson, db: Reader, box: Sealing, response: Response) -> PersonalData:
    """Everything personal that is kept of the caller, whole."""
    response.headers["Cache-Control"] = "no-store"
    return PersonalData.model_validate(await kyc.everything(db, box, caller.user_id))


@router.delete("/v1/kyc/personal-data", status_code=204)
async def erase(caller: InPerson, db: Writer) -> None:
    """Forgets everything personal that is kept of the caller. His account on chain, which names nobody, stays."""
    await kyc.erase(db, caller.user_id)


@router.get("/v1/kyc/applications", dependencies=[Depends(admin)])
async def applications(
    db: Reader, status: Status | None = "pending", limit: Annotated[int, Query(ge=1, le=500)] = 100
) -> Applications:
    """The queue, those who wait longest first."""
    return Applications(items=[_answer(found) for found in await kyc.profiles(db, status=status, limit=limit)])


@router.post("/v1/kyc/applications/{user_id}/approval", status_code=202)
async def approve(
    user_id: UUID, body: Approval, caller: Admin, db: Writer, site: Site, idempotency_key: IdempotencyKey
) -> Accepted:
    """Clears the applicant's account on chain."""
    sent = await kyc.approve(
        db, site.chain, user_id, caller.account, body.cleared_until, idempotency_key, body.applied_at
    )
    return Accepted(outbox_id=sent)


@router.post("/v1/kyc/applications/{user_id}/rejection", status_code=204)
async def reject(user_id: UUID, body: Rejection, caller: Admin, db: Writer) -> None:
    """Turns an application down; the applicant reads the reason."""
    await kyc.reject(db, user_id, caller.account, body.reason, body.applied_at)
