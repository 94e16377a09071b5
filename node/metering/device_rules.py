"""What makes a device map unusable, beyond the types of its keys."""

import re
from collections.abc import Iterator, Sequence
from typing import Final, TypeAlias

from node.errors import Refused
from node.metering.device_types import BASE, ROLE_UNIT, Device, FieldMap, RegisterMap
from node.metering.scale import factor_of
from node.metering.sunspec_models import models
from node.metering.wire import bits_of

Fault: TypeAlias = tuple[str, str]
"""A key and what is wrong with it."""
_POINTER: Final = re.compile(r"(/([^~/]|~[01])*)*")
_ENERGIES: Final = ("import_wh", "export_wh")


class BadDeviceMap(Refused):
    """A device map cannot be used."""

    code = "device-map-bad"

    def __init__(self, source: str, faults: Sequence[Fault]) -> None:
        self.source, self.found = source, tuple(faults)
        super().__init__("; ".join(f"{source}: {key}: {reason}" for key, reason in faults))


def faults(device: Device) -> list[Fault]:
    """Everything that is wrong, by key."""
    found = [*_driver(device)]
    for place, entry in enumerate(device.registers):
        found += [(f"registers[{place}].{key}", why) for key, why in _register(device, entry)]
    for place, part in enumerate(device.fields):
        found += [(f"fields[{place}].{key}", why) for key, why in _field(device, part)]
    found += _sunspec(device)
    return found + list(_roles(device))


def _driver(device: Device) -> Iterator[Fault]:
    if device.driver == "modbus":
        if bool(device.registers) == (device.sunspec is not None):
            yield "registers", "a Modbus device has either registers or a table sunspec"
        if device.fields:
            yield "fields", "a Modbus device has none"
    else:
        if device.registers or device.sunspec:
            yield "registers", f"a device of driver {device.driver} has none"
        if device.signed == bool(device.fields):
            yield "fields", "a device that does not sign its readings needs some, one that does has none"
    if device.path and device.driver != "http":
        yield "path", "only a device of driver http has one"


def _register(device: Device, entry: RegisterMap) -> Iterator[Fault]:
    if (entry.type == "string") != (entry.length > 0):
        yield "length", "strings have one above 0, nothing else has one"
        return
    if entry.words > device.max_registers:
        yield "length", f"{entry.words} registers, more than max_registers"
    if entry.address + entry.words > 0x1_0000:
        yield "address", f"{entry.words} registers from {entry.address} go past 65535"
    if entry.role is None and entry.name is None:
        yield "name", "a value without a role needs one"
    if entry.bits and not entry.type.startswith("bitfield"):
        yield "bits", f"a value of type {entry.type} has none"
    for number in entry.bits:
        if not number.isdecimal() or int(number) >= bits_of(entry.type):
            yield "bits", f"there is no bit {number!r}"
    if entry.scale_factor is not None and entry.type in ("f32", "f64", "string"):
        yield "scale_factor", f"a value of type {entry.type} has none"
    if entry.role not in (None, "serial") and entry.type in ("string", "bitfield16", "bitfield32"):
        yield "type", f"{entry.type} cannot be {entry.role}"
    if entry.wraps is not None:
        if entry.role not in _ENERGIES:
            yield "wraps", "only import_wh and export_wh start again"
        yield from _number("wraps", entry.wraps)
    yield from _common(entry)


def _field(device: Device, part: FieldMap) -> Iterator[Fault]:
    if not _POINTER.fullmatch(part.pointer):
        yield "pointer", f"{part.pointer!r} is not a JSON pointer (RFC 6901)"
    if part.topic != "{}" and device.driver != "mqtt":
        yield "topic", f"a device of driver {device.driver} has none"
    if part.topic.count("{}") != 1 or any(sign in part.topic for sign in "#+"):
        yield "topic", f"{part.topic!r} must hold {{}} once, and no wildcard"
    yield from _common(part)


def _common(entry: RegisterMap | FieldMap) -> Iterator[Fault]:
    yield from _number("scale", entry.scale)
    if entry.role is not None and BASE.get(entry.unit, ("?", 1))[0] != ROLE_UNIT[entry.role]:
        yield "unit", f"{entry.unit} cannot be {entry.role}"


def _number(key: str, text: str) -> Iterator[Fault]:
    try:
        factor_of(text)
    except ValueError as error:
        yield key, str(error)


def _sunspec(device: Device) -> Iterator[Fault]:
    if device.sunspec is None:
        return
    for number in device.sunspec.models:
        if number not in models():
            yield "sunspec.models", f"model {number} is not known here"
            continue
        for place, wanted in enumerate(device.sunspec.points):
            if wanted.point not in models()[number].points:
                yield f"sunspec.points[{place}].point", f"model {number} has no {wanted.point!r}"
    for place, wanted in enumerate(device.sunspec.points):
        for _, why in _number("scale", wanted.scale):
            yield f"sunspec.points[{place}].scale", why


def _roles(device: Device) -> Iterator[Fault]:
    points = device.sunspec.points if device.sunspec else ()
    roles = [str(entry.role) for entries in (device.registers, device.fields, points) for entry in entries]
    if not device.signed and not set(roles) & set(_ENERGIES):
        yield "role", "nothing is import_wh or export_wh"
    for role in ("time", "counter", "serial", "uptime_s"):
        if roles.count(role) > 1:
            yield "role", f"{role} stands {roles.count(role)} times; only energies and power may be sums"
