"""Agents: wallets that act for an account, within limits that the account has signed and can take back at once.

An agent reads what the account reads, cancels its orders, and prepares orders that the account has yet to sign: the
exchange takes no order that its trader has not signed (docs/adr/0021).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from contracts.agent_grant import AgentGrant, grant_digest
from contracts.typed_data import BadSignature, Domain, Order, checksum, order_digest, recover
from indexer.db import Connection, queries
from node.errors import Conflict, NotFound, Refused

SQL = queries(__name__)

LONGEST_S: Final = 366 * 86_400
MOST_AGENTS: Final = 20
MOST_PREPARED: Final = 200
BUY: Final = 0


class AgentNotFound(NotFound):
    """The account has no such agent."""

    code = "agent-not-found"


class AgentGrantStale(Conflict):
    """A later grant to this agent is known; sign one with a higher nonce."""

    code = "agent-grant-stale"


class TooManyAgents(Conflict):
    """An account has at most 20 agents; revoke one first."""

    code = "too-many-agents"


class AgentGrantInvalid(Refused):
    """A grant is for another wallet, and ends within a year."""

    code = "agent-grant-invalid"


class AgentGrantNotSigned(Refused):
    """The grant's signature is not the account's."""

    code = "agent-grant-not-signed"


class BeyondGrant(Refused):
    """This is more than the account lets its agent do."""

    code = "beyond-grant"


class PreparedNotFound(NotFound):
    """There is no such prepared order."""

    code = "prepared-order-not-found"


@dataclass(frozen=True, slots=True)
class Prepared:
    """An order that an agent proposes; ``terms`` are the fields that the account signs."""

    digest: bytes
    agent: bytes
    terms: Mapping[str, Any]
    prepared_at: datetime


async def authorise(db: Connection, domain: Domain, grant: AgentGrant, signature: bytes, now_s: float) -> None:
    """Keeps a signed grant, in place of an earlier one; the same again changes nothing.

    Raises:
        AgentGrantInvalid, AgentGrantNotSigned, AgentGrantStale, TooManyAgents, FieldOutOfRange.
    """
    if grant.account == grant.agent or not now_s < grant.expiry <= now_s + LONGEST_S:
        raise AgentGrantInvalid(f"agent {checksum(grant.agent)} until {grant.expiry}, it is {now_s:.0f}")
    try:
        signer = recover(grant_digest(domain, grant), signature)
    except BadSignature as error:
        raise AgentGrantNotSigned(str(error)) from error
    if signer != grant.account:
        raise AgentGrantNotSigned(f"{checksum(grant.account)} is named, {checksum(signer)} has signed")
    await db.execute(SQL["lock"], grant.account)
    known = await db.fetchrow(SQL["known"], grant.account, grant.agent)
    if known is not None and known["signature"] == signature and known["revoked_at"] is None:
        return
    if known is not None and known["nonce"] >= grant.nonce:
        raise AgentGrantStale(f"nonce {grant.nonce}, known is {known['nonce']}")
    if await db.fetchval(SQL["count"], grant.account, grant.agent, _time(now_s)) >= MOST_AGENTS:
        raise TooManyAgents
    await db.execute(
        SQL["grant"],
        grant.account,
        grant.agent,
        list(grant.zones),
        grant.max_wh_per_slot,
        grant.max_buy_price_per_kwh,
        grant.min_sell_price_per_kwh,
        _time(grant.expiry),
        grant.nonce,
        signature,
    )


async def agents(db: Connection, account: bytes, now_s: float) -> list[AgentGrant]:
    """An account's grants that are in force."""
    return [_grant(row) for row in await db.fetch(SQL["of_account"], account, _time(now_s))]


async def principals(db: Connection, agent: bytes, now_s: float) -> list[AgentGrant]:
    """Grants in force to an agent."""
    return [_grant(row) for row in await db.fetch(SQL["of_agent"], agent, _time(now_s))]


async def in_force(db: Connection, account: bytes, agent: bytes, now_s: float) -> AgentGrant | None:
    """What the account lets this wallet do now."""
    row = await db.fetchrow(SQL["in_force"], account, agent, _time(now_s))
    return None if row is None else _grant(row)


async def revoke(db: Connection, account: bytes, agent: bytes) -> None:
    """Ends an agent's power at once, and withdraws what it has prepared. Raises AgentNotFound."""
    if await db.fetchval(SQL["revoke"], account, agent) is None:
        raise AgentNotFound(f"{checksum(agent)} is no agent")
    await db.execute(SQL["withdraw_all"], account, agent)


async def prepare(
    db: Connection, domain: Domain, grant: AgentGrant, order: Order, terms: Mapping[str, Any], now_s: float
) -> bytes:
    """Keeps an order for the account to sign; returns its digest. The same again changes nothing.

    Raises:
        BeyondGrant: the zone, the price or the slot's energy is not within the grant.
        FieldOutOfRange.
    """
    _check(grant, order, now_s)
    digest = order_digest(domain, order)
    await db.execute(SQL["lock"], grant.account)
    if await db.fetchval(SQL["is_prepared"], digest):
        return digest
    start = _time(order.delivery_start)
    there = await db.fetchrow(SQL["prepared_in_slot"], grant.account, grant.agent, start)
    assert there is not None
    energy_wh, count = there
    if energy_wh + order.energy_wh > grant.max_wh_per_slot:
        raise BeyondGrant(f"{energy_wh} Wh are prepared, with {order.energy_wh} over {grant.max_wh_per_slot}")
    if count >= MOST_PREPARED:
        raise BeyondGrant(f"{count} orders wait to be signed")
    await db.execute(
        SQL["prepare"], digest, grant.account, grant.agent, order.zone, start, order.energy_wh, dict(terms)
    )
    return digest


def _check(grant: AgentGrant, order: Order, now_s: float) -> None:
    if order.trader != grant.account:
        raise BeyondGrant(f"trader {checksum(order.trader)}, the account is {checksum(grant.account)}")
    if order.zone not in grant.zones:
        raise BeyondGrant(f"zone {order.zone}, allowed {grant.zones}")
    if not now_s < order.delivery_start <= grant.expiry:
        raise BeyondGrant(f"delivery {order.delivery_start}, allowed from {now_s:.0f} to {grant.expiry}")
    if order.side == BUY and order.limit_price_per_kwh > grant.max_buy_price_per_kwh:
        raise BeyondGrant(f"buys at {order.limit_price_per_kwh}, allowed up to {grant.max_buy_price_per_kwh}")
    if order.side != BUY and order.limit_price_per_kwh < grant.min_sell_price_per_kwh:
        raise BeyondGrant(f"sells at {order.limit_price_per_kwh}, allowed from {grant.min_sell_price_per_kwh}")


async def prepared(db: Connection, account: bytes, now_s: float) -> list[Prepared]:
    """What agents propose and the account has not signed, the next slots first."""
    return [Prepared(**dict(row)) for row in await db.fetch(SQL["prepared"], account, _time(now_s))]


async def withdraw(db: Connection, account: bytes, digest: bytes) -> None:
    """Takes a proposal back. Raises PreparedNotFound."""
    if await db.fetchval(SQL["withdraw"], account, digest) is None:
        raise PreparedNotFound(f"no prepared order 0x{digest.hex()}")


def _time(time_s: float) -> datetime:
    return datetime.fromtimestamp(time_s, UTC)


def _grant(row: Any) -> AgentGrant:
    return AgentGrant(**{**dict(row), "zones": tuple(row["zones"]), "expiry": int(row["expiry"].timestamp())})
