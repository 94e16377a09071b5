"""A vault account: what is in it, what open orders may still cost, what imbalance may be charged."""

from dataclasses import asdict

from fastapi import APIRouter

from api.deps import Reader, SignedIn, Site, own
from api.rest.fields import Address, Answer, Instant, Natural, Whole
from api.rest.meta import IndexHead, Meta, Pinned
from indexer import history, read
from indexer.db import Connection, queries
from node.market import service

router = APIRouter(tags=["money"])
SQL = queries(__name__)


class Mandate(Answer):
    """As signed; ``charged`` is what has been charged since."""

    budget_per_slot: Natural
    budget: Natural
    charged: Natural
    expiry: Instant
    nonce: Natural


class Balances(Answer):
    """Cash units and Wh. ``available`` is ``cash`` less what orders and slots that are not over lock; both are only
    known as of now, and null as of an earlier block."""

    meta: Meta | None
    account: Address
    cash: Natural
    energy_wh: Natural
    pending_cash: Natural
    pending_energy_wh: Natural
    locked: Natural | None
    available: Whole | None
    wallet_cash: Natural
    nonce: Natural
    mandate: Mandate | None


@router.get("/v1/balances/{account}")
async def balances(
    account: Address, caller: SignedIn, db: Reader, site: Site, head: IndexHead, meta: Pinned
) -> Balances:
    """One's own account, or any for operators. An account that never held anything is all zero."""
    own(caller, account)
    token = site.chain.deployment.address("PaymentToken")
    if meta is not None and head is not None and meta.block_number < head.number:
        return await _earlier(db, site.chain_id, token, account, meta)
    vault = await read.balance(db, site.chain_id, account)
    locked = await service.locked_cash(db, site.chain_id, account)
    mandate = await db.fetchrow(SQL["mandate"], site.chain_id, account)
    return Balances.model_validate(
        {
            **asdict(vault),
            "meta": meta,
            "account": account,
            "locked": locked,
            "available": vault.cash - locked,
            "wallet_cash": await read.token_balance(db, site.chain_id, token, account),
            "mandate": None if mandate is None else dict(mandate),
        }
    )


async def _earlier(db: Connection, chain_id: int, token: bytes, account: bytes, meta: Meta) -> Balances:
    vault = await history.balance_at(db, chain_id, account, meta.block_number)
    mandate = await history.mandate_at(db, chain_id, account, meta.block_number)
    return Balances.model_validate(
        {
            **asdict(vault),
            "meta": meta,
            "account": account,
            "locked": None,
            "available": None,
            "wallet_cash": await history.token_balance_at(db, chain_id, token, account, meta.block_number),
            "mandate": None if mandate is None else asdict(mandate),
        }
    )
