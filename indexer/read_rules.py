"""What the reads of a manifest must keep to: a function, arguments that fit it, and a table of their own. Pure."""

from collections.abc import Iterator

from indexer.abi_types import AbiType, Kind, Scalar, UnsupportedType, storage
from indexer.event import Event
from indexer.functions import BadArguments, Function, Parameter, function_of
from indexer.manifest import Manifest, Read

Fault = tuple[int, str]
"""The read's place in the manifest, and what is wrong with it."""
EMITTER = "emitter"


def faults_of(manifest: Manifest) -> list[Fault]:
    """Everything wrong with a manifest's reads."""
    found: list[Fault] = []
    tables: dict[str, int] = {}
    for number, read in enumerate(manifest.reads):
        found += [(number, text) for text in _faults(manifest, read)]
        if tables.setdefault(read.table, number) != number:
            found.append((number, f"{read.table} is the table of another read already: give it a name"))
    return found


def _faults(manifest: Manifest, read: Read) -> Iterator[str]:
    contracts = manifest.named(read.contract)
    if not contracts:
        yield f"contract {read.contract!r} is not in the manifest"
        return
    owner = (read.on or "").partition(".")[0]
    if contracts[0].factory is not None and owner != read.contract:
        yield f"{read.contract} is made by a factory: read it on an event of its own"
    try:
        function = function_of(contracts[0].abi, read.function)
    except (UnsupportedType, ValueError) as error:
        yield f"{read.contract}: {error}"
        return
    if function.changes_state:
        yield f"{function.signature} changes state: only views are read"
    if not function.outputs:
        yield f"{function.signature} returns nothing"
    events: list[Event] = []
    if read.on is not None:
        name = read.on.partition(".")[2]
        events = [e for c in manifest.named(owner)[:1] for e in c.events if name in (e.name, e.signature)]
        if not events:
            yield f"{read.on} is not an event of the manifest"
            return
    yield from _arguments(read, function, events)


def _arguments(read: Read, function: Function, events: list[Event]) -> Iterator[str]:
    if len(read.arguments) != len(function.inputs):
        yield f"{function.signature} takes {len(function.inputs)} arguments, not {len(read.arguments)}"
        return
    if any(storage(part.shape) in (Kind.JSON, Kind.ARRAY) for part in function.inputs):
        yield f"{function.signature} takes arrays or tuples, which cannot be given"
        return
    for part, argument in zip(function.inputs, read.arguments, strict=True):
        if isinstance(argument, str) and argument.startswith("$"):
            yield from _of_event(part, argument, read, events)
            continue
        try:
            Function(function.name, f"{function.name}({part.abi_type})", (part,), ()).calldata([argument])
        except BadArguments as error:
            yield f"{part.name}: {error}"


def _of_event(part: Parameter, argument: str, read: Read, events: list[Event]) -> Iterator[str]:
    if not events:
        yield f"{argument} is an event's: say which with on"
    for event in events:
        found = next((a.shape for a in event.arguments if a.name == argument[1:]), None)
        shape = Scalar("address", Kind.ADDRESS, 20) if argument[1:] == EMITTER else found
        if shape is None:
            yield f"{argument} is no argument of {read.on}"
        elif shape != part.shape and not (_is_number(shape) and _is_number(part.shape)):
            yield f"{argument} is not {part.abi_type}, which {part.name} is"


def _is_number(shape: AbiType) -> bool:
    return storage(shape) in (Kind.INTEGER, Kind.SIGNED, Kind.UNSIGNED)
