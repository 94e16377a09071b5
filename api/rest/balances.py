"""A vault account: what is in it, what open orders may still cost, what imbalance may be charged."""

from dataclasses import asdict

from fastapi import APIRouter, Response
from starlette.requests import HTTPConnection

from api.deps import Reader, Services, SignedIn, Site, authenticated, own, signed_in, snapshot
from api.rest.fields import Address, Answer, Instant, Natural, Whole
from api.rest.meta import IndexHead, Meta, Pinned, stamp
from indexer import history
from indexer.db import Connection, queries

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
    if meta is not None and head is not None and meta.block_number < head.number:
        return await _earlier(db, site.chain_id, _token(site), account, meta)
    return await _now(db, site, account, meta)


async def own_balances(request: HTTPConnection, site: Services, account: bytes) -> Response:
    """The same answer as of now, for who asks for nothing but it."""
    caller = await signed_in(await authenticated(request, site))
    own(caller, account)
    async with snapshot(site, caller) as db:
        answer = await _now(db, site, account, await stamp(db, site))
    return Response(answer.model_dump_json(), media_type="application/json")


def _token(site: Services) -> bytes:
    return site.chain.deployment.address("PaymentToken")


async def _now(db: Connection, site: Services, account: bytes, meta: Meta | None) -> Balances:
    # Asked five hundred times a second: one statement, not one of each module.
    row = await db.fetchrow(SQL["now"], site.chain_id, account, _token(site))
    assert row is not None
    mandate = None if row["budget"] is None else dict(row)
    available = row["cash"] - row["locked"]
    told = {"meta": meta, "account": account, "nonce": row["vault_nonce"], "available": available, "mandate": mandate}
    return Balances.model_validate({**row, **told})


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
