"""Where a Modbus meter is: the address it is registered under. Pure."""

from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import parse_qsl, urlsplit

from node.errors import Refused

Transport = Literal["modbus-tcp", "modbus-rtu-tcp", "modbus-rtu"]
TCP_PORT: Final = 502
LAST_UNIT: Final = 247
FORMS: Final = (
    "modbus-tcp://host:port/unit, modbus-rtu-tcp://host:port/unit or modbus-rtu:///dev/ttyUSB0/unit?baud=9600&parity=N"
)
PARITIES: Final = ("N", "E", "O")


class BadMeterAddress(Refused):
    """A Modbus meter's address cannot be read."""

    code = "meter-address-bad"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A line that one or more meters share: a TCP server, or a serial port."""

    host: str
    """Or the path of the serial port."""
    port: int = TCP_PORT
    transport: Transport = "modbus-tcp"
    baud: int = 9_600
    parity: str = "N"
    stop_bits: int = 1

    def __str__(self) -> str:
        return self.host if self.transport == "modbus-rtu" else f"{self.host}:{self.port}"


def parse_address(address: str) -> tuple[Endpoint, int]:
    """Line and unit of a registered address.

    Raises:
        BadMeterAddress: it has another form, or the unit is not 1 to 247.
    """
    parts = urlsplit(address)
    path, _, last = parts.path.rpartition("/")
    if not last.isdecimal() or not 0 < int(last) <= LAST_UNIT:
        raise BadMeterAddress(f"{address!r}: the unit must be 1 to {LAST_UNIT}, as in {FORMS}")
    try:
        if parts.scheme == "modbus-rtu":
            return _serial(parts.netloc, path, dict(parse_qsl(parts.query))), int(last)
        if parts.scheme in ("modbus-tcp", "modbus-rtu-tcp") and parts.hostname and not path and not parts.query:
            return Endpoint(parts.hostname, parts.port or TCP_PORT, parts.scheme), int(last)  # type: ignore[arg-type]
    except ValueError as error:
        raise BadMeterAddress(f"{address!r}: {error}") from error
    raise BadMeterAddress(f"{address!r} does not read {FORMS}")


def _serial(host: str, path: str, options: dict[str, str]) -> Endpoint:
    baud, parity = int(options.pop("baud", "9600")), options.pop("parity", "N").upper()
    stop_bits = int(options.pop("stop", "1"))
    if host or not path.startswith("/") or ".." in path:
        raise ValueError("a serial port is an absolute path, as in modbus-rtu:///dev/ttyUSB0/1")
    if options:
        raise ValueError(f"unknown option {', '.join(options)}")
    if not 300 <= baud <= 1_000_000 or parity not in PARITIES or stop_bits not in (1, 2):
        raise ValueError("baud must be 300 to 1000000, parity N, E or O, stop 1 or 2")
    return Endpoint(path, 0, "modbus-rtu", baud, parity, stop_bits)


def of_command_line(text: str, unit: int, baud: int, parity: str) -> tuple[Endpoint, int]:
    """What a person types: ``host:port``, a device path, or a whole address.

    Raises:
        BadMeterAddress: from ``parse_address``.
    """
    if "://" in text:
        return parse_address(text)
    if text.startswith("/"):
        return parse_address(f"modbus-rtu://{text}/{unit}?baud={baud}&parity={parity}")
    return parse_address(f"modbus-tcp://{text}/{unit}")
