"""Revenue of a plant: what its meters sold in a period, reviewed, paid in by the owner, claimed by the holders.

A distribution is computed from settled slots alone, so anyone with the ledger finds the same amount. A plant has an
account of its own: what one account buys for a home and sells for a plant cannot be told apart. The owner pays it
in with one signature (EIP-712) and a permit; from then on the token shares it, and the mirrored chain says so. Money
in payment token units, rounded down once for the period.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Final
from uuid import UUID

import asyncpg

from contracts.abi import encode_call
from contracts.typed_data import BadSignature, RevenueDeposit, checksum, recover, revenue_deposit_digest
from contracts.units import NANO_PER_CASH
from indexer.db import Connection, queries
from node.assets import news
from node.assets.investing import is_cleared, owed, portfolio
from node.assets.news import Changed
from node.assets.permit import TokenPermit, check_deadline, check_permit
from node.assets.registry import AssetState, asset
from node.errors import Conflict, NotFound, Refused
from node.outbox import enqueue
from node.participants import ChainContext, WrongSigner

SQL = queries(__name__)

LONGEST_DAYS: Final = 366
PAID_AT_ONCE: Final = 200
"""Holders of one payout: four million gas."""


class DistributionNotFound(NotFound):
    """There is no such distribution."""

    code = "distribution-not-found"


class PeriodInvalid(Refused):
    """The period is empty, too long, or not over yet."""

    code = "period-invalid"


class PeriodTaken(Conflict):
    """A part of the period is in another distribution of the asset."""

    code = "period-taken"


class PeriodOpen(Conflict):
    """Slots of the period are not settled yet."""

    code = "period-open"


class AccountShared(Conflict):
    """The account that owns the plant's meters has others too, or the plant has several owners."""

    code = "account-shared"


class DistributionChanged(Conflict):
    """The ledger gives another amount by now; reject the distribution and compute it again."""

    code = "distribution-changed"


class DistributionState(Conflict):
    """The distribution is in another state than this needs."""

    code = "distribution-state"


class AmountDiffers(Refused):
    """The payment is signed for another amount or distribution than was approved."""

    code = "amount-differs"


class NothingToClaim(Conflict):
    """The account has no revenue of this asset to be paid, or is not cleared to receive it."""

    code = "nothing-to-claim"


@dataclass(frozen=True, slots=True)
class Revenue:
    """What a plant's meters brought in a period."""

    nano: int
    """Nano-currency: sales and imbalance received, less what was paid."""
    energy_wh: int
    """Fed in."""
    sold_wh: int
    slots: int
    open_slots: int

    @property
    def amount_down(self) -> int:
        """Payment token units; nothing where the plant cost more than it brought."""
        return max(0, self.nano) // NANO_PER_CASH


@dataclass(frozen=True, slots=True)
class Distribution:
    """Revenue of one period on its way to the holders."""

    id: UUID
    asset_id: UUID
    period_start: date
    period_end: date
    """The first day after the period."""
    amount: int
    total_amount: Decimal
    energy_wh: int
    sold_wh: int
    slots: int
    open_slots: int
    status: str
    distribution_date: datetime | None
    outbox_id: int | None
    transaction_hash: bytes | None

    @property
    def chain_id(self) -> bytes:
        """Its name on chain, 32 bytes."""
        return name_of(self.id)


def name_of(distribution_id: UUID) -> bytes:
    """What a distribution is called on chain: its UUID, right-aligned; never zero."""
    return distribution_id.bytes.rjust(32, b"\0")


async def revenue(db: Connection, plant_id: str, start: date, end: date) -> Revenue:
    """What a plant's account came to from ``start`` to the day before ``end`` (UTC).

    Raises:
        AccountShared: that is not the plant's alone.
    """
    owners = await db.fetch(SQL["owners"], plant_id)
    if len(owners) > 1 or any(row["is_shared"] for row in owners):
        raise AccountShared(f"plant {plant_id!r}: meters of {len(owners)} accounts, or accounts with other meters")
    row = await db.fetchrow(SQL["revenue"], plant_id, _midnight(start), _midnight(end))
    assert row is not None
    return Revenue(int(row["nano"]), int(row["energy_wh"]), int(row["sold_wh"]), row["slots"], row["open_slots"])


async def propose(db: Connection, chain_id: int, asset_id: UUID, start: date, end: date, today: date) -> UUID:
    """Computes a period's distribution, to be reviewed.

    Raises:
        AssetNotFound, AssetState: of the asset.
        PeriodInvalid, PeriodTaken: of the period.
        AccountShared: of the plant's meters.
    """
    found = await asset(db, chain_id, asset_id)
    if found.token is None:
        raise AssetState(f"asset {asset_id} is {found.status}: nobody holds fractions of it")
    if not start < end <= today or (end - start).days > LONGEST_DAYS:
        raise PeriodInvalid(f"{start} to {end}: a period has 1 to {LONGEST_DAYS} days and ends by {today}")
    came = await revenue(db, found.plant_id, start, end)
    figures = (came.amount_down, came.energy_wh, came.sold_wh, came.slots, came.open_slots)
    try:
        async with db.transaction():
            return UUID(str(await db.fetchval(SQL["propose"], asset_id, start, end, *figures)))
    except asyncpg.ExclusionViolationError as error:
        raise PeriodTaken(f"asset {asset_id} has a distribution for a part of {start} to {end}") from error


async def approve(db: Connection, distribution_id: UUID, by: bytes) -> None:
    """An administrator agrees to the amount as computed; said again it changes nothing.

    Raises:
        DistributionNotFound: there is none.
        PeriodOpen: a slot of the period is not final yet.
        DistributionChanged: it would come to another amount now.
        DistributionState: it was rejected.
    """
    row = await _locked(db, distribution_id)
    if row["status"] not in ("pending", "rejected"):
        return
    _require(row, "pending")
    now = await revenue(db, row["plant_id"], row["period_start"], row["period_end"])
    if now.open_slots:
        raise PeriodOpen(f"{now.open_slots} slots from {row['period_start']} to {row['period_end']} are not final")
    if now.amount_down != row["amount"]:
        raise DistributionChanged(f"computed were {row['amount']}, it is {now.amount_down} by now")
    await db.execute(SQL["approve"], distribution_id, by)


async def reject(db: Connection, distribution_id: UUID, by: bytes) -> None:
    """Sets a distribution aside, so that its period can be computed again.

    Raises:
        DistributionNotFound: there is none.
        DistributionState: it is being paid in.
    """
    row = await _locked(db, distribution_id)
    if row["status"] != "rejected":
        _require(row, "pending", "approved")
        await db.execute(SQL["reject"], distribution_id, by)


async def deposit(
    db: Connection,
    chain: ChainContext,
    distribution_id: UUID,
    signed: RevenueDeposit,
    signature: bytes,
    permit: TokenPermit,
    now: datetime,
) -> int:
    """Passes the owner's signed payment on; returns the outbox number. Asked again it finds the first.

    Raises:
        DistributionNotFound, DistributionState: of the distribution.
        WrongSigner, PermitTooSmall, AmountDiffers, DeadlineInvalid: of the payment.
    """
    row = await _locked(db, distribution_id)
    if row["status"] in ("submitted", "distributed"):
        return int(row["outbox_id"])
    _require(row, "approved")
    found = await asset(db, chain.chain_id, row["asset_id"])
    if found.token is None:
        raise AssetState(f"asset {found.id} is not on chain")
    amount = int(row["amount"])
    if (signed.amount, signed.distribution_id) != (amount, name_of(distribution_id)):
        raise AmountDiffers(f"signed for {signed.amount} as 0x{signed.distribution_id.hex()}, approved are {amount}")
    try:
        signer = recover(revenue_deposit_digest(chain.chain_id, found.token, signed), signature)
    except BadSignature as error:
        raise WrongSigner(str(error)) from error
    if signer != signed.depositor or signer != found.owner:
        raise WrongSigner(f"signed by {checksum(signer)}, not by the asset's owner {checksum(found.owner)}")
    check_deadline(signed.deadline, now)
    check_permit(chain, found.token, permit, signed.depositor, amount)
    fields = (signed.depositor, signed.amount, signed.distribution_id, signed.deadline)
    outbox_id = await enqueue(
        db,
        key=f"distribution:{signed.depositor.hex()}:{distribution_id}:{signed.deadline}",
        kind="deposit_revenue",
        sender=chain.operator,
        target=found.token,
        calldata=encode_call("AssetToken", "depositRevenueFor", fields, signature, permit.fields),
    )
    await db.execute(SQL["submit"], distribution_id, outbox_id)
    return outbox_id


async def claim(
    db: Connection, chain: ChainContext, asset_id: UUID, account: bytes, request_id: str, now: datetime
) -> int:
    """Asks for an account's revenue to be paid to it; returns the outbox number. While one claim is under way, another
    finds it: the gas is the operator's.

    Raises:
        AssetNotFound, AssetState: of the asset.
        NothingToClaim: of the account.
    """
    found = await asset(db, chain.chain_id, asset_id)
    if found.token is None:
        raise AssetState(f"asset {asset_id} is not on chain")
    await db.execute(SQL["lock_claims"], found.token + account)
    claims = f"claim:{found.token.hex()}:{account.hex()}:"
    under_way = await db.fetchval(SQL["claim_under_way"], claims + "%", chain.chain_id)
    if under_way is not None:
        return int(under_way)
    due = sum(item.claimable for item in await portfolio(db, chain.chain_id, account) if item.asset_id == asset_id)
    if due <= 0 or not await is_cleared(db, chain.chain_id, account, now):
        raise NothingToClaim(f"{checksum(account)} has {max(0, due)} to claim of asset {asset_id}")
    return await enqueue(
        db,
        key=claims + request_id,
        kind="claim_revenue",
        sender=chain.operator,
        target=found.token,
        calldata=encode_call("AssetToken", "claimFor", [account]),
    )


async def pay_out(db: Connection, chain: ChainContext, asset_id: UUID, request_id: str, now: datetime) -> int:
    """Asks for the revenue of many holders in one transaction, which costs each a third of a claim of his own; returns
    the outbox number. While one is under way, another finds it.

    Raises:
        AssetNotFound, AssetState: of the asset.
        NothingToClaim: no cleared holder has anything to be paid.
    """
    found = await asset(db, chain.chain_id, asset_id)
    if found.token is None:
        raise AssetState(f"asset {asset_id} is not on chain")
    await db.execute(SQL["lock_claims"], found.token)
    payouts = f"payout:{found.token.hex()}:"
    under_way = await db.fetchval(SQL["claim_under_way"], payouts + "%", chain.chain_id)
    if under_way is not None:
        return int(under_way)
    accounts = await owed(db, chain.chain_id, found.token, now, PAID_AT_ONCE)
    if not accounts:
        raise NothingToClaim(f"nobody has revenue of asset {asset_id} to be paid")
    return await enqueue(
        db,
        key=payouts + request_id,
        kind="claim_revenue",
        sender=chain.operator,
        target=found.token,
        calldata=encode_call("AssetToken", "claimFor", accounts),
    )


async def follow(db: Connection, chain_id: int) -> Changed:
    """Marks what the mirrored chain shows as paid in, takes it back where a reorganisation did, and lets a payment
    that failed for good be signed again."""
    changed = Changed()
    for row in await db.fetch(SQL["follow"], chain_id):
        changed.assets.add(row["asset_id"])
        facts = {"distribution_id": row["id"], "status": row["status"], "amount": int(row["amount"])}
        changed.users |= await news.happened(db, row["asset_id"], "distribution", **facts)
    return changed


async def distributions(
    db: Connection, *, asset_id: UUID | None = None, distribution_id: UUID | None = None, limit: int = 100
) -> list[Distribution]:
    """Distributions, newest period first."""
    rows = await db.fetch(SQL["distributions"], asset_id, distribution_id, limit)
    return [Distribution(**{**row, "amount": int(row["amount"])}) for row in rows]


async def _locked(db: Connection, distribution_id: UUID) -> asyncpg.Record:
    row = await db.fetchrow(SQL["lock"], distribution_id)
    if row is None:
        raise DistributionNotFound(f"no distribution {distribution_id}")
    return row


def _require(row: asyncpg.Record, *states: str) -> None:
    if row["status"] not in states:
        raise DistributionState(f"distribution {row['id']} is {row['status']}, not {' or '.join(states)}")


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
