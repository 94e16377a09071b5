"""How values are written in JSON: addresses, hashes, big integers, times, and the models' base."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, Final

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    WithJsonSchema,
)

from contracts.typed_data import BadAddress, checksum, parse_address

NATURAL: Final = r"^(0|[1-9][0-9]{0,77})$"
WHOLE: Final = r"^(0|-?[1-9][0-9]{0,77})$"
LARGEST: Final = 10**78
YEARS: Final = range(1970, 9999)
"""Years of the times we take: calculating with them cannot leave the calendar."""


class Request(BaseModel):
    """A request body: a field that is not described is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Answer(BaseModel):
    """An answer; built from rows that may carry more columns than are told."""

    model_config = ConfigDict(extra="ignore", frozen=True)


def _address(value: Any) -> bytes:
    if isinstance(value, bytes) and len(value) == 20:
        return value
    try:
        return parse_address(str(value))
    except BadAddress as error:
        raise ValueError(str(error)) from error


def _octets(length: int) -> PlainValidator:
    def check(value: Any) -> bytes:
        octets = value
        if isinstance(value, str):
            if not value.startswith("0x"):
                raise ValueError("must start with 0x")
            octets = bytes.fromhex(value[2:])
        if not isinstance(octets, bytes) or (length and len(octets) != length):
            raise ValueError(f"must be 0x and {2 * length} hex digits")
        return octets

    return PlainValidator(check)


def _digits(pattern_allows_sign: bool) -> PlainValidator:
    def check(value: Any) -> int:
        if isinstance(value, bool):
            raise ValueError("must be a decimal number in a string")
        if isinstance(value, (int, Decimal)):
            number = int(value)
            if abs(number) < LARGEST and (pattern_allows_sign or number >= 0):
                return number
        text = str(value)
        digits = text.removeprefix("-") if pattern_allows_sign else text
        canonical = digits.isascii() and digits.isdigit() and (digits == "0" or digits[0] != "0")
        if not isinstance(value, str) or not canonical or len(digits) > 78 or text == "-0":
            raise ValueError("must be a decimal number in a string, without leading zeros")
        return int(text)

    return PlainValidator(check)


def _hex(value: bytes) -> str:
    return "0x" + value.hex()


def _whole_second(moment: datetime) -> datetime:
    if moment.microsecond:
        raise ValueError("must be a whole second")
    try:
        found = moment.astimezone(UTC)
    except OverflowError:
        found = None
    if found is None or found.year not in YEARS:
        raise ValueError(f"must be in the years {YEARS[0]} to {YEARS[-1]}")
    return found


Address = Annotated[
    bytes,
    PlainValidator(_address),
    PlainSerializer(checksum, return_type=str),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": "^0x[0-9a-fA-F]{40}$",
            "description": "Ethereum address, EIP-55 in answers",
            "examples": ["0xd8dA6BF26964aF9D7eEd9e03E53415D37aA96045"],
        }
    ),
]
Hash = Annotated[
    bytes,
    _octets(32),
    PlainSerializer(_hex, return_type=str),
    WithJsonSchema({"type": "string", "pattern": "^0x[0-9a-fA-F]{64}$"}),
]
Signature = Annotated[
    bytes,
    _octets(65),
    PlainSerializer(_hex, return_type=str),
    WithJsonSchema(
        {"type": "string", "pattern": "^0x[0-9a-fA-F]{130}$", "description": "r, s, v; v is 27 or 28, s is low"}
    ),
]
Octets = Annotated[
    bytes,
    _octets(0),
    PlainSerializer(_hex, return_type=str),
    WithJsonSchema({"type": "string", "pattern": "^0x([0-9a-fA-F]{2})*$"}),
]
Natural = Annotated[
    int,
    _digits(pattern_allows_sign=False),
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"type": "string", "pattern": NATURAL, "examples": ["1500"]}),
]
Whole = Annotated[
    int,
    _digits(pattern_allows_sign=True),
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"type": "string", "pattern": WHOLE, "examples": ["-1500"]}),
]
Second = Annotated[AwareDatetime, AfterValidator(_whole_second)]
"""A time in whole seconds; becomes UTC."""
Instant = AwareDatetime
Line = Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f]+$")]
"""Words on one line: no control characters, of which the database takes none with the code 0."""
ZoneNumber = Annotated[int, Field(ge=0, lt=1 << 32)]
RowId = Annotated[int, Field(ge=0, lt=1 << 63)]


def seconds(moment: datetime) -> int:
    """Unix seconds of a whole-second time."""
    return int(moment.timestamp())
