"""Integer units of energy, time and money, and the only places where they are rounded.

Energy is whole watt-hours; prices are micro-currency per kWh; ``price * energy`` is then exact in
nano-currency. Money leaves the exact domain once, at pay-out, to cash units of the payment token
(6 decimals: one cash unit is one micro-currency, 1,000 nano).
"""

from typing import Final, NewType

Wh = NewType("Wh", int)
"""Energy in watt-hours."""
MicroPerKwh = NewType("MicroPerKwh", int)
"""Price in micro-currency per kilowatt-hour."""
Nano = NewType("Nano", int)
"""Money in nano-currency, exact."""
Cash = NewType("Cash", int)
"""Money in units of the payment token (6 decimals)."""

WH_PER_KWH: Final = 1_000
NANO_PER_CASH: Final = 1_000
CASH_PER_CURRENCY: Final = 1_000_000


def money_nano(price_per_kwh: int, energy_wh: int) -> int:
    """Exact value of ``energy_wh`` at ``price_per_kwh`` (micro per kWh), in nano-currency."""
    return price_per_kwh * energy_wh


def cash_down(money_nano: int) -> int:
    """Cash units, rounded towards minus infinity: what an account receives."""
    return money_nano // NANO_PER_CASH


def cash_up(money_nano: int) -> int:
    """Cash units, rounded towards plus infinity: what an account pays."""
    return -(-money_nano // NANO_PER_CASH)


def average_power_w(energy_wh: int, duration_s: int) -> int:
    """Mean power over a duration, in whole watts, rounded down."""
    return energy_wh * 3_600 // duration_s


def energy_limit_wh(power_w: int, duration_s: int) -> int:
    """The most energy that ``power_w`` can move in ``duration_s``, in whole Wh, rounded up."""
    return -(-power_w * duration_s // 3_600)
