"""The standing mandate to charge imbalance, signed by its account."""

from fastapi import APIRouter, Depends

from api.deps import Site, Writer, by_signature
from api.rest.accepted import Accepted
from api.rest.fields import Address, Natural, Request, Second, Signature, seconds
from contracts.typed_data import Mandate
from node import participants

router = APIRouter(tags=["money"])


class NewMandate(Request):
    """Budgets in cash units; ``nonce`` above the account's last mandate's."""

    account: Address
    budget_per_slot: Natural
    budget: Natural
    expiry: Second
    nonce: Natural
    signature: Signature


@router.post("/v1/mandates", status_code=202, dependencies=[Depends(by_signature)])
async def set_mandate(body: NewMandate, db: Writer, site: Site) -> Accepted:
    """Puts a signed mandate on chain."""
    mandate = Mandate(body.account, body.budget_per_slot, body.budget, seconds(body.expiry), body.nonce)
    return Accepted(outbox_id=await participants.set_mandate(db, site.chain, mandate, body.signature))
