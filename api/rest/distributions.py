"""Revenue of assets: computed from settled slots, reviewed, paid in with the owner's signature."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from pydantic import Field

from api.deps import Admin, Reader, Site, Writer, admin, by_signature, public, snapshot
from api.rest.accepted import Accepted
from api.rest.contracts import SigningDomain, payment_token_domain
from api.rest.fields import Address, Answer, Hash, Instant, Natural, Request, Second, Signature, seconds
from api.rest.investments import TERMS_LIFE_S, Permit, asset_domain
from api.rest.meta import Meta, Stamp, stamp
from api.rest.paging import Page
from contracts.typed_data import RevenueDeposit
from node import nonces
from node.assets import registry, revenue
from node.assets.registry import AssetState

router = APIRouter(tags=["assets"])


class Period(Request):
    """Days in UTC; ``period_end`` is the first day after the period."""

    period_start: date
    period_end: date


class Distribution(Answer):
    """``amount`` in payment token units; ``distribution_id`` is its name on chain."""

    id: UUID
    asset_id: UUID
    period_start: date
    period_end: date
    amount: Natural
    total_amount: Decimal
    energy_wh: Natural
    sold_wh: Natural
    slots: int
    open_slots: int
    status: Literal["pending", "approved", "submitted", "distributed", "rejected"]
    distribution_date: Instant | None
    outbox_id: int | None
    transaction_hash: Hash | None
    distribution_id: Hash


class OneDistribution(Answer):
    meta: Meta | None
    distribution: Distribution


class Decision(Request):
    decision: Literal["approve", "reject"]


class DepositTerms(Answer):
    """What the owner signs: a deposit under ``asset_domain``, and a permit under ``payment_domain`` for ``token``."""

    depositor: Address
    token: Address
    amount: Natural
    distribution_id: Hash
    permit_nonce: Natural
    deadline: Instant
    asset_domain: SigningDomain
    payment_domain: SigningDomain


class NewDeposit(Request):
    """A signed payment (EIP-712 ``Deposit`` of the asset's token) and the permit that covers it."""

    depositor: Address
    amount: Annotated[Natural, Field(lt=2**255)]
    deadline: Second
    signature: Signature
    permit: Permit


async def _one(db: Reader, distribution_id: UUID, meta: Meta | None) -> OneDistribution:
    found = await revenue.distributions(db, distribution_id=distribution_id, limit=1)
    if not found:
        raise revenue.DistributionNotFound(f"no distribution {distribution_id}")
    return OneDistribution(meta=meta, distribution=_answer(found[0]))


def _answer(found: revenue.Distribution) -> Distribution:
    values = {name: getattr(found, name) for name in Distribution.model_fields if name != "distribution_id"}
    return Distribution(**values, distribution_id=found.chain_id)


@router.get("/v1/distributions", dependencies=[Depends(public)])
async def distributions(
    db: Reader,
    meta: Stamp,
    asset_id: UUID | None = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> Page[Distribution]:
    """Distributions, the newest period first."""
    found = await revenue.distributions(db, asset_id=asset_id, limit=limit)
    return Page(meta=meta, items=[_answer(item) for item in found])


@router.post("/v1/assets/{asset_id}/distributions", status_code=201, dependencies=[Depends(admin)])
async def propose(asset_id: UUID, body: Period, db: Writer, site: Site, meta: Stamp) -> OneDistribution:
    """Computes what the asset's meters brought in a period that is over."""
    today = site.clock.now().date()
    made = await revenue.propose(db, site.chain_id, asset_id, body.period_start, body.period_end, today)
    return await _one(db, made, meta)


@router.post("/v1/distributions/{distribution_id}/decision")
async def decide(distribution_id: UUID, body: Decision, caller: Admin, db: Writer, meta: Stamp) -> OneDistribution:
    """Approves the amount as computed, or sets it aside so that the period can be computed again."""
    act = revenue.approve if body.decision == "approve" else revenue.reject
    await act(db, distribution_id, caller.account)
    return await _one(db, distribution_id, meta)


@router.get("/v1/distributions/{distribution_id}/terms", dependencies=[Depends(public)])
async def terms(distribution_id: UUID, site: Site) -> DepositTerms:
    """What the asset's owner must sign to pay in. Compare it with what your wallet shows before signing."""
    async with snapshot(site) as db:
        found = (await _one(db, distribution_id, await stamp(db, site))).distribution
        asset = await registry.asset(db, site.chain_id, found.asset_id)
        if asset.token is None:
            raise AssetState(f"asset {asset.id} is not on chain")
        permits = await nonces.permits_under_way(db, asset.owner)
    async with site.nonces.turn():
        permit_nonce = await nonces.of_permit(site.rpc, site.chain, asset.owner, permits)
    return DepositTerms(
        depositor=asset.owner,
        token=asset.token,
        amount=found.amount,
        distribution_id=found.distribution_id,
        permit_nonce=permit_nonce,
        deadline=datetime.fromtimestamp(int(site.chain_now()) + TERMS_LIFE_S, UTC),
        asset_domain=asset_domain(site, asset.token),
        payment_domain=payment_token_domain(site),
    )


@router.post("/v1/distributions/{distribution_id}/deposit", status_code=202, dependencies=[Depends(by_signature)])
async def deposit(distribution_id: UUID, body: NewDeposit, db: Writer, site: Site) -> Accepted:
    """Pays an approved distribution in: holders can claim it from then on."""
    signed = RevenueDeposit(body.depositor, body.amount, revenue.name_of(distribution_id), seconds(body.deadline))
    now = datetime.fromtimestamp(site.chain_now(), UTC)
    sent = await revenue.deposit(db, site.chain, distribution_id, signed, body.signature, body.permit.signed(), now)
    return Accepted(outbox_id=sent)
