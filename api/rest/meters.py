"""Meters: taken into service by administrators, read by their owners."""

from datetime import UTC, datetime
from typing import Annotated, Literal

from eth_hash.auto import keccak
from fastapi import APIRouter, Depends, Query
from pydantic import Field

from api.deps import Reader, SignedIn, Site, Writer, admin, operates, own
from api.rest.accepted import Accepted, IdempotencyKey
from api.rest.fields import Address, Answer, Instant, Natural, Request, Second, seconds
from api.rest.meta import Meta, Stamp
from api.rest.paging import Page
from node import participants
from node.errors import NotFound
from node.metering import service

router = APIRouter(tags=["meters"])

Name = Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f]{1,200}$")]
MeterId = Annotated[int, Field(ge=1, lt=1 << 32)]
HOME_PLANT = bytes(32)


class NewMeter(Request):
    """``key`` is the address that signs the meter's readings: the device's own, or its gateway's."""

    meter_id: MeterId
    owner: Address
    kind: Literal["home", "plant", "feeder"]
    plant_id: Name | None = None
    zone: Annotated[int, Field(ge=1, lt=1 << 32)]
    driver: Literal["modbus", "mqtt", "http"]
    device: Name
    address: Name
    key: Address
    fuse_w: Annotated[Natural, Field(ge=1, lt=1 << 31)]


class MeterAnswer(Answer):
    meter_id: int
    owner: Address
    kind: str
    plant_id: str | None
    zone: int
    driver: str
    device: str
    key: Address
    fuse_w: Natural
    active: bool


class SlotEnergy(Answer):
    """Energy of one delivery slot in its newest settlement version."""

    delivery_start: Instant
    version: int
    import_wh: Natural
    export_wh: Natural
    state: str


class MeterEnergy(Answer):
    meta: Meta | None
    meter_id: int
    slot_s: int
    items: list[SlotEnergy]


@router.post("/v1/meters", status_code=202, dependencies=[Depends(admin)])
async def register_meter(body: NewMeter, db: Writer, site: Site, idempotency_key: IdempotencyKey) -> Accepted:
    """Takes a meter into service, here and on chain."""
    await service.register_meter(db, service.Meter(**dict(body)))
    outbox_id = await participants.announce_meter(
        db,
        site.chain,
        meter_id=body.meter_id,
        owner=body.owner,
        zone=body.zone,
        key=body.key,
        plant_id=keccak(body.plant_id.encode()) if body.plant_id else HOME_PLANT,
        request_id=idempotency_key,
    )
    return Accepted(outbox_id=outbox_id)


@router.get("/v1/meters")
async def meters(
    caller: SignedIn,
    db: Reader,
    meta: Stamp,
    owner: Annotated[Address | None, Query(description="One's own where not given")] = None,
) -> Page[MeterAnswer]:
    """The meters of an account; without ``owner``, operators get all."""
    if owner is not None and owner != caller.account and not operates(caller):
        return Page(meta=meta, items=[])
    wanted = owner if owner is not None or operates(caller) else caller.account
    found = await service.meters(db, owner=wanted, active=False)
    return Page(meta=meta, items=[MeterAnswer.model_validate(meter, from_attributes=True) for meter in found])


@router.get("/v1/meters/{meter_id}/energy")
async def energy(
    meter_id: MeterId,
    start: Annotated[Second, Query()],
    end: Annotated[Second, Query()],
    caller: SignedIn,
    db: Reader,
    site: Site,
    meta: Stamp,
) -> MeterEnergy:
    """Energy of each delivery slot that starts in ``[start, end)``; for the meter's owner and operators."""
    found = await service.meters(db, meter_ids=[meter_id], active=False)
    if not found:
        raise NotFound
    own(caller, found[0].owner)
    slot_s = site.config.node.market.slot_s
    slots = await service.energy(db, meter_id, seconds(start), seconds(end), slot_s)
    items = [
        SlotEnergy(
            delivery_start=datetime.fromtimestamp(slot.delivery_start, UTC),
            version=slot.version,
            import_wh=slot.import_wh,
            export_wh=slot.export_wh,
            state=slot.state,
        )
        for slot in slots
    ]
    return MeterEnergy(meta=meta, meter_id=meter_id, slot_s=slot_s, items=items)
