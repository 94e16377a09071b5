"""From what a device says to whole Wh, W and seconds: exact, rounded down. Pure."""

import math
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Final

import msgspec

from node.metering.device_types import BASE, BadDeviceData
from node.metering.wire import Raw

MOST_TENS: Final = 10
MOST_DIGITS: Final = 40
_MOST_SHOWN: Final = 9


class Scale(msgspec.Struct, frozen=True):
    """A factor as two whole numbers."""

    above: int
    below: int

    @classmethod
    def of(cls, scale: str, unit: str) -> "Scale":
        """From a decimal factor and a unit of a role; raises ValueError."""
        factor = factor_of(scale) * BASE.get(unit, ("", 1))[1]
        return cls(factor.numerator, factor.denominator)

    def whole(self, raw: Raw | Decimal, tens: int = 0) -> int:
        """``raw`` × factor × 10^tens, rounded down. Raises ValueError where it is not a finite number."""
        if type(raw) is int and not tens:  # as most registers are
            return raw * self.above // self.below
        if isinstance(raw, bool | str) or raw is None:
            raise ValueError("not a number")
        above, below = self.above, self.below
        if tens > 0:
            above *= 10**tens
        elif tens:
            below *= 10**-tens
        if not isinstance(raw, int):
            if not math.isfinite(raw) or (isinstance(raw, Decimal) and abs(raw.adjusted()) > MOST_DIGITS):
                raise ValueError("not a usable number")
            numerator, denominator = raw.as_integer_ratio()
            return numerator * above // (denominator * below)
        return raw * above // below

    def whole_up(self, raw: int, tens: int) -> int:
        """``raw`` × factor × 10^tens, rounded up."""
        return -Scale(-self.above, self.below).whole(raw, tens)


def factor_of(text: str) -> Fraction:
    """A decimal factor other than 0; raises ValueError."""
    try:
        factor = Decimal(text)
    except InvalidOperation:
        raise ValueError(f"{text!r} is not a decimal number") from None
    if not factor.is_finite() or factor == 0 or abs(factor.adjusted()) > 30:
        raise ValueError(f"{text!r} is not a usable factor")
    return Fraction(factor)


def tens_of(raw: Raw, name: str) -> int:
    """A SunSpec scale factor; the one that is not implemented is 0.

    Raises:
        BadDeviceData: it is out of the standard's range, -10 to 10.
    """
    if raw is None:
        return 0
    if not isinstance(raw, int) or abs(raw) > MOST_TENS:
        raise BadDeviceData(f"{name} has a scale factor of {raw!r}")
    return raw


def shown(raw: Raw | Decimal, scale: str, tens: int = 0) -> Decimal | int | str | None:
    """A value for a person, in the map's unit."""
    if raw is None or isinstance(raw, str):
        return raw
    if isinstance(raw, float) and not math.isfinite(raw):
        return None
    # Seven digits are all that a 32-bit float knows.
    value = Decimal(f"{raw:.{_MOST_SHOWN}g}") if isinstance(raw, float) else Decimal(raw)
    value = (value * Decimal(scale)).scaleb(tens)
    return int(value) if value == value.to_integral_value() and abs(value) < 10**30 else value.normalize()
