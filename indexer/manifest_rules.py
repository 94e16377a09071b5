"""What a manifest must keep to beyond its form: every event can be stored, and told from every other."""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from indexer import standards
from indexer.abi_types import Kind, UnsupportedType, parse
from indexer.event import Event
from indexer.manifest import Contract, Manifest, events_of

IDENTIFIER: Final = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*")
Fault = tuple[str, str]
"""The contract's name, and what is wrong with it."""


def faults_of(manifest: Manifest, others: Sequence[Manifest] = ()) -> list[Fault]:
    """Everything wrong with a manifest's contracts; ``others`` are manifests that share its tables."""
    found: list[Fault] = []
    for name in dict.fromkeys(contract.name for contract in manifest.contracts):
        contract = manifest.named(name)[0]
        texts = [*_names(contract), *_choice(contract), *_types(contract), *_same_shape(contract.name, contract.events)]
        texts += [*_projections(contract), *(_factory(manifest, contract) if contract.factory else ())]
        found += [(name, text) for text in dict.fromkeys(texts)]
    found += _shared_addresses(manifest)
    found += _shared_tables(manifest, others)
    return found


def _names(contract: Contract) -> Iterator[str]:
    for event in contract.events:
        for name in (event.name, *(argument.name for argument in event.arguments)):
            if not IDENTIFIER.fullmatch(name):
                yield f"{name!r} in its ABI is no name"


def _choice(contract: Contract) -> Iterator[str]:
    known = events_of(contract.name, contract.abi)
    if not known:
        yield "its ABI has no event"
    for wanted in contract.chosen or ():
        if not any(wanted in (event.name, event.signature) for event in known):
            names = ", ".join(dict.fromkeys(event.name for event in known))
            yield f"its ABI has no event {wanted}; it has {names or 'none'}"


def _types(contract: Contract) -> Iterator[str]:
    for entry in contract.abi:
        if entry.get("type") != "event":
            continue
        for part in entry.get("inputs", ()):
            try:
                parse(part)
            except UnsupportedType as error:
                wanted = any(e.name == entry["name"] and _unsupported(e) for e in contract.events)
                if wanted:
                    yield f"{entry['name']} cannot be stored: {error}; choose the other events by name"


def _unsupported(event: Event) -> bool:
    return any(argument.kind is Kind.UNSUPPORTED for argument in event.arguments)


def _same_shape(name: str, events: Sequence[Event]) -> Iterator[str]:
    """Events that no log tells apart."""
    seen: dict[tuple[bytes, int], Event] = {}
    for event in events:
        if event.topic_count > 4:
            yield f"{event.name} has {event.topic_count} topics; a log has at most 4"
        if event.anonymous:
            continue
        other = seen.setdefault((event.topic, event.topic_count), event)
        if other is not event and other.arguments != event.arguments:
            yield f"{event.signature} stands twice with {event.topic_count} topics: no log tells which it is"


def _projections(contract: Contract) -> Iterator[str]:
    for standard in contract.projections or ():
        if not standards.needed(standard, contract.events, is_named=True):
            yield f"{standard} needs its transfer events, all of them chosen"


def _factory(manifest: Manifest, contract: Contract) -> Iterator[str]:
    factory = contract.factory
    assert factory is not None
    parents = manifest.named(factory.contract)
    if not parents or factory.contract == contract.name:
        yield f"its factory {factory.contract!r} is no other contract of the chain"
        return
    events = [event for event in parents[0].events if factory.event in (event.name, event.signature)]
    if not events:
        yield f"its factory {factory.contract} has no chosen event {factory.event!r}"
    for event in events:
        found = [a for a in event.arguments if factory.argument in (a.name, a.column)]
        if not found or found[0].kind is not Kind.ADDRESS:
            yield f"{event.name} of its factory has no address {factory.argument!r}"
        if event.anonymous:
            yield f"{event.name} of its factory is anonymous: anyone's log would look like it"
    for event in contract.events:
        if event.anonymous:
            yield f"{event.name} is anonymous, which cannot be asked for of the contracts of a factory"


def _shared_addresses(manifest: Manifest) -> Iterator[Fault]:
    seen: dict[tuple[bytes, bytes, int], Contract] = {}
    for contract in manifest.contracts:
        for event in contract.events if contract.factory is None and contract.address else ():
            other = seen.setdefault((contract.address, event.topic, event.topic_count), contract)
            if other.name != contract.name and not event.anonymous:
                yield contract.name, f"{event.signature} of 0x{contract.address.hex()} is in {other.name} already"


def _shared_tables(manifest: Manifest, others: Sequence[Manifest]) -> Iterator[Fault]:
    tables: dict[str, tuple[Contract, Event]] = {}
    for other in (*others, manifest):
        for contract in other.contracts:
            for event in contract.events:
                before, first = tables.setdefault(event.table, (contract, event))
                if before.name != contract.name and other is manifest:
                    yield contract.name, f"{event.table} is the table of {before.name} already: take another name"
                elif _shape(first) != _shape(event) and other is manifest:
                    yield contract.name, f"{event.name} has other arguments than on another chain: take another name"


def _shape(event: Event) -> tuple[tuple[str, str], ...]:
    return tuple((argument.column, argument.sql_type) for argument in event.arguments)
