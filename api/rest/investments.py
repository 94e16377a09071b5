"""Buying fractions with a wallet, and what they brought."""

from datetime import UTC, datetime
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from pydantic import Field

from api.deps import Reader, Services, SignedIn, Site, Writer, admin, by_signature, own, public, snapshot
from api.rest.accepted import Accepted, IdempotencyKey
from api.rest.contracts import SigningDomain, payment_token_domain
from api.rest.fields import Address, Answer, Hash, Instant, Natural, Request, Second, Signature, seconds
from api.rest.meta import Meta, MinBlock, Stamp, stamp
from api.rest.paging import Page
from contracts.typed_data import ASSET_NAME, ASSET_VERSION, Purchase
from node import nonces
from node.assets import investing, registry, revenue
from node.assets.permit import TokenPermit
from node.assets.registry import AssetState

router = APIRouter(tags=["assets"])

TERMS_LIFE_S: Final = 900
PAGE: Final = 500


class Permit(Request):
    """An ERC-2612 permit of the payment token for the asset's token. ``value`` 0: there is an allowance already."""

    value: Natural
    nonce: Natural
    deadline: Second
    signature: Signature

    def signed(self) -> TokenPermit:
        return TokenPermit(self.value, self.nonce, seconds(self.deadline), self.signature)


class Terms(Answer):
    """What a buyer signs: a purchase under ``asset_domain``, and a permit under ``payment_domain`` for ``token``."""

    meta: Meta | None
    token: Address
    price: Natural
    fractions: Natural
    cost: Natural
    nonce: Natural
    permit_nonce: Natural
    deadline: Instant
    asset_domain: SigningDomain
    payment_domain: SigningDomain


class NewPurchase(Request):
    """A signed purchase (EIP-712 ``Purchase`` of the asset's token) and the permit that pays for it."""

    buyer: Address
    fractions: Annotated[Natural, Field(ge=1, lt=2**96)]
    max_cost: Annotated[Natural, Field(lt=2**255)]
    nonce: Annotated[Natural, Field(lt=2**255)]
    deadline: Second
    signature: Signature
    permit: Permit


class Investment(Answer):
    """One purchase as it stands on chain; ``price`` for one fraction."""

    asset_id: UUID
    name: str
    buyer: Address
    fractions: Natural
    price: Natural
    cost: Natural
    transaction_hash: Hash
    block_number: int
    invested_at: Instant


class Position(Answer):
    """Money in payment token units; ``claimable`` is what a claim would pay now."""

    asset_id: UUID
    token: Address
    name: str
    symbol: str
    fractions: Natural
    supply: Natural
    invested: Natural
    claimed: Natural
    claimable: Natural
    last_price: Natural | None
    yield_bp: int | None


class Portfolio(Answer):
    meta: Meta | None
    account: Address
    items: list[Position]
    invested: Natural
    claimed: Natural
    claimable: Natural


def asset_domain(site: Services, token: bytes) -> SigningDomain:
    """What purchases and deposits of an asset are signed under."""
    return SigningDomain(name=ASSET_NAME, version=ASSET_VERSION, chain_id=site.chain_id, verifying_contract=token)


@router.get("/v1/assets/{asset_id}/purchases/terms", dependencies=[Depends(public)])
async def terms(
    asset_id: UUID,
    site: Site,
    account: Annotated[Address, Query()],
    fractions: Annotated[Natural, Query(ge=1, lt=2**96)],
    min_block: MinBlock = None,
) -> Terms:
    """What must be signed to buy. Compare it with what your wallet shows before signing."""
    async with snapshot(site) as db:
        meta = await stamp(db, site, min_block=min_block)
        asset = await registry.asset(db, site.chain_id, asset_id)
        if asset.token is None or asset.offer_price is None:
            raise AssetState(f"asset {asset_id} is {asset.status}, and nothing of it was ever for sale")
        purchases = await nonces.purchases_under_way(db, asset.token, account)
        permits = await nonces.permits_under_way(db, account)
    async with site.nonces.turn():
        nonce = await nonces.of_asset(site.rpc, asset.token, account, purchases)
        permit_nonce = await nonces.of_permit(site.rpc, site.chain, account, permits)
    return Terms(
        meta=meta,
        token=asset.token,
        price=asset.offer_price,
        fractions=fractions,
        cost=asset.offer_price * fractions,
        nonce=nonce,
        permit_nonce=permit_nonce,
        deadline=datetime.fromtimestamp(int(site.chain_now()) + TERMS_LIFE_S, UTC),
        asset_domain=asset_domain(site, asset.token),
        payment_domain=payment_token_domain(site),
    )


@router.post("/v1/assets/{asset_id}/purchases", status_code=202, dependencies=[Depends(by_signature)])
async def buy(asset_id: UUID, body: NewPurchase, db: Writer, site: Site) -> Accepted:
    """Buys fractions: money and fractions change hands in one transaction."""
    purchase = Purchase(body.buyer, body.fractions, body.max_cost, body.nonce, seconds(body.deadline))
    now = datetime.fromtimestamp(site.chain_now(), UTC)
    sent = await investing.buy(db, site.chain, asset_id, purchase, body.signature, body.permit.signed(), now)
    return Accepted(outbox_id=sent)


@router.get("/v1/investments")
async def investments(
    caller: SignedIn,
    db: Reader,
    site: Site,
    meta: Stamp,
    account: Annotated[Address | None, Query(description="One's own where not given")] = None,
    asset_id: UUID | None = None,
    limit: Annotated[int, Query(ge=1, le=PAGE)] = 100,
) -> Page[Investment]:
    """Purchases, the newest first; one's own, or anyone's for operators."""
    buyer = caller.account if account is None else account
    own(caller, buyer)
    found = await investing.investments(db, site.chain_id, buyer=buyer, asset_id=asset_id, limit=limit)
    return Page(meta=meta, items=[Investment.model_validate(item, from_attributes=True) for item in found])


@router.get("/v1/portfolio")
async def portfolio(
    caller: SignedIn,
    db: Reader,
    site: Site,
    meta: Stamp,
    account: Annotated[Address | None, Query(description="One's own where not given")] = None,
) -> Portfolio:
    """What an account holds of every asset, and what it brought."""
    holder = caller.account if account is None else account
    own(caller, holder)
    found = await investing.portfolio(db, site.chain_id, holder)
    return Portfolio(
        meta=meta,
        account=holder,
        items=[Position.model_validate(item, from_attributes=True) for item in found],
        invested=sum(item.invested for item in found),
        claimed=sum(item.claimed for item in found),
        claimable=sum(item.claimable for item in found),
    )


@router.post("/v1/assets/{asset_id}/payouts", status_code=202, dependencies=[Depends(admin)])
async def pay_out(asset_id: UUID, db: Writer, site: Site, idempotency_key: IdempotencyKey) -> Accepted:
    """Pays up to 200 cleared holders in one transaction, those with the most revenue first; again for the next."""
    now = datetime.fromtimestamp(site.chain_now(), UTC)
    return Accepted(outbox_id=await revenue.pay_out(db, site.chain, asset_id, idempotency_key, now))


@router.post("/v1/assets/{asset_id}/claims", status_code=202)
async def claim(asset_id: UUID, caller: SignedIn, db: Writer, site: Site, idempotency_key: IdempotencyKey) -> Accepted:
    """Has the caller's revenue paid to his wallet; nobody else's account can be named."""
    now = datetime.fromtimestamp(site.chain_now(), UTC)
    sent = await revenue.claim(db, site.chain, asset_id, caller.account, idempotency_key, now)
    return Accepted(outbox_id=sent)
