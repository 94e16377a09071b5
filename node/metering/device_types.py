"""What a device file says, and what a device answers. Pure."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Final, Literal

import msgspec

from contracts.typed_data import Reading
from node.errors import GridtraceError
from node.metering.wire import Absent, Order, Type, Wire, absent_values, words_of

Role = Literal["import_wh", "export_wh", "power_w", "time", "counter", "serial", "uptime_s"]
Function = Literal["holding", "input"]
Unit = Literal[
    "Wh", "kWh", "MWh", "W", "kW", "MW", "s", "min", "h", "1", "V", "kV", "A", "mA", "Hz", "VA", "kVA", "var", "kvar",
    "VAh", "kVAh", "varh", "kvarh", "%", "°C",
]  # fmt: skip

BASE: Final[Mapping[str, tuple[str, int]]] = {
    "Wh": ("Wh", 1), "kWh": ("Wh", 1_000), "MWh": ("Wh", 1_000_000), "W": ("W", 1), "kW": ("W", 1_000),
    "MW": ("W", 1_000_000), "s": ("s", 1), "min": ("s", 60), "h": ("s", 3_600), "1": ("1", 1),
}  # fmt: skip
"""Base unit and factor of the units that a role may have."""
ROLE_UNIT: Final[Mapping[str, str]] = {
    "import_wh": "Wh", "export_wh": "Wh", "power_w": "W", "time": "s", "counter": "1", "serial": "1", "uptime_s": "s",
}  # fmt: skip
FUNCTION_CODE: Final[Mapping[str, int]] = {"holding": 3, "input": 4}
Address = Annotated[int, msgspec.Meta(ge=0, le=0xFFFF)]
Name = Annotated[str, msgspec.Meta(pattern=r"^[^\x00-\x1f\x7f]{1,80}$")]
Topic = Annotated[str, msgspec.Meta(pattern=r"^[^\x00#+]{1,200}$")]


class BadDeviceData(GridtraceError):
    """A device answered something that its map cannot read."""

    code = "device-data-bad"


class RegisterMap(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One Modbus value. Addresses are those on the wire, from 0. What has no role is only shown."""

    address: Address
    type: Type
    role: Role | None = None
    name: Name | None = None
    length: Annotated[int, msgspec.Meta(ge=0, le=64)] = 0
    """Registers of a string."""
    function: Function | None = None
    unit: Unit = "1"
    scale: str = "1"
    """Decimal factor on top of the unit; negative where the device counts the other way round."""
    scale_factor: Address | None = None
    """Address of a signed 16-bit power of ten that multiplies the value (SunSpec)."""
    word_order: Order | None = None
    byte_order: Order | None = None
    absent: tuple[int, ...] = ()
    """Raw values that mean "not there", beside those of the device's convention."""
    bits: dict[str, str] = {}
    """What each bit of a bit field means, by its number from 0."""
    wraps: str | None = None
    """Value, in ``unit``, after which an energy starts again at 0; that of the type where not said."""

    @property
    def label(self) -> str:
        return self.name or self.role or f"register {self.address}"

    @property
    def words(self) -> int:
        return words_of(self.type, self.length)


class FieldMap(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One value of a payload, by its JSON pointer (RFC 6901); the empty pointer is a payload that is the value."""

    pointer: str
    role: Role | None = None
    name: Name | None = None
    topic: str = "{}"
    """MQTT topic; ``{}`` stands for the meter's address."""
    unit: Unit = "1"
    scale: str = "1"

    @property
    def label(self) -> str:
        return self.name or self.role or self.pointer


class PointMap(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One point of a SunSpec model, by its name in the standard."""

    point: str
    role: Role | None = None
    scale: str = "1"


class Sunspec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A device that says itself where its values are."""

    models: tuple[int, ...]
    """Model numbers; the first that the device has is read."""
    points: tuple[PointMap, ...]
    instance: Annotated[int, msgspec.Meta(ge=1, le=20)] = 1
    """Which one, where the device has several of the model."""


class Device(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How one kind of meter is read."""

    name: Name
    driver: Literal["modbus", "mqtt", "http"]
    source: Annotated[str, msgspec.Meta(min_length=10)]
    """The document that the map was taken from."""
    note: str = ""
    """What its user must know."""
    signed: bool = False
    """The payload is a reading that the device signed itself (``node.metering.payload``)."""
    resets: bool = False
    """Its energies start at 0 when it starts: a fall after a restart is expected."""
    function: Function = "input"
    word_order: Order = "big"
    byte_order: Order = "big"
    absent: Absent = "none"
    max_gap: Annotated[int, msgspec.Meta(ge=0, le=100)] = 0
    """Registers between two wanted ones that may be read along with them."""
    max_registers: Annotated[int, msgspec.Meta(ge=1, le=125)] = 100
    """The most that one request may ask for."""
    registers: tuple[RegisterMap, ...] = ()
    fields: tuple[FieldMap, ...] = ()
    sunspec: Sunspec | None = None
    path: str = ""
    """What is asked of an HTTP device, after its address."""

    def wire(self, entry: RegisterMap) -> Wire:
        """The form of one register's value."""
        absent = absent_values(entry.type, self.absent) | frozenset(entry.absent)
        word, byte = entry.word_order or self.word_order, entry.byte_order or self.byte_order
        return Wire(entry.type, entry.length, word, byte, absent)


class Sample(msgspec.Struct, frozen=True):
    """What an unsigned meter says, in Wh and W (import positive); time (Unix s) and counter where it has them."""

    import_wh: int = 0
    export_wh: int = 0
    power_w: int = 0
    time: int | None = None
    counter: int | None = None
    serial: str | None = None
    uptime_s: int | None = None
    import_wraps_wh: int | None = None
    """After how many Wh the register starts again at 0, where that is known."""
    export_wraps_wh: int | None = None

    def reading(self, meter_id: int, time: int, counter: int) -> Reading:
        return Reading(meter_id, time, counter, self.import_wh, self.export_wh, self.power_w)


class Value(msgspec.Struct, frozen=True):
    """One value for a person; None where the device has none."""

    name: str
    value: Decimal | int | str | None
    unit: str
