"""Orders: signed by their trader, sealed until the gate closes."""

from datetime import timedelta
from typing import Annotated, Literal

from fastapi import APIRouter, BackgroundTasks, Depends, Query, Response

from api.deps import Reader, Services, SignedIn, Site, by_signature
from api.rest.fields import Address, Hash, Second
from api.rest.meta import Stamp
from api.rest.order_fields import NewOrder, OrderAnswer, order_answer
from api.rest.paging import Page, Wanted
from indexer.db import ACQUIRE_TIMEOUT_S, Connection, queries, transaction
from node.market import service
from node.market.refusals import OrderNotFound

router = APIRouter(tags=["orders"])
SQL = queries(__name__)

Status = Literal["open", "cancelled", "matched", "unmatched"]


async def _order(db: Connection, site: Services, digest: bytes, reader: bytes) -> OrderAnswer:
    """The order, if it is the reader's own or its book is published. Raises OrderNotFound."""
    gate_lead = timedelta(seconds=site.config.node.market.gate_lead_s)
    row = await db.fetchrow(SQL["order"], digest, reader, site.clock.now() + gate_lead)
    if row is None:
        raise OrderNotFound
    return order_answer(dict(row))


@router.post(
    "/v1/orders",
    status_code=201,
    dependencies=[Depends(by_signature)],
    responses={200: {"model": OrderAnswer, "description": "The same order was accepted before"}},
)
async def post_order(body: NewOrder, response: Response, site: Site, later: BackgroundTasks) -> OrderAnswer:
    """Enters an order into the book of its slot. The same order again changes nothing and answers 200."""
    order = body.signed_struct()
    async with site.pool.acquire(timeout=ACQUIRE_TIMEOUT_S) as db:
        async with db.transaction():
            accepted = await service.accept_order(
                db,
                site.config.node.market,
                site.chain.domain,
                site.chain_id,
                order,
                body.signature,
                site.clock.now_s(),
            )
        # After the commit: orders wait for each other until then.
        answer = await _order(db, site, accepted.digest, order.trader)
    if accepted.duplicate:
        response.status_code = 200
    else:
        later.add_task(_announce, site, answer)
    return answer


async def _announce(site: Services, order: OrderAnswer) -> None:
    """Books are sealed: the news names only the slot. Told after the answer, which must not wait for the bus."""
    slot = {"zone": order.zone, "delivery_start": order.delivery_start.isoformat().replace("+00:00", "Z")}
    await site.bus.publish("orders", slot)


@router.get("/v1/orders")
async def orders(
    caller: SignedIn,
    db: Reader,
    site: Site,
    meta: Stamp,
    wanted: Wanted,
    account: Annotated[Address | None, Query(description="One's own where not given")] = None,
    status: Annotated[Status | None, Query()] = None,
    delivery_start: Annotated[Second | None, Query()] = None,
) -> Page[OrderAnswer]:
    """An account's newest orders first; of others', those whose gate has closed."""
    gate_lead = timedelta(seconds=site.config.node.market.gate_lead_s)
    rows = await db.fetch(
        SQL["orders"],
        account or caller.account,
        caller.account,
        site.clock.now() + gate_lead,
        status,
        delivery_start,
        wanted.after,
        wanted.fetch,
    )
    kept, cursor = wanted.cut(rows, "sequence")
    return Page(meta=meta, items=[order_answer(row) for row in kept], next_cursor=cursor)


@router.get("/v1/orders/{order_id}")
async def order(order_id: Hash, caller: SignedIn, db: Reader, site: Site) -> OrderAnswer:
    """One's own order at any time, another's once its gate has closed."""
    return await _order(db, site, order_id, caller.account)


@router.delete("/v1/orders/{order_id}")
async def cancel_order(order_id: Hash, caller: SignedIn, site: Site, later: BackgroundTasks) -> OrderAnswer:
    """Takes one's open order out of the book; once more changes nothing."""
    async with transaction(site.pool) as db:
        await service.cancel_order(db, site.config.node.market, caller.account, order_id, site.clock.now_s())
        answer = await _order(db, site, order_id, caller.account)
    later.add_task(_announce, site, answer)
    return answer
