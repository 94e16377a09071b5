"""What a slot's meters say of its accounts, and which of them count."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from eth_hash.auto import keccak

from node.metering.readings import State
from node.metering.service import MeterSlot
from node.settlement import merkle
from node.settlement.delivery import Metered
from node.settlement.merkle import MeteredSlot

FEEDER: Final = "feeder"
"""Kind of a meter that measures a zone's connection, not a participant's."""


def registered(meters: Iterable[MeterSlot], owners: Mapping[int, bytes]) -> list[MeterSlot]:
    """The meters that count: feeders, and those that ``owners``, the chain's register, gives to the same account.

    No energy is issued to any other meter, so nothing that it saw can be settled.
    """
    return [meter for meter in meters if meter.kind == FEEDER or owners.get(meter.meter_id) == meter.owner]


def participants(meters: Iterable[MeterSlot]) -> list[MeterSlot]:
    """The meters that belong to somebody's account; feeders only check them."""
    return [meter for meter in meters if meter.kind != FEEDER]


def proved(meters: Iterable[MeterSlot]) -> list[MeterSlot]:
    """The meters whose slot is proved by readings, in meter order. An estimate proves nothing yet."""
    return sorted((meter for meter in meters if meter.state == State.VALIDATED), key=lambda meter: meter.meter_id)


def by_account(meters: Iterable[MeterSlot]) -> dict[bytes, Metered]:
    """The sum over each account's meters; one of them missing makes the account missing."""
    metered: dict[bytes, Metered] = {}
    for meter in meters:
        so_far = metered.get(meter.owner, Metered(0, 0))
        metered[meter.owner] = Metered(
            injection_wh=so_far.injection_wh + meter.export_wh,
            withdrawal_wh=so_far.withdrawal_wh + meter.import_wh,
            missing=so_far.missing or meter.state != State.VALIDATED,
        )
    return metered


def reading_leaves(secret: bytes, delivery_start: int, version: int, meters: Iterable[MeterSlot]) -> list[bytes]:
    """The Merkle leaves of all proved meters, in meter order."""
    slots = [
        MeteredSlot(meter.meter_id, delivery_start, version, meter.import_wh, meter.export_wh)
        for meter in proved(meters)
    ]
    return merkle.leaves(secret, slots)


def roots(by_zone: Sequence[tuple[int, bytes]]) -> bytes:
    """What commits to all readings of an area: the root of its one zone, else a hash of the zones' roots."""
    if len(by_zone) == 1:
        return by_zone[0][1]
    return keccak(b"".join(zone.to_bytes(4, "big") + root for zone, root in sorted(by_zone)))
