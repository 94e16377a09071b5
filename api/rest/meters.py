"""Meters: taken into service by administrators, read by their owners."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from eth_hash.auto import keccak
from fastapi import APIRouter, Depends, Query
from pydantic import Field

from api.deps import Admin, Reader, SignedIn, Site, Writer, admin, operates, own
from api.rest.accepted import Accepted, IdempotencyKey
from api.rest.fields import Address, Answer, Instant, Natural, Request, Second, Whole, seconds
from api.rest.meta import Meta, Stamp
from api.rest.paging import Page
from node import participants
from node.errors import NotFound, Refused
from node.identity import Caller
from node.metering import baselines, devices, faults, service
from node.metering.http_poll import Target
from node.metering.modbus_address import parse_address

router = APIRouter(tags=["meters"])

Name = Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f]{1,200}$")]
MeterId = Annotated[int, Field(ge=1, lt=1 << 32)]
HOME_PLANT = bytes(32)
APPLIANCE = "appliance"


class NewMeter(Request):
    """``key`` is the address that signs the meter's readings: the device's own, or its gateway's.

    Drivers: ``modbus``; ``mqtt``; ``poll`` asks an HTTP device; ``http`` pushes readings that it signs itself.
    """

    meter_id: MeterId
    owner: Address
    kind: Literal["home", "plant", "feeder"]
    plant_id: Name | None = None
    zone: Annotated[int, Field(ge=1, lt=1 << 32)]
    driver: Literal["modbus", "mqtt", "poll", "http"]
    device: Name
    address: Name
    key: Address
    fuse_w: Annotated[Natural, Field(ge=1, lt=1 << 31)]


class NewAppliance(Request):
    """A meter of its own for a part of what another meter counts; it shows who used what, and does not settle."""

    meter_id: MeterId
    part_of: MeterId
    appliance: Name
    consumption_type: Name | None = None
    driver: Literal["modbus", "mqtt", "poll", "http"]
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
    appliance: str | None
    part_of: int | None
    faults: list[str]
    """Kinds of the faults that are open now."""
    last_reading_at: Instant | None


class Fault(Answer):
    """What is or was wrong with a meter; open while ``until`` is null."""

    kind: str
    since: Instant
    until: Instant | None
    last_seen: Instant
    times: int
    evidence: dict[str, int | str]


class Replacement(Request):
    """The serial number of the device that has taken the place of another."""

    serial: Name


class Baseline(Answer):
    """What is added to the registers of the device from now on, in Wh."""

    meter_id: int
    serial: str
    import_base_wh: Whole
    export_base_wh: Whole


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


class MeterContradicts(Refused):
    """The particulars of a meter contradict each other."""

    code = "meter-contradicts"


def _check(body: NewMeter | NewAppliance, maps: Path | None) -> None:
    """Raises where the node could not read the meter."""
    if body.driver not in ("modbus", "poll"):
        return
    device, expected = devices.load(body.device, maps), "http" if body.driver == "poll" else body.driver
    if device.driver != expected:
        raise MeterContradicts(f"{body.device} is a device of driver {device.driver}, not {expected}")
    if body.driver == "modbus":
        parse_address(body.address)
    else:
        Target.of(body.address, device.path)


@router.post("/v1/meters", status_code=202, dependencies=[Depends(admin)])
async def register_meter(body: NewMeter, db: Writer, site: Site, idempotency_key: IdempotencyKey) -> Accepted:
    """Takes a meter into service, here and on chain."""
    _check(body, site.config.node.meter_maps)
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
    await participants.cap_power(db, site.chain, meter_id=body.meter_id, fuse_w=body.fuse_w, request_id=idempotency_key)
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
    ids = [meter.meter_id for meter in found]
    open_kinds, latest = await faults.of_meters(db, ids), await service.latest(db, ids)
    items = []
    for meter in found:
        last = latest.get(meter.meter_id)
        seen = {"faults": open_kinds.get(meter.meter_id, []), "last_reading_at": last and _instant(last.time)}
        items.append(MeterAnswer.model_validate({name: getattr(meter, name) for name in _OF_METER} | seen))
    return Page(meta=meta, items=items)


@router.post("/v1/appliances", status_code=201, dependencies=[Depends(admin)])
async def register_appliance(body: NewAppliance, db: Writer, site: Site) -> NewAppliance:
    """Takes an appliance's meter into service. The chain knows nothing of it."""
    _check(body, site.config.node.meter_maps)
    whole = await service.meters(db, meter_ids=[body.part_of])
    if not whole or whole[0].kind == APPLIANCE:
        raise MeterContradicts(f"there is no meter {body.part_of} in service that this could be a part of")
    place: dict[str, Any] = {"owner": whole[0].owner, "zone": whole[0].zone, "kind": APPLIANCE, "plant_id": None}
    await service.register_meter(db, service.Meter(**dict(body), **place))
    return body


@router.get("/v1/meters/{meter_id}/faults")
async def meter_faults(meter_id: MeterId, caller: SignedIn, db: Reader, meta: Stamp) -> Page[Fault]:
    """What is or was wrong with a meter, the open faults first; for its owner and operators."""
    await _own(db, meter_id, caller)
    items = [
        Fault(
            kind=fault.kind,
            since=_instant(fault.since),
            until=None if fault.until is None else _instant(fault.until),
            last_seen=_instant(fault.last_seen),
            times=fault.times,
            evidence=dict(fault.evidence),
        )
        for fault in await faults.of_meter(db, meter_id)
    ]
    return Page(meta=meta, items=items)


@router.post("/v1/meters/{meter_id}/replacements", status_code=201)
async def confirm_replacement(meter_id: MeterId, body: Replacement, db: Writer, caller: Admin) -> Baseline:
    """Confirms that another device has taken a meter's place; its registers go on from the old one's last."""
    begun = await baselines.confirm_replacement(db, meter_id, body.serial, caller.account)
    bases = {"import_base_wh": begun.import_base_wh, "export_base_wh": begun.export_base_wh}
    return Baseline(meter_id=meter_id, serial=body.serial, **bases)


async def _own(db: Any, meter_id: int, caller: Caller) -> None:
    found = await service.meters(db, meter_ids=[meter_id], active=False)
    if not found:
        raise NotFound
    own(caller, found[0].owner)


def _instant(time_s: int) -> datetime:
    return datetime.fromtimestamp(time_s, UTC)


_OF_METER = tuple(name for name in MeterAnswer.model_fields if name not in ("faults", "last_reading_at"))


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
    await _own(db, meter_id, caller)
    slot_s = site.config.node.market.slot_s
    slots = await service.energy(db, meter_id, seconds(start), seconds(end), slot_s)
    items = [
        SlotEnergy(
            delivery_start=_instant(slot.delivery_start),
            version=slot.version,
            import_wh=slot.import_wh,
            export_wh=slot.export_wh,
            state=slot.state,
        )
        for slot in slots
    ]
    return MeterEnergy(meta=meta, meter_id=meter_id, slot_s=slot_s, items=items)
