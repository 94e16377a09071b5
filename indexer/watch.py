"""What is asked of the chain: the watched addresses with their events, and the contracts that factories make.

A factory's child is watched from the block of its creation on. Children are found in the very logs that are
indexed, so that they are right in every reorg: what an orphaned block created is forgotten with it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

import numpy as np

from indexer.columns import Flags
from indexer.decode import decode
from indexer.directory import ADDRESS, Directory, Emitter, Schema, same_topic
from indexer.errors import Disagreement
from indexer.event import Event
from indexer.logs import Logs
from indexer.manifest import Contract, Manifest

MANY: Final = 1_000
"""More children than this are not named to the endpoint: their events are asked for, whoever emits them."""


@dataclass(frozen=True, slots=True)
class Child:
    """A contract that a factory made."""

    address: bytes
    block: int
    contract: str
    """Its name in the manifest."""


@dataclass(frozen=True, slots=True)
class _Nursery:
    """The children of one factory."""

    contract: str
    events: tuple[Event, ...]
    """The parent's events that may announce one: one, or overloads."""
    argument: str
    schema: Schema


@dataclass(frozen=True, slots=True)
class _Added:
    child: Child
    before: Emitter | None


class Watch:
    """What is watched of one chain."""

    def __init__(
        self,
        manifest: Manifest,
        children: Iterable[Child] = (),
        follows: Callable[[Contract, Event], bool] | None = None,
    ) -> None:
        """
        Args:
            children: those known already, oldest first.
            follows: which events of which contracts; all where None.
        """
        self.directory = Directory()
        self.version = 0
        self._nurseries: list[_Nursery] = []
        self._added: list[_Added] = []
        # Addresses of one contract share a schema, so that their logs are decoded together.
        schemas: dict[tuple[str, frozenset[str]], Schema] = {}
        for contract in manifest.contracts:
            events = tuple(e for e in contract.events if follows is None or follows(contract, e))
            keeps_unknown = contract.keeps_unknown and len(events) == len(contract.events)
            if contract.factory is not None:
                if events:
                    self._nurseries.append(_nursery(manifest, contract, Schema(events, keeps_unknown=False)))
            elif events or not contract.events:
                key = contract.name, frozenset(event.table for event in events)
                schema = schemas.setdefault(key, Schema(events, keeps_unknown))
                self.directory.add(contract.address, Emitter(schema, manifest.start_of(contract)))
        self._fixed = dict(self.directory.items())
        for child in children:
            self._add(child)

    def become(self, other: "Watch") -> None:
        """Watches what another does from now on."""
        self.version += 1 + other.version
        self.directory, self._fixed = other.directory, other._fixed
        self._nurseries, self._added = other._nurseries, other._added

    def addresses(self) -> tuple[bytes, ...]:
        """Of the contracts that are known beforehand."""
        return tuple(self._fixed)

    @property
    def children(self) -> int:
        """How many contracts of factories are watched."""
        return len(self._added)

    def criteria(self, since: int | None = None) -> tuple[dict[str, Any], ...]:
        """Filters of ``eth_getLogs``, without the range of blocks.

        Args:
            since: a version: only what was added after it. Everything where None.
        """
        found = [] if since is not None else [*_by_address(self._fixed)]
        fresh = self._added if since is None else self._added[max(0, len(self._added) - (self.version - since)) :]
        if len(fresh) > MANY:
            return (*found, {"topics": [_topics(nursery.schema for nursery in self._nurseries)]})
        born = {added.child.address: self.directory.get(added.child.address) for added in fresh}
        return (*found, *_by_address({address: emitter for address, emitter in born.items() if emitter is not None}))

    def fingerprint(self) -> bytes:
        """Names what is asked for, whatever children were found so far: the same logs have the same one."""
        parts = [_described(address, emitter) for address, emitter in self._fixed.items()]
        for nursery in self._nurseries:
            events = sorted(event.table for event in nursery.events)
            parts.append(
                f"{nursery.contract} {events} {nursery.argument} {_described(b'', Emitter(nursery.schema, 0))}"
            )
        return sha256("\n".join(sorted(parts)).encode()).digest()[:16]

    def wants(self, address: bytes, topics: Sequence[bytes], block: int) -> bool:
        """Whether a log like this is to be indexed."""
        emitter = self.directory.get(address)
        return emitter is not None and block >= emitter.since and emitter.schema.wants(topics)

    def sift(self, logs: Logs) -> Logs:
        """The logs that are to be indexed.

        Raises:
            Disagreement: a log was not asked for.
        """
        places = self.directory.find(logs.address)
        wanted = np.zeros(len(logs), dtype=np.bool_)
        for schema, rows in self.directory.schemas(places):
            wanted[rows] = True if schema.keeps_unknown else _wanted(schema, logs.take(rows))
        strange = places < 0
        if strange.any():
            self._check_foreign(logs, strange)
        wanted &= logs.block_number >= self.directory.since(places)
        return logs if wanted.all() else logs.take(wanted)

    def discover(self, logs: Logs) -> int:
        """Watches the contracts whose creation the logs tell of; returns how many are new."""
        found: list[Child] = []
        for nursery in self._nurseries:
            for event in nursery.events:
                announced = same_topic(logs.topics, event.topic) & (logs.topic_count == event.topic_count)
                if announced.any():
                    found += self._announced(nursery, event, logs.take(announced))
        fresh = 0
        for child in sorted(found, key=lambda child: child.block):
            fresh += self._add(child)
        return fresh

    def rollback(self, block: int) -> None:
        """Forgets the children of later blocks."""
        while self._added and self._added[-1].child.block > block:
            gone = self._added.pop()
            self.directory.put(gone.child.address, gone.before)

    def _announced(self, nursery: _Nursery, event: Event, logs: Logs) -> list[Child]:
        parents = self.directory.find(logs.address) >= 0
        logs = logs.take(parents)
        found = []
        for rows in decode(self.sift(logs), self.directory).rows:
            if rows.event.table != event.table:
                continue
            column = next(at for at, a in enumerate(event.arguments) if nursery.argument in (a.name, a.column))
            addresses = np.asarray(rows.values[column], dtype=np.uint8)
            for address, block in zip(addresses, rows.block_number.tolist(), strict=True):
                found.append(Child(address.tobytes(), block, nursery.contract))
        return found

    def _add(self, child: Child) -> bool:
        """Watches a child; False where it is one already, or nobody."""
        schema = next((n.schema for n in self._nurseries if n.contract == child.contract), None)
        before = self.directory.get(child.address)
        if schema is None or child.address == bytes(ADDRESS):
            return False
        if before is not None and set(schema.events) <= set(before.schema.events) and before.since <= child.block:
            return False
        self.directory.add(child.address, Emitter(schema, child.block))
        self._added.append(_Added(child, before))
        self.version += 1
        return True

    def _check_foreign(self, logs: Logs, strange: Flags) -> None:
        """Only where events are asked for, whoever emits them, may an answer have others than the watched."""
        asked = np.zeros(len(logs), dtype=np.bool_)
        for nursery in self._nurseries if len(self._added) > MANY else ():
            asked |= _wanted(nursery.schema, logs)
        if (strange & ~asked).any():
            at = int(np.flatnonzero(strange & ~asked)[0])
            raise Disagreement(f"a log is of 0x{logs.address[at].tobytes().hex()}, which was not asked for")


def _described(address: bytes, emitter: Emitter) -> str:
    schema = emitter.schema
    events = sorted(f"{event.topic.hex()}/{event.topic_count}/{event.anonymous}" for event in schema.events)
    # Where everything is kept, the choice of events does not change what is asked for.
    return f"{address.hex()} {emitter.since} {'all' if schema.keeps_unknown else events}"


def _nursery(manifest: Manifest, contract: Contract, schema: Schema) -> _Nursery:
    factory = contract.factory
    assert factory is not None
    events = {
        event.table: event
        for parent in manifest.named(factory.contract)
        for event in parent.events
        if factory.event in (event.name, event.signature)
    }
    return _Nursery(contract.name, tuple(events.values()), factory.argument, schema)


def _by_address(emitters: Mapping[bytes, Emitter]) -> list[dict[str, Any]]:
    """One filter for those of whom everything is wanted, one for each choice of events."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for address, emitter in emitters.items():
        schema = emitter.schema
        choice = () if schema.keeps_unknown or schema.anonymous else tuple(_topics([schema]))
        groups.setdefault(choice, []).append("0x" + address.hex())
    return [
        {"address": addresses, "topics": [list(choice)]} if choice else {"address": addresses}
        for choice, addresses in groups.items()
    ]


def _topics(schemas: Iterable[Schema]) -> list[str]:
    return sorted({"0x" + topic.hex() for schema in schemas for topic in schema.signed})


def _wanted(schema: Schema, logs: Logs) -> Flags:
    """Logs that are the schema's events, as far as topics tell."""
    wanted = np.zeros(len(logs), dtype=np.bool_)
    for topic in schema.signed:
        wanted |= same_topic(logs.topics, topic) & (logs.topic_count > 0)
    for count in schema.anonymous:
        wanted |= logs.topic_count == count
    return wanted
