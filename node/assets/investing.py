"""Buying fractions, and what they are worth: purchases passed on, positions, the cap table at any block.

A purchase is signed by the buyer (EIP-712) with his permit for the cost, and carried out in one transaction by
whoever sends it. It is checked here first, so that what must fail costs no gas; the chain has the last word. Money in
payment token units.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from contracts.abi import encode_call
from contracts.typed_data import BadSignature, Purchase, checksum, purchase_digest, recover
from indexer.db import Connection, queries
from node.assets import news
from node.assets.news import Changed
from node.assets.permit import TokenPermit, check_deadline, check_permit
from node.assets.registry import Asset, AssetState, asset
from node.errors import Conflict, Refused
from node.outbox import enqueue
from node.participants import ChainContext, WrongSigner

SQL = queries(__name__)


class OfferExceeded(Conflict):
    """Fewer fractions are for sale than are asked for."""

    code = "offer-exceeded"


class OfferOver(Conflict):
    """Nothing of the asset is for sale now."""

    code = "offer-over"


class CostAboveLimit(Refused):
    """The fractions cost more than the buyer allows."""

    code = "cost-above-limit"


class BuyerNotCleared(Refused):
    """The account is not cleared to hold fractions."""

    code = "buyer-not-cleared"


class CannotPay(Conflict):
    """The wallet does not hold what the fractions cost."""

    code = "cannot-pay"


@dataclass(frozen=True, slots=True)
class Investment:
    """One purchase as it stands on chain."""

    asset_id: UUID
    name: str
    buyer: bytes
    fractions: int
    price: int
    cost: int
    transaction_hash: bytes
    block_number: int
    log_index: int
    invested_at: datetime


@dataclass(frozen=True, slots=True)
class Position:
    """What one account holds of one asset, and what it brought him."""

    asset_id: UUID
    token: bytes
    name: str
    symbol: str
    fractions: int
    supply: int
    invested: int
    """Paid for fractions, first hand."""
    claimed: int
    claimable: int
    """Revenue that he would be paid now."""
    last_price: int | None
    """Of the newest purchase by anyone."""
    yield_bp: int | None
    """Paid in a year over that price, in hundredths of a percent (``assets.yields``)."""


@dataclass(frozen=True, slots=True)
class Holding:
    """A line of a cap table."""

    account: bytes
    fractions: int
    share: Decimal
    """Of all fractions, 0 to 1, rounded down to 12 places."""


async def buy(
    db: Connection,
    chain: ChainContext,
    asset_id: UUID,
    purchase: Purchase,
    signature: bytes,
    permit: TokenPermit,
    now: datetime,
) -> int:
    """Passes a signed purchase on; returns the outbox number. The same purchase again finds the first.

    Raises:
        AssetNotFound, AssetState, OfferOver, OfferExceeded: of the asset.
        BuyerNotCleared, CostAboveLimit, CannotPay, DeadlineInvalid, WrongSigner, PermitTooSmall: of the purchase.
    """
    # Purchases of one asset are judged one after another, so that two do not share what is left.
    await db.execute(SQL["lock_asset"], asset_id)
    found = await asset(db, chain.chain_id, asset_id)
    known = await db.fetchval(SQL["known"], asset_id, purchase.buyer, purchase.nonce, purchase.deadline)
    if known is not None:
        return int(known)
    token, cost = await _offered(db, found, purchase, now)
    _check_signed(chain.chain_id, token, purchase, signature, now)
    if not await is_cleared(db, chain.chain_id, purchase.buyer, now):
        raise BuyerNotCleared(f"{checksum(purchase.buyer)} is not cleared at {now.isoformat()}")
    check_permit(chain, token, permit, purchase.buyer, cost)
    held = await db.fetchval(SQL["wallet"], chain.chain_id, chain.deployment.address("PaymentToken"), purchase.buyer)
    if held < cost:
        raise CannotPay(f"{checksum(purchase.buyer)} holds {held}, the fractions cost {cost}")
    fields = (purchase.buyer, purchase.fractions, purchase.max_cost, purchase.nonce, purchase.deadline)
    outbox_id = await enqueue(
        db,
        key=f"purchase:{token.hex()}:{purchase.buyer.hex()}:{purchase.nonce}:{purchase.deadline}",
        kind="buy_fractions",
        sender=chain.operator,
        target=token,
        calldata=encode_call("AssetToken", "buyFor", fields, signature, permit.fields),
    )
    await db.execute(
        SQL["asked"],
        outbox_id,
        asset_id,
        purchase.buyer,
        purchase.fractions,
        purchase.max_cost,
        purchase.nonce,
        purchase.deadline,
    )
    return outbox_id


async def _offered(db: Connection, found: Asset, purchase: Purchase, now: datetime) -> tuple[bytes, int]:
    """The token and the cost. What earlier purchases will take that are on their way is not for sale any more."""
    if found.status != "active" or found.token is None:
        raise AssetState(f"asset {found.id} is {found.status}: its fractions are not for sale")
    if found.offer_price is None or found.offer_until is None or found.offer_until < now or not found.offer_fractions:
        raise OfferOver(f"asset {found.id}: offer_until={found.offer_until}, fractions={found.offer_fractions}")
    left = found.offer_fractions - int(await db.fetchval(SQL["on_their_way"], found.id))
    if not 0 < purchase.fractions <= left:
        raise OfferExceeded(f"{purchase.fractions} fractions asked for, {max(0, left)} left at {found.offer_price}")
    cost = purchase.fractions * found.offer_price
    if cost > purchase.max_cost:
        raise CostAboveLimit(f"{purchase.fractions} fractions cost {cost}, allowed are {purchase.max_cost}")
    return found.token, cost


def _check_signed(chain_id: int, token: bytes, purchase: Purchase, signature: bytes, now: datetime) -> None:
    check_deadline(purchase.deadline, now)
    try:
        signer = recover(purchase_digest(chain_id, token, purchase), signature)
    except BadSignature as error:
        raise WrongSigner(str(error)) from error
    if signer != purchase.buyer:
        raise WrongSigner(f"signed by {checksum(signer)}, not by {checksum(purchase.buyer)}")


async def follow(db: Connection, chain_id: int) -> Changed:
    """Tells buyers what became of their purchases, also where a reorganisation took one back."""
    changed = Changed()
    for row in await db.fetch(SQL["decided"], chain_id):
        facts = {"asset_id": row["asset_id"], "status": row["outcome"] or "open", "fractions": int(row["fractions"])}
        changed.assets.add(row["asset_id"])
        changed.users |= await news.told(db, row["buyer"], "purchase", **facts)
    return changed


async def owed(db: Connection, chain_id: int, token: bytes, now: datetime, most: int) -> list[bytes]:
    """Cleared holders who have revenue to be paid, those with the most first."""
    return [row["account"] for row in await db.fetch(SQL["owed"], chain_id, token, now, most)]


async def is_cleared(db: Connection, chain_id: int, account: bytes, now: datetime) -> bool:
    """Whether the registry lets an account hold fractions."""
    return bool(await db.fetchval(SQL["is_cleared"], chain_id, account, now))


async def investments(
    db: Connection,
    chain_id: int,
    *,
    buyer: bytes | None = None,
    asset_id: UUID | None = None,
    before: tuple[int, int] | None = None,
    limit: int = 100,
) -> list[Investment]:
    """A page of purchases, newest first; ``before`` is the last page's last (block, log index)."""
    block, log = before or (None, None)
    rows = await db.fetch(SQL["investments"], chain_id, buyer, asset_id, block, log, limit)
    return [Investment(**{**row, **{name: int(row[name]) for name in ("fractions", "price", "cost")}}) for row in rows]


async def portfolio(db: Connection, chain_id: int, account: bytes) -> list[Position]:
    """Every asset that the account holds or held, by name."""
    amounts = ("fractions", "supply", "invested", "claimed", "claimable", "last_price", "yield_bp")
    rows = await db.fetch(SQL["portfolio"], chain_id, account)
    return [
        Position(**{**row, **{name: None if row[name] is None else int(row[name]) for name in amounts}}) for row in rows
    ]


async def yearly(db: Connection, chain_id: int, asset_id: UUID) -> int | None:
    """What an asset paid in a year over its last price, in hundredths of a percent; None before that is known."""
    found: int | None = await db.fetchval(SQL["yearly"], chain_id, asset_id)
    return found


async def cap_table(db: Connection, chain_id: int, token: bytes, supply: int, block: int | None) -> Sequence[Holding]:
    """Who holds what after a block, or now; most first."""
    statement = SQL["cap_table"] if block is None else SQL["cap_table_at"]
    arguments = (chain_id, token) if block is None else (chain_id, token, block)
    place = Decimal(1).scaleb(-12)
    return [
        Holding(row["account"], int(row["fractions"]), int(row["fractions"]) * 10**12 // supply * place)
        for row in await db.fetch(statement, *arguments)
    ]


async def holds(db: Connection, chain_id: int, token: bytes | None, account: bytes) -> bool:
    """Whether an account has fractions now."""
    return bool(await db.fetchval(SQL["holds"], chain_id, token, account))
