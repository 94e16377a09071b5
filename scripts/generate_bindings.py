"""Writes contracts/events.py and contracts/reverts.py from the artifacts; --check only compares.

Run from the repository as ``python -m scripts.generate_bindings``.
"""

import argparse
import keyword
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from eth_hash.auto import keccak

from contracts.abi import ARTIFACTS, artifact, signature, type_name

ROOT: Final = Path(__file__).parent.parent
EVENTS: Final = ROOT / "contracts" / "events.py"
REVERTS: Final = ROOT / "contracts" / "reverts.py"

Entry = dict[str, Any]


class UnsupportedEvent(Exception):
    """An event has a parameter that the generated code cannot decode."""


def snake(name: str) -> str:
    """``energyWh`` as ``energy_wh``; a trailing underscore where the name is a Python keyword."""
    text = re.sub(r"(?<=[a-z0-9])([A-Z])", lambda match: "_" + match[1].lower(), name.lstrip("_"))
    text = text[0].lower() + text[1:]
    return text + "_" if keyword.iskeyword(text) else text


def entries(kind: str) -> Iterator[tuple[str, Entry]]:
    """Contract and ABI entry, for every event or error of every contract."""
    for contract in ARTIFACTS:
        for entry in artifact(contract).abi:
            if entry["type"] == kind:
                yield contract, entry


def python_type(solidity_type: str) -> str:
    """What a value becomes in Python. Raises UnsupportedEvent."""
    if solidity_type.endswith("[]"):
        return f"tuple[{python_type(solidity_type[:-2])}, ...]"
    if re.fullmatch(r"u?int\d+", solidity_type):
        return "int"
    if re.fullmatch(r"address|bytes\d*", solidity_type):
        return "bytes"
    if solidity_type in ("bool", "string"):
        return {"bool": "bool", "string": "str"}[solidity_type]
    raise UnsupportedEvent(f"{solidity_type} parameters are not supported")


def reader(solidity_type: str, word: str) -> str:
    """The expression that reads a value of static type out of a 32-byte word."""
    if solidity_type.startswith("bytes"):
        return f"_fixed({word}, {int(solidity_type[5:])})"
    if match := re.fullmatch(r"(u?int)(\d+)", solidity_type):
        return f"_{match[1]}({word}, {match[2]})"
    return f"_{solidity_type}({word})"


def expression(solidity_type: str, data: str, index: int | str) -> str:
    """The expression that reads the value whose head is word ``index`` of ``data``."""
    if solidity_type.endswith("[]"):
        element = expression(solidity_type[:-2], "body", "i")
        return f"_array({data}, {index}, lambda body, i: {element})"
    if is_dynamic(solidity_type):
        return f"_dynamic_{solidity_type}({data}, {index})"
    return reader(solidity_type, f"_word({data}, {index})")


def is_dynamic(solidity_type: str) -> bool:
    """Whether the value stands at an offset; where indexed, only its hash is logged."""
    return solidity_type in ("bytes", "string") or solidity_type.endswith("[]")


def shape(entry: Entry) -> tuple[tuple[str, str, bool], ...]:
    """Name, type and place of each parameter: what makes two events of one name different."""
    return tuple((snake(p["name"]), type_name(p), bool(p["indexed"])) for p in entry["inputs"])


def event_class(name: str, entry: Entry) -> str:
    """The source of one event's class."""
    lines, annotations = [], []
    fields = shape(entry)
    topic, head = 1, 0
    for field, kind, indexed in fields:
        hashed = indexed and is_dynamic(kind)
        annotations.append(f"    {field}: {'bytes' if hashed else python_type(kind)}")
        if indexed:
            lines.append(f"topics[{topic}]" if hashed else reader(kind, f"topics[{topic}]"))
            topic += 1
        else:
            lines.append(expression(kind, "data", head))
            head += 1
    arguments = "".join(f"            {line},\n" for line in lines)
    listed = "".join(f"        {field!r},\n" for field in fields).replace("'", '"')
    return (
        f"@dataclass(frozen=True, slots=True)\n"
        f"class {name}:\n"
        f'    """``{signature(entry)}``."""\n\n'
        f'    NAME: ClassVar[str] = "{entry["name"]}"\n'
        f'    SIGNATURE: ClassVar[str] = "{signature(entry)}"\n'
        f'    TOPIC: ClassVar[bytes] = bytes.fromhex("{keccak(signature(entry).encode()).hex()}")\n'
        f"    FIELDS: ClassVar[tuple[tuple[str, str, bool], ...]] = (\n{listed}    )\n"
        + ("\n" + "\n".join(annotations) + "\n" if annotations else "")
        + "\n    @classmethod\n"
        f'    def from_log(cls, topics: Sequence[bytes], data: bytes) -> "{name}":\n'
        f'        """Decodes a log. Raises LogMalformed."""\n'
        f"        _require(cls.TOPIC, {topic}, {head}, topics, data)\n"
        f"        return cls(\n{arguments}        )\n"
    )


def named_events() -> tuple[dict[str, Entry], dict[str, list[str]]]:
    """Every event by the name of its class, and the classes of each contract.

    Contracts share a class where name and parameters are the same. Of two events with one name and different
    parameters, the first contract's keeps the plain name, the other's is led by its contract: ``CertificatesTransfer``.
    """
    classes: dict[str, Entry] = {}
    by_contract: dict[str, list[str]] = {contract: [] for contract in ARTIFACTS}
    for contract, entry in entries("event"):
        name = entry["name"]
        if shape(classes.setdefault(name, entry)) != shape(entry):
            name = next(
                (n for n, e in classes.items() if e["name"] == name and shape(e) == shape(entry)), contract + name
            )
            classes.setdefault(name, entry)
        by_contract[contract].append(name)
    return classes, by_contract


def events_source() -> str:
    """The text of contracts/events.py."""
    classes, by_contract = named_events()
    names = sorted(classes)
    union = "\n    | ".join(names)
    by_topic: dict[str, str] = {}
    for name in classes:
        by_topic.setdefault(signature(classes[name]), name)
    topics = "".join(f"    {name}.TOPIC: {name},\n" for name in sorted(by_topic.values()))
    owners = "".join(
        f'    "{contract}": {{\n' + "".join(f"        {name}.TOPIC: {name},\n" for name in sorted(events)) + "    },\n"
        for contract, events in by_contract.items()
    )
    bodies = "\n\n".join(event_class(name, classes[name]) for name in names)
    return (
        EVENTS_HEAD
        + "\n\n"
        + bodies
        + f"\n\nEvent: TypeAlias = (\n    {union}\n)\n"
        + "EventType: TypeAlias = type[Event]\n\n"
        + f"TOPICS: Final[dict[bytes, EventType]] = {{\n{topics}}}\n"
        + '"""Every event by the first topic of its log; of several with the same one, that with the plain name."""\n\n'
        + f"CONTRACT_EVENTS: Final[dict[str, dict[bytes, EventType]]] = {{\n{owners}}}\n"
        + '"""The events that each contract may emit, by first topic. Two events may have the same one: transfers of\n'
        + 'ERC-20 and ERC-721 differ only in what is indexed."""\n'
    )


def reverts_source() -> str:
    """The text of contracts/reverts.py."""
    found = {keccak(signature(entry).encode())[:4].hex(): entry for _, entry in entries("error")}
    lines = []
    for selector, entry in sorted(found.items(), key=lambda item: (item[1]["name"], item[0])):
        parameters = ", ".join(
            f'("{snake(p["name"]) if p["name"] else ""}", "{type_name(p)}")' for p in entry["inputs"]
        )
        comma = "," if len(entry["inputs"]) == 1 else ""
        lines.append(f'    bytes.fromhex("{selector}"): ("{entry["name"]}", ({parameters}{comma})),\n')
    return (
        REVERTS_HEAD + f"ERRORS: Final[dict[bytes, tuple[str, tuple[tuple[str, str], ...]]]] = {{\n{''.join(lines)}}}\n"
    )


EVENTS_HEAD: Final = '''"""Events of the contracts, decoded. Generated by scripts/generate_bindings.py."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final, TypeAlias, TypeVar

from contracts.errors import GridtraceError

Value = TypeVar("Value")


class LogMalformed(GridtraceError):
    """A log does not have the form of its event."""

    code = "log-malformed"


def _require(topic: bytes, topic_count: int, words: int, topics: Sequence[bytes], data: bytes) -> None:
    if len(topics) != topic_count or topics[0] != topic or len(data) < 32 * words:
        raise LogMalformed(f"{len(topics)} topics and {len(data)} bytes do not fit 0x{topic.hex()}")


def _word(data: bytes, index: int) -> bytes:
    return data[32 * index : 32 * index + 32]


def _uint(word: bytes, bits: int) -> int:
    value = int.from_bytes(word, "big")
    if value >> bits:
        raise LogMalformed(f"{value} does not fit uint{bits}")
    return value


def _int(word: bytes, bits: int) -> int:
    value = int.from_bytes(word, "big", signed=True)
    if not -(1 << bits - 1) <= value < 1 << bits - 1:
        raise LogMalformed(f"{value} does not fit int{bits}")
    return value


def _address(word: bytes) -> bytes:
    if any(word[:12]):
        raise LogMalformed(f"0x{word.hex()} is not an address")
    return word[12:]


def _bool(word: bytes) -> bool:
    return _uint(word, 1) == 1


def _fixed(word: bytes, size: int) -> bytes:
    return word[:size]


def _dynamic_bytes(data: bytes, index: int) -> bytes:
    start = int.from_bytes(_word(data, index), "big")
    length = int.from_bytes(data[start : start + 32], "big")
    found = data[start + 32 : start + 32 + length]
    if start + 32 > len(data) or len(found) != length:
        raise LogMalformed(f"{length} bytes at {start} are not within {len(data)}")
    return found


def _dynamic_string(data: bytes, index: int) -> str:
    return _dynamic_bytes(data, index).decode(errors="replace")


def _array(data: bytes, index: int, read: Callable[[bytes, int], Value]) -> tuple[Value, ...]:
    start = int.from_bytes(_word(data, index), "big")
    length = int.from_bytes(data[start : start + 32], "big")
    body = data[start + 32 :]
    if start + 32 > len(data) or 32 * length > len(body):
        raise LogMalformed(f"{length} values at {start} are not within {len(data)} bytes")
    return tuple(read(body, i) for i in range(length))
'''

REVERTS_HEAD: Final = '''"""Errors of the contracts, decoded. Generated by scripts/generate_bindings.py."""

from dataclasses import dataclass
from typing import Any, Final

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError

_ERROR_STRING: Final = bytes.fromhex("08c379a0")
_PANIC: Final = bytes.fromhex("4e487b71")
_PANICS: Final = {
    0x01: "assertion failed",
    0x11: "arithmetic overflow",
    0x12: "division by zero",
    0x21: "not a member of the enum",
    0x22: "storage corrupt",
    0x31: "pop of an empty array",
    0x32: "index out of bounds",
    0x41: "out of memory",
    0x51: "call of an uninitialised function",
}


@dataclass(frozen=True, slots=True)
class Revert:
    """Why a call failed. ``args`` are the error's values by name; addresses are 0x text, bytes are bytes."""

    name: str
    args: dict[str, Any]

    def __str__(self) -> str:
        values = (f"{name}={_text(value)}" for name, value in self.args.items())
        return f"{self.name}({', '.join(values)})"


def _text(value: Any) -> str:
    return "0x" + value.hex() if isinstance(value, bytes) else str(value)


def decode_revert(data: bytes) -> Revert:
    """The error in a call's revert data. Never fails: what is not one of ours is ``Unknown`` with its data."""
    selector, body = data[:4], data[4:]
    try:
        if selector == _ERROR_STRING:
            return Revert("Error", {"message": decode(["string"], body)[0]})
        if selector == _PANIC:
            (code,) = decode(["uint256"], body)
            return Revert("Panic", {"code": code, "meaning": _PANICS.get(code, "unknown")})
        if selector in ERRORS:
            name, parameters = ERRORS[selector]
            values = decode([kind for _, kind in parameters], body)
            names = (given or f"arg{position}" for position, (given, _) in enumerate(parameters))
            return Revert(name, dict(zip(names, values, strict=True)))
    except (DecodingError, OverflowError, UnicodeDecodeError):
        return Revert("Unknown", {"data": data})
    return Revert("Unknown", {"data": data})


'''


def main() -> int:
    """Writes or checks the generated modules; 1 where a check finds differences."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail where the files are out of date")
    arguments = parser.parse_args()
    wanted = {EVENTS: events_source(), REVERTS: reverts_source()}
    changed = [path for path, text in wanted.items() if not path.is_file() or path.read_text() != text]
    if arguments.check:
        for path in changed:
            print(f"out of date: {path.relative_to(ROOT)}: run python -m scripts.generate_bindings")
        return 1 if changed else 0
    for path in changed:
        path.write_text(wanted[path])
    return 0


if __name__ == "__main__":
    sys.exit(main())
