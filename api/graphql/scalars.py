"""Values of the ledger in GraphQL, written as the REST API writes them."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from graphql import GraphQLBoolean, GraphQLInt, GraphQLScalarType, GraphQLString
from graphql.language import IntValueNode, StringValueNode, ValueNode

from api.graphql.relations import Kind
from contracts.typed_data import BadAddress, checksum, parse_address

_LONGEST: Final = 78


def big(value: Any) -> int:
    """A whole number of at most 78 digits. Raises ValueError."""
    text = str(value)
    digits = text.removeprefix("-")
    if isinstance(value, bool) or not (digits.isascii() and digits.isdigit()) or len(digits) > _LONGEST:
        raise ValueError(f"{text[:100]!r} is not a whole number")
    return int(text)


def _bytes(value: Any) -> bytes:
    if not isinstance(value, str) or not value.startswith("0x"):
        raise ValueError("bytes are 0x and hex digits")
    return bytes.fromhex(value[2:])


def _address(value: Any) -> bytes:
    try:
        return parse_address(str(value))
    except BadAddress as error:
        raise ValueError(str(error)) from error


def _time(value: Any) -> datetime:
    moment = datetime.fromisoformat(str(value))
    if moment.tzinfo is None:
        raise ValueError(f"{value!r} has no offset")
    return moment


def _literal(parse: Callable[[Any], Any]) -> Callable[[ValueNode, Any], Any]:
    def read(node: ValueNode, _: Any = None) -> Any:
        if not isinstance(node, StringValueNode | IntValueNode):
            raise ValueError("a text or a number is expected here")
        return parse(node.value)

    return read


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Decimal) else value


def _scalar(name: str, description: str, write: Callable[[Any], Any], parse: Callable[[Any], Any]) -> GraphQLScalarType:
    return GraphQLScalarType(
        name, description=description, serialize=write, parse_value=parse, parse_literal=_literal(parse)
    )


def _never(_: Any) -> Any:
    raise ValueError("this cannot be asked for")


BIG_INT: Final = _scalar("BigInt", "A whole number of any size, as text", lambda value: str(int(value)), big)
BYTES: Final = _scalar("Bytes", "0x and hex digits", lambda value: "0x" + value.hex(), _bytes)
ADDRESS: Final = _scalar("Address", "An account, in EIP-55 capitals; any case is read", checksum, _address)
TIME: Final = _scalar("Time", "RFC 3339", _plain, _time)
VALUE: Final = _scalar("Value", "A list, a structure or a decimal", _plain, _never)

OF: Final[Mapping[Kind, GraphQLScalarType]] = {
    Kind.INTEGER: GraphQLInt,
    Kind.BIG: BIG_INT,
    Kind.TEXT: GraphQLString,
    Kind.BYTES: BYTES,
    Kind.ADDRESS: ADDRESS,
    Kind.FLAG: GraphQLBoolean,
    Kind.TIME: TIME,
    Kind.OTHER: VALUE,
}
