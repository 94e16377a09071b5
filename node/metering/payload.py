"""The JSON form of a signed reading, the same over MQTT and HTTP."""

import json
from decimal import Decimal
from typing import Any

import msgspec

from contracts.typed_data import Reading
from node.metering.devices import BadDeviceData
from node.metering.readings import SignedReading

MOST_BYTES = 4_096


class ReadingPayload(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Times in Unix seconds, energies in Wh, power in W (import positive), signature as 0x-prefixed hex."""

    meter_id: int
    time: int
    counter: int
    import_wh: int
    export_wh: int
    power_w: int
    signature: str


def encode(reading: Reading, signature: bytes) -> bytes:
    """The payload that a signing device publishes."""
    said = (reading.meter_id, reading.time, reading.counter)
    registers = (reading.import_wh, reading.export_wh, reading.power_w)
    return msgspec.json.encode(ReadingPayload(*said, *registers, "0x" + signature.hex()))


def decode(payload: bytes) -> SignedReading:
    """The signed reading in a payload, its signer recovered.

    Raises:
        BadDeviceData: it is not such a payload.
        BadSignature, FieldOutOfRange: from ``SignedReading.recovered``.
    """
    if len(payload) > MOST_BYTES:
        raise BadDeviceData(f"payload of {len(payload)} bytes, at most {MOST_BYTES}")
    try:
        said = msgspec.json.decode(payload, type=ReadingPayload)
        signature = bytes.fromhex(said.signature.removeprefix("0x"))
    except (msgspec.MsgspecError, ValueError) as error:
        raise BadDeviceData(f"not a signed reading: {error}") from error
    reading = Reading(said.meter_id, said.time, said.counter, said.import_wh, said.export_wh, said.power_w)
    return SignedReading.recovered(reading, signature)


def decode_json(payload: bytes, most_bytes: int = MOST_BYTES) -> Any:
    """Any JSON payload with its decimals exact; a plain number is one, too.

    Raises:
        BadDeviceData: it is not JSON.
    """
    if len(payload) > most_bytes:
        raise BadDeviceData(f"payload of {len(payload)} bytes, at most {most_bytes}")
    try:
        return json.loads(payload, parse_float=Decimal, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise BadDeviceData(f"not JSON: {error}") from error


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is not a number")
