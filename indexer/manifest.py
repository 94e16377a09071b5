"""Which contracts are indexed, and which events they have."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from indexer.errors import ConfigError
from indexer.event import Event, event_of


@dataclass(frozen=True, slots=True)
class Contract:
    """One deployed contract."""

    name: str
    address: bytes
    abi: Sequence[Mapping[str, Any]]
    events: tuple[Event, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "events", events_of(self.name, self.abi))

    @property
    def abi_json(self) -> str:
        return json.dumps(self.abi, separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class Manifest:
    """The contracts of one chain, from their first block on."""

    chain_id: int
    start_block: int
    contracts: tuple[Contract, ...]

    @property
    def addresses(self) -> tuple[bytes, ...]:
        return tuple(contract.address for contract in self.contracts)

    @property
    def tables(self) -> dict[str, Event]:
        """One event for every fact table."""
        return {event.table: event for contract in self.contracts for event in contract.events}

    def lookup(self) -> dict[tuple[str, str], Event]:
        """Events by emitter and first topic, as lower-case ``0x…``."""
        return {
            ("0x" + contract.address.hex(), "0x" + event.topic.hex()): event
            for contract in self.contracts
            for event in contract.events
        }


def events_of(contract: str, abi: Iterable[Mapping[str, Any]]) -> tuple[Event, ...]:
    """The events of an ABI, each with its own table: of overloads, the second is told apart by its topic."""
    events: list[Event] = []
    tables: set[str] = set()
    for entry in abi:
        if entry.get("type") != "event" or entry.get("anonymous"):
            continue
        event = event_of(contract, entry)
        if event.table in tables:
            event = replace(event, table=f"{event.table}_{event.topic[:4].hex()}")
        tables.add(event.table)
        events.append(event)
    return tuple(events)


def check_chain(manifest: Manifest, chain_id: int) -> Manifest:
    """Raises ConfigError where the deployment is of another chain."""
    if manifest.chain_id != chain_id:
        raise ConfigError([f"the deployment is of chain {manifest.chain_id}, not {chain_id}"])
    return manifest
