"""The pages of meters: one's own, with what each slot came to and the proof of it."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Request
from fastapi import Path as InPath
from fastapi.responses import HTMLResponse, JSONResponse, Response

from api.deps import MaybeCaller, NotConfigured, Reader, SignedIn, Site, operates, own, public, signed_in
from api.rest import meters
from api.rest.fields import Second, seconds
from api.rest.meta import Stamp
from api.web.render import render
from node import row_security
from node.metering import service
from node.settlement import reads

router = APIRouter(include_in_schema=False)

SLOTS_SHOWN: Final = 96
FORMAT: Final = "gridtrace-reading-proof-1"

MeterId = Annotated[int, InPath(ge=1, lt=1 << 32)]


@router.get("/meters", dependencies=[Depends(public)])
async def meters_page(request: Request, db: Reader, site: Site, meta: Stamp, caller: MaybeCaller) -> HTMLResponse:
    """The signed-in account's meters; all of them for who operates the market."""
    page = None if caller is None else await meters.meters(caller, db, meta, None)
    return render(
        "meters.html",
        request,
        meta=meta,
        holder=None if caller is None else caller.account,
        everyone=caller is not None and operates(caller),
        items=[] if page is None else page.items,
    )


@router.get("/meters/{meter_id}", dependencies=[Depends(public)])
async def meter_page(
    meter_id: MeterId, request: Request, db: Reader, site: Site, meta: Stamp, caller: MaybeCaller
) -> HTMLResponse:
    """One meter: energy slot by slot, faults, proofs. For its owner and operators."""
    if caller is None:
        return render("meters.html", request, meta=meta, holder=None, everyone=False, items=[])
    slot_s = site.config.node.market.slot_s
    end_s = int(site.clock.now_s()) // slot_s * slot_s
    start, end = (datetime.fromtimestamp(at, UTC) for at in (end_s - SLOTS_SHOWN * slot_s, end_s))
    energy = await meters.energy(meter_id, start, end, caller, db, site, meta)
    page = await meters.meters(caller, db, meta, None)
    return render(
        "meter.html",
        request,
        meta=meta,
        meter=next(item for item in page.items if item.meter_id == meter_id),
        slots=energy.items[::-1],
        slot_s=slot_s,
        day_wh=_sums(energy.items, end - timedelta(days=1)),
        faults=(await meters.meter_faults(meter_id, caller, db, meta)).items,
    )


def _sums(items: list[meters.SlotEnergy], since: datetime) -> tuple[int, int]:
    """Wh taken and fed in since then."""
    lately = [item for item in items if item.delivery_start >= since]
    return sum(item.import_wh for item in lately), sum(item.export_wh for item in lately)


@router.get("/meters/{meter_id}/proofs/{delivery_start}", dependencies=[Depends(signed_in)])
async def proof(meter_id: MeterId, delivery_start: Second, db: Reader, site: Site, caller: SignedIn) -> Response:
    """The proof that one's own reading is in the root that stands on chain, as a file."""
    found = await service.meters(db, meter_ids=[meter_id], active=False)
    if not found:
        raise reads.NoReading(f"no meter {meter_id}")
    own(caller, found[0].owner)
    salt, at = _salt(site.config.node.readings_salt_file), seconds(delivery_start)
    # The tree is made of everybody's readings, of which the proof tells hashes alone.
    async with row_security.as_everybody(db):
        shown = await reads.reading_proof(db, salt, found[0].zone, at, meter_id, found[0].owner)
    name = f"meter-{meter_id}-{delivery_start:%Y%m%dT%H%M}Z.json"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "private, no-store"}
    return JSONResponse(_written(shown, found[0].zone), headers=headers)


def _salt(path: Path) -> bytes:
    """Raises NotConfigured where this process may not read it."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise NotConfigured("proofs of readings need GRIDTRACE_READINGS_SALT_FILE") from error


def _written(found: reads.ReadingProof, zone: int) -> dict[str, Any]:
    slot = found.slot
    return {
        "format": FORMAT,
        "zone": zone,
        "meter_id": slot.meter_id,
        "delivery_start": slot.delivery_start,
        "version": slot.version,
        "import_wh": str(slot.import_wh),
        "export_wh": str(slot.export_wh),
        "salt": "0x" + found.salt.hex(),
        "leaf": "0x" + found.leaf.hex(),
        "siblings": ["0x" + sibling.hex() for sibling in found.siblings],
        "readings_root": "0x" + found.root.hex(),
    }
