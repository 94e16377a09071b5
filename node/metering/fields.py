"""Values out of JSON and plain payloads, by the topic they came on. Pure."""

import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from node.metering.device_types import BadDeviceData, Device, FieldMap, Sample, Value
from node.metering.entries import printable
from node.metering.scale import Scale, shown

MOST_SERIAL: Final = 100
_INDEX: Final = re.compile(r"0|[1-9][0-9]{0,5}")


class Fields:
    """One meter's payloads put together: its values may come on several topics."""

    def __init__(self, device: Device, address: str = "{}") -> None:
        self._name = device.name
        self._parts = [_Part(entry, address) for entry in device.fields]
        self._values: dict[int, Any] = {}
        self.topics = tuple(dict.fromkeys(part.topic for part in self._parts))

    def take(self, topic: str, payload: Any) -> Sample | None:
        """What the meter says after a payload, its numbers int or Decimal; None while an energy is still to come.

        Raises:
            BadDeviceData: a field is missing or is not a finite number.
        """
        heard = {
            place: part.value(payload, self._name) for place, part in enumerate(self._parts) if part.topic == topic
        }
        self._values |= heard
        energies = [place for place, part in enumerate(self._parts) if part.is_energy]
        if not all(place in self._values for place in energies):
            return None
        # Power alone is no reading.
        return self._sample() if any(place in heard for place in energies) else None

    def _sample(self) -> Sample:
        found: dict[str, Any] = {}
        for place, value in self._values.items():
            role = self._parts[place].entry.role
            if role == "serial":
                found[role] = printable(str(value))[:MOST_SERIAL] or None
            elif role is not None:
                whole = self._parts[place].whole(value, self._name)
                found[role] = found.get(role, 0) + whole
        return Sample(**found)

    def values(self) -> list[Value]:
        """Everything heard so far, for a person."""
        return [self._parts[place].shown(value) for place, value in sorted(self._values.items())]


class _Part:
    def __init__(self, entry: FieldMap, address: str) -> None:
        self.entry = entry
        self.topic = entry.topic.replace("{}", address)
        self.is_energy = entry.role in ("import_wh", "export_wh")
        self._keys = [key.replace("~1", "/").replace("~0", "~") for key in entry.pointer.split("/")[1:]]
        self._scale = Scale.of(entry.scale, entry.unit)

    def value(self, payload: Any, name: str) -> Any:
        for key in self._keys:
            if isinstance(payload, Mapping) and key in payload:
                payload = payload[key]
            elif isinstance(payload, list) and _INDEX.fullmatch(key) and int(key) < len(payload):
                payload = payload[int(key)]
            else:
                raise BadDeviceData(f"{name}: the payload has no {self.entry.pointer}")
        if self.entry.role not in (None, "serial"):
            self.whole(payload, name)
        return payload

    def whole(self, value: Any, name: str) -> int:
        try:
            return self._scale.whole(_number(value))
        except (TypeError, ValueError, OverflowError) as error:
            raise BadDeviceData(f"{name}: {self.entry.label} = {value!r}: {error}") from error

    def shown(self, value: Any) -> Value:
        unit = "" if self.entry.unit == "1" else self.entry.unit
        try:
            return Value(self.entry.label, shown(_number(value), self.entry.scale), unit)
        except ValueError:
            return Value(self.entry.label, str(value), "")


def _number(value: Any) -> int | Decimal:
    """Numbers, and numbers written as text, as several firmwares do."""
    if isinstance(value, bool):
        raise ValueError("not a number")
    if isinstance(value, int | Decimal):
        return value
    if not isinstance(value, str) or len(value) > 40:
        raise ValueError("not a number")
    try:
        return Decimal(value.strip())
    except InvalidOperation:
        raise ValueError("not a number") from None
