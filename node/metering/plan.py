"""What to ask a Modbus device for, and how to read its answers: worked out once for each device. Pure."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from node.metering.device_types import (
    FUNCTION_CODE,
    BadDeviceData,
    Device,
    RegisterMap,
    Role,
    Sample,
    Value,
)
from node.metering.scale import Scale, factor_of, shown, tens_of
from node.metering.sunspec_models import FACTOR_WIRE
from node.metering.wire import UNSIGNED, Raw, Wire, bits_of

_ENERGIES: Final = ("import_wh", "export_wh")
_WRAPS: Final = {"import_wh": "import_wraps_wh", "export_wh": "export_wraps_wh"}


@dataclass(frozen=True, slots=True)
class Block:
    """One request: Modbus function code, first register, how many."""

    function: int
    address: int
    count: int


@dataclass(frozen=True, slots=True)
class Wanted:
    """One value at a known place."""

    function: int
    address: int
    wire: Wire
    label: str
    unit: str
    scale: str
    role: Role | None = None
    scale_factor: int | None = None
    bits: tuple[tuple[int, str], ...] = ()
    wraps: str | None = None

    def parts(self) -> list[tuple[int, int, int]]:
        """The registers that it takes, as (function, address, count)."""
        found = [(self.function, self.address, self.wire.words)]
        if self.scale_factor is not None:
            found.append((self.function, self.scale_factor, 1))
        return found


def wanted(device: Device) -> list[Wanted]:
    """The values of a device's register map."""
    return [_of(device, entry) for entry in device.registers]


def _of(device: Device, entry: RegisterMap) -> Wanted:
    return Wanted(
        function=FUNCTION_CODE[entry.function or device.function],
        address=entry.address,
        wire=device.wire(entry),
        label=entry.label,
        unit=entry.unit,
        scale=entry.scale,
        role=entry.role,
        scale_factor=entry.scale_factor,
        bits=tuple((int(number), text) for number, text in entry.bits.items()),
        wraps=entry.wraps,
    )


def blocks_of(parts: Iterable[tuple[int, int, int]], max_gap: int, max_registers: int) -> list[Block]:
    """The fewest requests that cover the parts, none longer than the device allows."""
    blocks: list[Block] = []
    for function, address, words in sorted(set(parts)):
        last = blocks[-1] if blocks else None
        if last is not None and last.function == function and address <= last.address + last.count + max_gap:
            reach = max(last.count, address + words - last.address)
            if reach <= max_registers:
                blocks[-1] = Block(function, last.address, reach)
                continue
        blocks.append(Block(function, address, words))
    return blocks


@dataclass(frozen=True, slots=True)
class _Part:
    """One value, found in the answers."""

    source: Wanted
    block: int
    offset: int
    read: Callable[[bytes, int], Raw]
    scale: Scale
    factor_block: int
    factor_offset: int
    wraps: int | None
    """Raw value at which it starts again at 0."""

    def raw(self, answers: Sequence[bytes]) -> tuple[Raw, int]:
        """Its raw value and power of ten."""
        value = self.read(answers[self.block], self.offset)
        if self.factor_block < 0:
            return value, 0
        return value, tens_of(_READ_FACTOR(answers[self.factor_block], self.factor_offset), self.source.label)


_READ_FACTOR: Final = FACTOR_WIRE.reader()


class Plan:
    """The requests of one poll, and what their answers mean."""

    def __init__(self, name: str, values: Sequence[Wanted], max_gap: int, max_registers: int) -> None:
        self.name = name
        self.blocks = tuple(blocks_of((part for value in values for part in value.parts()), max_gap, max_registers))
        self._parts = [self._part(value) for value in values]
        self._roles = [(part.source.role, part) for part in self._parts if part.source.role is not None]
        self._empty = _widths([part for _, part in self._roles])

    @classmethod
    def of(cls, device: Device, *, everything: bool = False) -> "Plan":
        """For a device whose registers its map knows: those with a role, or all of them."""
        values = [value for value in wanted(device) if everything or value.role is not None]
        return cls(device.name, values, device.max_gap, device.max_registers)

    def _part(self, value: Wanted) -> _Part:
        (block, offset), (factor_block, factor_offset) = self._place(value, value.address), (-1, 0)
        if value.scale_factor is not None:
            factor_block, factor_offset = self._place(value, value.scale_factor)
        scale = Scale.of(value.scale, value.unit)
        read = value.wire.reader()
        return _Part(value, block, offset, read, scale, factor_block, factor_offset, _wraps(value))

    def _place(self, value: Wanted, address: int) -> tuple[int, int]:
        for number, block in enumerate(self.blocks):
            if block.function == value.function and block.address <= address < block.address + block.count:
                return number, 2 * (address - block.address)
        raise AssertionError(f"{value.label} is in no block")

    def sample(self, answers: Sequence[bytes]) -> Sample:
        """The values with a role, from the answers to ``blocks`` in order; those of one role are added up.

        Raises:
            BadDeviceData: an energy is not there, or a value is not a finite number.
        """
        found: dict[str, int | str | None] = dict(self._empty)
        for role, part in self._roles:
            value, tens = part.raw(answers)
            if role == "serial":
                found[role] = None if value is None else str(value)
            elif value is None:
                self._without(part)
            else:
                found[role] = (found.get(role) or 0) + self._whole(part, value, tens)  # type: ignore[operator]
                if tens and part.wraps is not None:
                    found[_WRAPS[role]] = part.scale.whole_up(part.wraps, tens)
        return Sample(**found)  # type: ignore[arg-type]

    def _without(self, part: _Part) -> None:
        # An accumulator that counts nothing is 0; any other energy that is not there must not pass for 0.
        if part.source.role in _ENERGIES and not part.source.wire.kind.startswith("acc"):
            raise BadDeviceData(f"{self.name}: the device has no {part.source.label}")

    def _whole(self, part: _Part, value: Raw, tens: int) -> int:
        try:
            return part.scale.whole(value, tens)
        except ValueError as error:
            raise BadDeviceData(f"{self.name}: {part.source.label} = {value!r}: {error}") from error

    def values(self, answers: Sequence[bytes]) -> list[Value]:
        """Every value for a person, from the answers to ``blocks`` in order."""
        return [_value(part, *part.raw(answers)) for part in self._parts]


def _widths(parts: Sequence[_Part]) -> dict[str, int | str | None]:
    """After how many Wh each energy starts again; unknown where the parts of a sum have different widths."""
    found: dict[str, int | str | None] = {}
    for part in parts:
        if part.source.role in _ENERGIES:
            name, own = _WRAPS[part.source.role], None
            if part.wraps is not None:
                own = part.scale.whole_up(part.wraps, 0)
            found[name] = own if found.get(name, own) == own else None
    return found


def _wraps(value: Wanted) -> int | None:
    if value.role not in _ENERGIES:
        return None
    if value.wraps is not None:
        return int(factor_of(value.wraps) / factor_of(value.scale))
    return 1 << bits_of(value.wire.kind) if value.wire.kind in UNSIGNED else None


def _value(part: _Part, raw: Raw, tens: int) -> Value:
    source = part.source
    if source.bits and isinstance(raw, int):
        named = [text for number, text in source.bits if raw >> number & 1]
        return Value(source.label, ", ".join(named) or "none", "")
    return Value(source.label, shown(raw, source.scale, tens), "" if source.unit == "1" else source.unit)
