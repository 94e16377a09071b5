"""Finding one's way through a SunSpec device: where its map starts, which models follow each other, what they hold."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from node.metering.device_types import BadDeviceData, Device, PointMap, Role
from node.metering.plan import Block, Plan, Wanted
from node.metering.sunspec_models import COMMON, HEADER_WORDS, Model, models

BASES: Final = (40_000, 50_000, 0)
"""SunSpec Information Model Specification, 6.2: where a device may keep its map."""
MARK: Final = b"SunS"
END: Final = 0xFFFF
HOLDING: Final = 3
MOST_MODELS: Final = 100

Ask = Callable[[Block], Awaitable[bytes]]


class NoSunspec(BadDeviceData):
    """The device has no SunSpec map, or none of the wanted models."""

    code = "sunspec-missing"


@dataclass(frozen=True, slots=True)
class Found:
    """A model of a device: its number, the register of its header, its length without the header."""

    number: int
    address: int
    length: int


async def discover(ask: Ask) -> list[Found]:
    """The device's chain of models.

    Raises:
        NoSunspec: no map at any of the standard's places, or its chain does not end.
        BadDeviceData, OSError: from ``ask``, where nothing answers at all.
    """
    address = await _base(ask) + len(MARK) // 2
    chain: list[Found] = []
    while len(chain) < MOST_MODELS and address + HEADER_WORDS <= 0x1_0000:
        header = await ask(Block(HOLDING, address, HEADER_WORDS))
        number, length = int.from_bytes(header[:2], "big"), int.from_bytes(header[2:], "big")
        if number == END:
            return chain
        chain.append(Found(number, address, length))
        address += HEADER_WORDS + length
    raise NoSunspec(f"the chain of models does not end: {[found.number for found in chain[:10]]}…")


async def _base(ask: Ask) -> int:
    refused: BadDeviceData | None = None
    answered = False
    for base in BASES:
        try:
            if await ask(Block(HOLDING, base, 2)) == MARK:
                return base
            answered = True
        except BadDeviceData as error:  # most devices refuse addresses that they do not have
            answered = answered or not error.retryable
            refused = error
    if refused is not None and not answered:
        raise refused
    raise NoSunspec(f"no SunSpec map at {', '.join(map(str, BASES))}")


def plan_of(device: Device, chain: list[Found], *, everything: bool = False) -> Plan:
    """What to read of a device with this chain of models: what has a role, its serial number included, or all.

    Raises:
        NoSunspec: it has none of the wanted models.
    """
    assert device.sunspec is not None
    seen = [found for number in device.sunspec.models for found in chain if found.number == number]
    first = [found for found in seen if found.number == seen[0].number]
    if len(first) < device.sunspec.instance:
        has = ", ".join(str(found.number) for found in chain) or "none"
        raise NoSunspec(f"{device.name}: no model of {device.sunspec.models}; the device has {has}")
    place = first[device.sunspec.instance - 1]
    model = models()[place.number]
    mapped = {point.point: point for point in device.sunspec.points}
    names = [*mapped, *(name for name in model.points if everything and name not in mapped)]
    values = [_wanted(place, model, name, mapped.get(name)) for name in names]
    common = [_common(found) for found in chain if found.number == COMMON and found.address < place.address]
    present = [value for value in (*common[-1:], *values) if value is not None]
    return Plan(device.name, present, device.max_gap, device.max_registers)


def _common(found: Found) -> Wanted | None:
    return _wanted(found, models()[COMMON], "SN", PointMap("SN", role="serial"))


def _wanted(found: Found, model: Model, name: str, mapped: PointMap | None) -> Wanted | None:
    point = model.points[name]
    if point.offset + point.wire.words > HEADER_WORDS + found.length:
        return None
    role: Role | None = None if mapped is None else mapped.role
    return Wanted(
        function=HOLDING,
        address=found.address + point.offset,
        wire=point.wire,
        label=name,
        unit=point.unit,
        scale="1" if mapped is None else mapped.scale,
        role=role,
        scale_factor=None if point.scale_factor is None else found.address + point.scale_factor,
    )
