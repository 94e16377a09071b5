"""The keys that sign a meter's readings: listed, replaced and revoked by its owner or administrators."""

from typing import Any

from eth_hash.auto import keccak
from fastapi import APIRouter

from api.deps import InPerson, Reader, SignedIn, Site, Writer, manages, own
from api.rest.fields import Address, Answer, Instant, Request
from api.rest.meters import APPLIANCE, HOME_PLANT, MeterId
from node import participants
from node.errors import NotFound
from node.identity import Caller
from node.metering import keys, service

router = APIRouter(tags=["meters"])


class NewKey(Request):
    """Address of the key that the new device, or its gateway, signs with."""

    key: Address


class Key(Answer):
    """``until``, in market time, is null for the key that signs."""

    key: Address
    until: Instant | None


class Keys(Answer):
    items: list[Key]


class Rotated(Answer):
    """``outbox_id`` tells the chain; null for an appliance, of which the chain does not know."""

    key: Address
    outbox_id: int | None


async def _meter(db: Any, meter_id: int) -> service.Meter:
    found = await service.meters(db, meter_ids=[meter_id], active=False)
    if not found:
        raise NotFound
    return found[0]


async def _to_change(db: Any, meter_id: int, caller: Caller) -> service.Meter:
    meter = await _meter(db, meter_id)
    if caller.account != meter.owner and not manages(caller):
        raise NotFound
    return meter


@router.get("/v1/meters/{meter_id}/keys")
async def of_meter(meter_id: MeterId, caller: SignedIn, db: Reader) -> Keys:
    """The key that signs, and those that did; for the meter's owner and operators."""
    own(caller, (await _meter(db, meter_id)).owner)
    return Keys(items=[Key.model_validate(key, from_attributes=True) for key in await keys.keys(db, meter_id)])


@router.post("/v1/meters/{meter_id}/keys", status_code=201)
async def rotate(meter_id: MeterId, body: NewKey, caller: InPerson, db: Writer, site: Site) -> Rotated:
    """Another key signs from now on, and the former one never again. Its counter begins anew; registers go on. The same
    key again changes nothing."""
    await _to_change(db, meter_id, caller)
    meter = await keys.rotate(db, meter_id, body.key, by=caller.account, now_s=site.clock.now_s())
    if meter.kind == APPLIANCE:
        return Rotated(key=meter.key, outbox_id=None)
    outbox_id = await participants.announce_meter(
        db,
        site.chain,
        meter_id=meter_id,
        owner=meter.owner,
        zone=meter.zone,
        key=meter.key,
        plant_id=keccak(meter.plant_id.encode()) if meter.plant_id else HOME_PLANT,
        request_id=f"key-{meter.key.hex()}",
    )
    return Rotated(key=meter.key, outbox_id=outbox_id)


@router.delete("/v1/meters/{meter_id}/keys/{key}", status_code=204)
async def revoke(meter_id: MeterId, key: Address, caller: InPerson, db: Writer, site: Site) -> None:
    """Nobody signs for the meter from now on, until it is given another key."""
    await _to_change(db, meter_id, caller)
    await keys.revoke(db, meter_id, key, by=caller.account, now_s=site.clock.now_s())
