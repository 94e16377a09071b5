"""Devices as data: which register or field of a meter holds what. One TOML file per device in ``devices/``."""

import math
import struct
from collections.abc import Mapping, Sequence
from fractions import Fraction
from importlib.resources import files
from typing import Any, Final, Literal

import msgspec

from contracts.typed_data import Reading
from node.errors import GridtraceError, NotFound

Role = Literal["import_wh", "export_wh", "power_w", "time", "counter"]
Unit = Literal["Wh", "kWh", "W", "kW", "s", "1"]
Type = Literal["u16", "s16", "u32", "s32", "u64", "s64", "float32"]

_PER_UNIT: Final[dict[str, int]] = {"Wh": 1, "kWh": 1_000, "W": 1, "kW": 1_000, "s": 1, "1": 1}
_FORMATS: Final[dict[str, str]] = {
    "u16": ">H", "s16": ">h", "u32": ">I", "s32": ">i", "u64": ">Q", "s64": ">q", "float32": ">f",
}  # fmt: skip
_MOST_REGISTERS: Final = 100
_MOST_DIGITS: Final = 10


class UnknownDevice(NotFound):
    """There is no device file of this name."""

    code = "device-unknown"


class BadDeviceData(GridtraceError):
    """A device answered something that its map cannot read."""

    code = "device-data-bad"


class RegisterMap(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One Modbus value. Addresses are those on the wire, from 0."""

    role: Role
    address: int
    type: Type
    unit: Unit = "1"
    scale: str = "1"
    """Decimal factor on top of the unit."""
    scale_factor: int | None = None
    """Address of a signed 16-bit power of ten that multiplies the value (SunSpec)."""

    @property
    def words(self) -> int:
        return struct.calcsize(_FORMATS[self.type]) // 2


class FieldMap(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One value of a JSON payload, by its path of keys."""

    role: Role
    path: tuple[str, ...]
    unit: Unit = "1"
    scale: str = "1"


class Device(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How one kind of meter is read."""

    name: str
    driver: Literal["modbus", "mqtt"]
    source: str
    """The document that the map was taken from."""
    signed: bool = False
    """The payload is a reading that the device signed itself (``node.metering.payload``)."""
    function: Literal[3, 4] = 4
    """3 reads holding registers, 4 input registers."""
    word_order: Literal["big", "little"] = "big"
    max_gap: int = 0
    """Registers between two wanted ones that may be read along with them."""
    registers: tuple[RegisterMap, ...] = ()
    fields: tuple[FieldMap, ...] = ()

    def blocks(self) -> list[tuple[int, int]]:
        """The fewest (address, count) reads that cover every wanted register."""
        wanted = [(entry.address, entry.words) for entry in self.registers]
        wanted += [(entry.scale_factor, 1) for entry in self.registers if entry.scale_factor is not None]
        blocks: list[tuple[int, int]] = []
        for address, words in sorted(set(wanted)):
            start, count = blocks[-1] if blocks else (0, -1)
            reach = max(count, address + words - start)
            if blocks and address <= start + count + self.max_gap and reach <= _MOST_REGISTERS:
                blocks[-1] = (start, reach)
            else:
                blocks.append((address, words))
        return blocks

    def decode_registers(self, words: Mapping[int, int]) -> "Sample":
        """Reads the values out of registers by address.

        Raises:
            BadDeviceData: a register is missing, or a value is not a finite number.
        """
        values: dict[str, int] = {}
        for entry in self.registers:
            raw = _number(self._words(words, entry.address, entry.words), entry.type)
            power = 0
            if entry.scale_factor is not None:
                power = int(_number(self._words(words, entry.scale_factor, 1), "s16"))
            if abs(power) > _MOST_DIGITS:
                raise BadDeviceData(f"{self.name}: {entry.role} has a scale factor of {power}")
            values[entry.role] = self._whole(entry, raw, Fraction(10) ** power)
        return Sample.of(values)

    def decode_fields(self, payload: Any) -> "Sample":
        """Reads the values out of a JSON payload whose numbers are int or Decimal.

        Raises:
            BadDeviceData: a field is missing or is not a finite number.
        """
        values: dict[str, int] = {}
        for entry in self.fields:
            value = payload
            for key in entry.path:
                if not isinstance(value, dict) or key not in value:
                    raise BadDeviceData(f"{self.name}: the payload has no {'.'.join(entry.path)}")
                value = value[key]
            values[entry.role] = self._whole(entry, value, Fraction(1))
        return Sample.of(values)

    def _words(self, words: Mapping[int, int], address: int, count: int) -> list[int]:
        try:
            found = [words[address + place] for place in range(count)]
        except KeyError as error:
            raise BadDeviceData(f"{self.name}: register {error.args[0]} was not read") from error
        return found if self.word_order == "big" else found[::-1]

    def _whole(self, entry: RegisterMap | FieldMap, value: Any, factor: Fraction) -> int:
        """The value in whole base units, rounded down from its exact decimal (or binary) value."""
        try:
            if isinstance(value, bool | str):
                raise TypeError(f"{value!r} is not a number")
            return math.floor(Fraction(value) * Fraction(entry.scale) * _PER_UNIT[entry.unit] * factor)
        except (TypeError, ValueError, OverflowError) as error:
            raise BadDeviceData(f"{self.name}: {entry.role} = {value!r}: {error}") from error


class Sample(msgspec.Struct, frozen=True):
    """What an unsigned meter says, in Wh and W (import positive); time (Unix s) and counter where it has them."""

    import_wh: int = 0
    export_wh: int = 0
    power_w: int = 0
    time: int | None = None
    counter: int | None = None

    @classmethod
    def of(cls, values: Mapping[str, int]) -> "Sample":
        return cls(**values)

    def reading(self, meter_id: int, time: int, counter: int) -> Reading:
        return Reading(meter_id, time, counter, self.import_wh, self.export_wh, self.power_w)


def _number(words: Sequence[int], kind: Type) -> int | float:
    value: int | float = struct.unpack(_FORMATS[kind], b"".join(word.to_bytes(2, "big") for word in words))[0]
    return value


def load(name: str) -> Device:
    """The device file of this name.

    Raises:
        UnknownDevice: there is none.
        msgspec.ValidationError: the file is not a device file.
    """
    if not name.replace("-", "").replace("_", "").isalnum():
        raise UnknownDevice(f"no device is called {name!r}")
    file = files("node.metering") / "devices" / f"{name}.toml"
    if not file.is_file():
        raise UnknownDevice(f"no device is called {name!r}")
    return msgspec.toml.decode(file.read_bytes(), type=Device)


def names() -> list[str]:
    """Every device there is a file for."""
    folder = files("node.metering") / "devices"
    return sorted(file.name.removesuffix(".toml") for file in folder.iterdir() if file.name.endswith(".toml"))
