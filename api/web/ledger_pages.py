"""The explorer of the mirrored ledger: events with their proofs, blocks, transactions, accounts."""

import re
from dataclasses import replace
from itertools import groupby
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse

from api.deps import Reader, Site, public
from api.rest import ledger, ledger_events, reconcile
from api.rest import status as market_status
from api.rest.fields import Address, Hash
from api.rest.meta import IndexHead, Stamp
from api.rest.paging import Wanted
from api.web.render import render
from api.web.windows import newest
from indexer import sources
from indexer.db import queries
from node.errors import NotFound

router = APIRouter(include_in_schema=False, dependencies=[Depends(public)])
SQL = queries(__name__)

EVENTS_SHOWN: Final = 25
BLOCKS_SHOWN: Final = 20
SETTLED_SHOWN: Final = 50
EVENTS_OF_A_BLOCK: Final = 1_000
DIFFERENCES_SHOWN: Final = 20

Number = Annotated[int, Path(ge=0, lt=1 << 42)]
Chosen = Annotated[str, Query(max_length=64)]


@router.get("/ledger")
async def ledger_page(
    request: Request,
    db: Reader,
    site: Site,
    meta: Stamp,
    wanted: Wanted,
    contract: Chosen = "",
    event: Chosen = "",
    cursor: Annotated[str, Query(max_length=200)] = "",
) -> HTMLResponse:
    """The newest events, or those after a cursor; how the mirror compares with the contracts; the newest blocks."""
    known = await sources.events(db, site.chain_id)
    contracts, names = sorted({one.contract for one in known}), sorted({one.name for one in known})
    by, of = (contract if contract in contracts else None), (event if event in names else None)
    return render(
        "ledger.html",
        request,
        status=await market_status.status(db, site, meta),
        contracts=contracts,
        events_known=names,
        contract=by or "",
        event=of or "",
        is_first=not cursor,
        page=await ledger.events(db, site, meta, replace(wanted, limit=EVENTS_SHOWN), by, of),
        blocks=(await ledger.blocks(db, site, meta, newest(BLOCKS_SHOWN))).items,
        reconciled=await reconcile.reconcile(db, site, meta, DIFFERENCES_SHOWN),
    )


@router.get("/ledger/find")
async def find(db: Reader, site: Site, q: Annotated[str, Query(max_length=100)] = "") -> RedirectResponse:
    """Leads to the block, account or transaction that somebody looks for."""
    text = q.strip()
    if re.fullmatch(r"[0-9]{1,12}", text):
        return RedirectResponse(f"/ledger/blocks/{text}", 303)
    if re.fullmatch(r"0x[0-9a-fA-F]{40}", text):
        return RedirectResponse(f"/accounts/{text}", 303)
    if re.fullmatch(r"0x[0-9a-fA-F]{64}", text):
        return RedirectResponse(f"/ledger/transactions/{text}", 303)
    raise NotFound("look for a block's number, an account's address or a transaction's hash")


@router.get("/ledger/transactions/{transaction_hash}")
async def transaction(transaction_hash: Hash, db: Reader, site: Site) -> RedirectResponse:
    """Leads to a transaction in its block, where we keep it or have sent or mirrored it."""
    number = await db.fetchval(SQL["block_of"], site.chain_id, transaction_hash)
    if number is None:
        raise NotFound(f"no transaction 0x{transaction_hash.hex()} is known here")
    return RedirectResponse(f"/ledger/blocks/{number}#tx-{transaction_hash.hex()}", 303)


@router.get("/ledger/blocks/{number}")
async def block_page(number: Number, request: Request, db: Reader, site: Site, meta: Stamp) -> HTMLResponse:
    """One block: what it says of itself, and the events in it by transaction."""
    block = await db.fetchrow(SQL["block"], site.chain_id, number)
    if block is None:
        raise NotFound(f"block {number} is not in the mirror")
    before = (number + 1) << ledger_events.LOG_INDEX_BITS
    # Those below the next block's first: a block's own come first, as far as there are any.
    rows = await ledger_events.newest(db, site.chain_id, None, None, before, EVENTS_OF_A_BLOCK, None)
    events = [ledger_events.LedgerEvent.model_validate(row) for row in rows if row["block_number"] == number][::-1]
    return render(
        "block.html",
        request,
        status=await market_status.status(db, site, meta),
        block=block,
        transactions=_by_transaction(events),
        most=EVENTS_OF_A_BLOCK,
        events=len(events),
    )


def _by_transaction(events: list[ledger_events.LedgerEvent]) -> list[tuple[bytes, list[ledger_events.LedgerEvent]]]:
    def of(event: ledger_events.LedgerEvent) -> Any:
        return event.transaction_hash

    return [(key, list(group)) for key, group in groupby(events, of)]


@router.get("/accounts/{account}")
async def account_page(
    request: Request, account: Address, db: Reader, site: Site, head: IndexHead, meta: Stamp
) -> HTMLResponse:
    """What the chain says of an account."""
    return render(
        "account.html",
        request,
        status=await market_status.status(db, site, meta),
        account=await ledger.ledger_account(account, db, site, head, meta, SETTLED_SHOWN),
    )
