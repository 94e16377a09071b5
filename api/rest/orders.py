"""Orders: signed by their trader; sealed until the gate closes where the market trades by auction."""

from datetime import timedelta
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import Field, model_validator
from starlette.requests import Request
from starlette.responses import Response

from api.deps import Reader, Services, SignedIn, Site, by_signature
from api.errors import status_of
from api.rest import bodies
from api.rest.fields import Address, Answer, Hash, Second, ZoneNumber, seconds
from api.rest.fields import Request as Body
from api.rest.meta import Stamp
from api.rest.order_fields import NewOrder, OrderAnswer, entered_answer, order_answer
from api.rest.paging import Page, Wanted
from contracts.errors import GridtraceError
from indexer.db import ACQUIRE_TIMEOUT_S, Connection, queries, transaction
from node.market import service
from node.market.book import BookOrder
from node.market.orders import signed
from node.market.refusals import OrderNotFound

router = APIRouter(tags=["orders"])
SQL = queries(__name__)

MOST_IN_A_BATCH = 100
Status = Literal["open", "cancelled", "matched", "unmatched", "expired"]


class NewOrders(Body):
    orders: Annotated[list[NewOrder], Field(min_length=1, max_length=MOST_IN_A_BATCH)]


class Cancellations(Body):
    """The orders that are named; without names all one's open orders: of a zone, of a slot, or everywhere."""

    order_ids: Annotated[list[Hash] | None, Field(max_length=MOST_IN_A_BATCH)] = None
    zone: ZoneNumber | None = None
    delivery_start: Second | None = None

    @model_validator(mode="after")
    def _names_or_filters(self) -> "Cancellations":
        if self.order_ids is not None and (self.zone is not None or self.delivery_start is not None):
            raise ValueError("name orders, or a zone and a slot, not both")
        return self


class OrderResult(Answer):
    """What became of one order of a batch: ``status`` as HTTP has it for a single one, and the order or the refusal."""

    index: int
    status: int
    order: OrderAnswer | None = None
    code: str | None = None
    detail: str | None = None


class OrderResults(Answer):
    results: list[OrderResult]


class CancelResult(Answer):
    """``status`` as HTTP has it for a single one.

    ``state`` is cancelled, or cancelling while the matching engine has not come to it; null where refused.
    """

    order_id: Hash
    status: int
    state: str | None = None
    code: str | None = None
    detail: str | None = None


class CancelResults(Answer):
    results: list[CancelResult]


def _gate_lead(site: Services) -> timedelta:
    return timedelta(seconds=site.config.node.market.gate_lead_s)


async def _order(db: Connection, site: Services, digest: bytes, reader: bytes) -> OrderAnswer:
    """The order, if it is the reader's own or its book is published. Raises OrderNotFound."""
    row = await db.fetchrow(SQL["order"], digest, reader, site.clock.now() + _gate_lead(site))
    if row is None:
        raise OrderNotFound
    return order_answer(dict(row))


def _checked(site: Services, body: NewOrder) -> BookOrder:
    """Raises OrderRefused, FieldOutOfRange."""
    return signed(site.chain.domain, body.signed_struct(), body.signature, body.instructions())


async def _answer(site: Services, body: NewOrder, entry: BookOrder, accepted: service.Accepted) -> OrderAnswer:
    if not accepted.duplicate:
        return entered_answer(body, entry, accepted)
    async with site.pool.acquire(timeout=ACQUIRE_TIMEOUT_S) as db:
        return await _order(db, site, entry.digest, entry.order.trader)


def _json(answer: Answer, status: int) -> Response:
    return Response(answer.model_dump_json(), status, media_type="application/json")


@router.post(
    "/v1/orders",
    status_code=201,
    dependencies=[Depends(by_signature)],
    response_model=OrderAnswer,
    responses={200: {"model": OrderAnswer, "description": "The same order was accepted before"}},
    openapi_extra=bodies.described(NewOrder),
)
async def post_order(request: Request, site: Site) -> Response:
    """Enters an order into the book of its slot. The same order again changes nothing and answers 200.

    With ``replaces`` it takes the place of an open order of the same lane: both change or neither does.
    """
    body = await bodies.read(request, NewOrder)
    entry = _checked(site, body)
    (accepted,) = await site.intake.enter([entry], site.clock.now_s())
    if isinstance(accepted, GridtraceError):
        raise accepted
    return _json(await _answer(site, body, entry, accepted), 200 if accepted.duplicate else 201)


@router.post(
    "/v1/orders:batch",
    dependencies=[Depends(by_signature)],
    response_model=OrderResults,
    openapi_extra=bodies.described(NewOrders),
)
async def post_orders(request: Request, site: Site) -> Response:
    """Enters up to 100 orders, each accepted or refused by itself; one result each, in order."""
    sent = (await bodies.read(request, NewOrders)).orders
    entries: list[BookOrder | GridtraceError] = []
    for body in sent:
        try:
            entries.append(_checked(site, body))
        except GridtraceError as refusal:
            entries.append(refusal)
    good = [entry for entry in entries if isinstance(entry, BookOrder)]
    answers = iter(await site.intake.enter(good, site.clock.now_s()) if good else [])
    results = []
    for index, (body, entry) in enumerate(zip(sent, entries, strict=True)):
        answer = next(answers) if isinstance(entry, BookOrder) else entry
        results.append(await _result(site, index, body, entry, answer))
    return _json(OrderResults(results=results), 200)


async def _result(
    site: Services, index: int, body: NewOrder, entry: BookOrder | GridtraceError, answer: service.Answer
) -> OrderResult:
    if isinstance(answer, GridtraceError) or isinstance(entry, GridtraceError):
        refusal = answer if isinstance(answer, GridtraceError) else entry
        assert isinstance(refusal, GridtraceError)
        return OrderResult(index=index, status=status_of(refusal), code=refusal.code, detail=str(refusal))
    order = await _answer(site, body, entry, answer)
    return OrderResult.model_construct(index=index, status=200 if answer.duplicate else 201, order=order)


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
    rows = await db.fetch(
        SQL["orders"],
        account or caller.account,
        caller.account,
        site.clock.now() + _gate_lead(site),
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
async def cancel_order(order_id: Hash, caller: SignedIn, site: Site) -> OrderAnswer:
    """Takes one's open order out of the book; once more changes nothing.

    In continuous trading ``status`` is cancelling until the matching engine has come to it: it may trade until then.
    """
    async with transaction(site.pool) as db:
        state = await service.cancel_order(db, site.config.node.market, caller.account, order_id, site.clock.now_s())
        answer = await _order(db, site, order_id, caller.account)
    return answer.model_copy(update={"status": state.status})


@router.post("/v1/orders:cancel")
async def cancel_orders(body: Cancellations, caller: SignedIn, site: Site) -> CancelResults:
    """Takes several orders out of the book, each by itself; of a named order it also says why it was refused."""
    rules, now_s = site.config.node.market, site.clock.now_s()
    async with transaction(site.pool) as db:
        if body.order_ids is None:
            start = None if body.delivery_start is None else seconds(body.delivery_start)
            left = await service.cancel_all(db, rules, caller.account, now_s, zone=body.zone, delivery_start=start)
            return CancelResults(results=[_cancelled(one.digest, one) for one in left])
        answers = await service.cancel_orders(db, rules, caller.account, body.order_ids, now_s)
    return CancelResults(results=[_cancelled(*pair) for pair in zip(body.order_ids, answers, strict=True)])


def _cancelled(order_id: bytes, answer: service.Answer) -> CancelResult:
    if isinstance(answer, GridtraceError):
        return CancelResult(order_id=order_id, status=status_of(answer), code=answer.code, detail=str(answer))
    return CancelResult(order_id=order_id, status=200, state=answer.status)
