"""How numbers, times and addresses are written on the page."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from contracts.typed_data import checksum

NONE: Final = "–"
THIN_SPACE: Final = "\u202f"
MINUS: Final = "\u2212"


def _grouped(value: int, decimals: int) -> str:
    """An integer with its decimal point moved left by ``decimals``, thousands apart."""
    whole, part = divmod(abs(value), 10**decimals)
    text = f"{whole:,}".replace(",", THIN_SPACE)
    sign = MINUS if value < 0 else ""
    return f"{sign}{text}.{part:0{decimals}d}" if decimals else f"{sign}{text}"


def kwh(energy_wh: int | None) -> str:
    """Wh as kWh."""
    return NONE if energy_wh is None else _grouped(energy_wh, 3)


def cents(price_per_kwh: int | None) -> str:
    """Micro-currency per kWh as cents per kWh, two decimals, rounded to nearest for the eye."""
    if price_per_kwh is None:
        return NONE
    sign = -1 if price_per_kwh < 0 else 1
    return _grouped(sign * ((abs(price_per_kwh) + 50) // 100), 2)


def cash(units: int | None) -> str:
    """Payment-token units as currency, four decimals, rounded to nearest for the eye."""
    if units is None:
        return NONE
    sign = -1 if units < 0 else 1
    return _grouped(sign * ((abs(units) + 50) // 100), 4)


def nano(money_nano: int | None) -> str:
    """Nano-currency as currency, four decimals."""
    if money_nano is None:
        return NONE
    sign = -1 if money_nano < 0 else 1
    return cash(sign * ((abs(money_nano) + 500) // 1_000))


def percent(hundredths: int | None) -> str:
    """Hundredths of a percent, as 5.25 %."""
    return "–" if hundredths is None else f"{_grouped(hundredths, 2)} %"


def whole(value: int | None) -> str:
    """A whole number with its thousands apart."""
    return NONE if value is None else _grouped(value, 0)


def rfc3339(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def clock(moment: datetime | None) -> str:
    return NONE if moment is None else moment.astimezone(UTC).strftime("%H:%M")


def day(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%a} {moment.day} {moment:%b}"


def stamp(moment: datetime | None) -> str:
    return NONE if moment is None else moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


def address(account: bytes) -> str:
    return checksum(account)


def short(octets: bytes | str | None) -> str:
    """The ends of an address or hash."""
    if octets is None:
        return NONE
    text = octets if isinstance(octets, str) else checksum(octets) if len(octets) == 20 else "0x" + octets.hex()
    return f"{text[:6]}…{text[-4:]}" if len(text) > 12 else text


def brief(value: object) -> str:
    """An event's argument in a table: what is long keeps its ends."""
    text = str(value)
    return text if len(text) <= 24 else f"{text[:10]}…{text[-6:]}"


def ago(seconds: float) -> str:
    """A length of time for the eye, in its two largest units."""
    left = max(0, int(seconds))
    days, hours, minutes = left // 86_400, left // 3_600 % 24, left // 60 % 60
    if days:
        return f"{days} d {hours} h"
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {left % 60} s" if minutes else f"{left} s"


def hexadecimal(octets: bytes) -> str:
    return "0x" + octets.hex()


FILTERS: Final[Mapping[str, Callable[..., Any]]] = {
    "kwh": kwh,
    "cents": cents,
    "cash": cash,
    "percent": percent,
    "nano": nano,
    "whole": whole,
    "rfc3339": rfc3339,
    "clock": clock,
    "day": day,
    "stamp": stamp,
    "address": address,
    "short": short,
    "brief": brief,
    "ago": ago,
    "hex": hexadecimal,
}
