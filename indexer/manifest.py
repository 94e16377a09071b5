"""Which contracts are indexed, and which events they have."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from indexer.directory import Directory, Emitter, Schema
from indexer.errors import ConfigError
from indexer.event import Event, event_of, shortened, snake
from indexer.scope import Scope

INTERVAL: Final = replace(
    event_of("Chain", {"type": "event", "name": "Interval", "inputs": [{"name": "hash", "type": "bytes32"}]}),
    table="chain_intervals",
)
"""What a block that is noted by itself is stored as, and what handlers hear of it as: ``Chain.Interval``."""


@dataclass(frozen=True, slots=True)
class Factory:
    """The event by which contracts are found: every address in one of its arguments is one."""

    contract: str
    event: str
    """Name or whole signature."""
    argument: str


@dataclass(frozen=True, slots=True)
class Contract:
    """One deployed contract; or, where there is a factory, all contracts that it makes."""

    name: str
    address: bytes
    """Empty where a factory tells the addresses."""
    abi: Sequence[Mapping[str, Any]]
    start_block: int | None = None
    """First block to be indexed; the manifest's where None."""
    chosen: tuple[str, ...] | None = None
    """Events by name or whole signature; all of the ABI where None."""
    factory: Factory | None = None
    projections: tuple[str, ...] | None = None
    """Built-in state kept of it: ``erc20``, ``erc721``, ``erc1155``; where None, of what its ABI is seen to be."""
    executions: bool = False
    """Whether calls to the contract are kept."""
    events: tuple[Event, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "events", events_of(self.name, self.abi, self.chosen))

    @property
    def abi_json(self) -> str:
        return json.dumps(self.abi, separators=(",", ":"))

    @property
    def keeps_unknown(self) -> bool:
        """Whether logs that the ABI does not know are kept undecoded: where the whole contract is wanted."""
        return self.chosen is None and self.factory is None


@dataclass(frozen=True, slots=True)
class Options:
    """What is indexed of a chain beside contracts' events."""

    transactions: Scope | None = None
    receipts: Scope | None = None
    native_transfers: Scope | None = None
    """Those inside transactions only where traces are kept, too."""
    traces: Scope | None = None
    block_interval: int | None = None
    """Every so many blocks one is noted by itself; None for never."""


@dataclass(frozen=True, slots=True)
class Read:
    """A function that is called at blocks, and what it returns is kept."""

    contract: str
    function: str
    """Name or whole signature."""
    arguments: tuple[Any, ...] = ()
    """Values; or ``$name`` for an argument of the event, ``$emitter`` for its contract."""
    every: int | None = None
    """At the end of every block whose number is a multiple; or"""
    on: str | None = None
    """at the end of every block of this event, ``Contract.Event``."""
    name: str | None = None
    """Of its table; contract and function where None."""

    @property
    def table(self) -> str:
        named = self.name or f"{snake(self.contract)}_{snake(self.function.partition('(')[0])}"
        return shortened(f"read_{named}")


@dataclass(frozen=True, slots=True)
class Manifest:
    """The contracts of one chain, from their first block on."""

    chain_id: int
    start_block: int
    contracts: tuple[Contract, ...]
    options: Options = Options()
    handlers: str | None = None
    """Python handlers, as ``module.path:name``."""
    reads: tuple[Read, ...] = ()

    @property
    def addresses(self) -> tuple[bytes, ...]:
        """Of the contracts that are known beforehand."""
        return tuple(dict.fromkeys(contract.address for contract in self.contracts if contract.factory is None))

    @property
    def tables(self) -> dict[str, Event]:
        """One event for every fact table."""
        found = {event.table: event for contract in self.contracts for event in contract.events}
        return found if self.options.block_interval is None else {**found, INTERVAL.table: INTERVAL}

    def start_of(self, contract: Contract) -> int:
        return self.start_block if contract.start_block is None else contract.start_block

    def named(self, name: str) -> tuple[Contract, ...]:
        """The contracts of one name: one for every address."""
        return tuple(contract for contract in self.contracts if contract.name == name)

    def lookup(self) -> Directory:
        """Events by emitter, of the contracts that are known beforehand."""
        directory = Directory()
        for contract in self.contracts:
            if contract.factory is None:
                schema = Schema(contract.events, contract.keeps_unknown)
                directory.add(contract.address, Emitter(schema, self.start_of(contract)))
        return directory


def events_of(
    contract: str, abi: Iterable[Mapping[str, Any]], chosen: Iterable[str] | None = None
) -> tuple[Event, ...]:
    """The events of an ABI, each with its own table.

    Of overloads, the second is told apart by its topic; of one event with other arguments indexed, also by its count
    of topics. An entry that stands twice is one event. ``chosen`` names do not change the tables.
    """
    events: list[Event] = []
    tables: set[str] = set()
    for entry in abi:
        if entry.get("type") != "event":
            continue
        event = event_of(contract, entry)
        if any(replace(event, table=known.table) == known for known in events):
            continue
        for suffix in (f"_{event.topic[:4].hex()}", f"_{event.topic[:4].hex()}_{event.topic_count}_topics"):
            if event.table in tables:
                event = replace(event, table=shortened(event_of(contract, entry).table + suffix))
        tables.add(event.table)
        events.append(event)
    if chosen is None:
        return tuple(events)
    wanted = set(chosen)
    return tuple(event for event in events if event.name in wanted or event.signature in wanted)


def check_chain(manifest: Manifest, chain_id: int) -> Manifest:
    """Raises ConfigError where the deployment is of another chain."""
    if manifest.chain_id != chain_id:
        raise ConfigError([f"the deployment is of chain {manifest.chain_id}, not {chain_id}"])
    return manifest
