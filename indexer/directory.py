"""Who emits what: the events of every watched address, found for whole columns of logs at once."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from indexer.columns import Bytes2D, Flags, Integers
from indexer.event import Event

ADDRESS: Final = 20
FEW: Final = 1_024
_KEY: Final = slice(12, 20)
"""The part of an address that is searched for; the whole is compared afterwards."""


@dataclass(frozen=True)
class Schema:
    """What the addresses of one kind emit."""

    events: tuple[Event, ...]
    keeps_unknown: bool = True
    """Whether logs that are none of the events are kept undecoded, or are not wanted."""
    signed: Mapping[bytes, Mapping[int, Event]] = field(init=False)
    """By first topic and count of topics."""
    anonymous: Mapping[int, tuple[Event, ...]] = field(init=False)
    """By count of topics."""

    def __post_init__(self) -> None:
        signed: dict[bytes, dict[int, Event]] = defaultdict(dict)
        anonymous: dict[int, tuple[Event, ...]] = defaultdict(tuple)
        for event in self.events:
            if event.anonymous:
                anonymous[event.topic_count] += (event,)
            else:
                signed[event.topic].setdefault(event.topic_count, event)
        object.__setattr__(self, "signed", dict(signed))
        object.__setattr__(self, "anonymous", dict(anonymous))

    def joined(self, other: "Schema") -> "Schema":
        """Of an address that two contracts of the manifest share."""
        more = tuple(event for event in other.events if event not in self.events)
        return Schema(self.events + more, self.keeps_unknown or other.keeps_unknown)

    def wants(self, topics: Sequence[bytes]) -> bool:
        """Whether a log with these topics is asked for."""
        if self.keeps_unknown or (topics and topics[0] in self.signed):
            return True
        return len(topics) in self.anonymous


@dataclass(frozen=True, slots=True)
class Emitter:
    """One watched address."""

    schema: Schema
    since: int
    """Logs of earlier blocks are not its own: before its contract's start, or before its factory made it."""


class Directory:
    """Watched addresses with their schemas. Grows and shrinks as factories make children and reorgs take them.

    New addresses are searched for apart until there are many of them: a hundred thousand need no sorting anew for
    every one that comes.
    """

    def __init__(self) -> None:
        self._emitters: dict[bytes, Emitter] = {}
        self._new: dict[bytes, Emitter] = {}
        self._schemas: dict[int, tuple[int, Schema]] = {}
        self._old_shelf: _Shelf | None = None
        self._new_shelf: _Shelf | None = None

    def __len__(self) -> int:
        return len(self._emitters)

    def __contains__(self, address: bytes) -> bool:
        return address in self._emitters

    def items(self) -> Iterable[tuple[bytes, Emitter]]:
        return self._emitters.items()

    def get(self, address: bytes) -> Emitter | None:
        return self._emitters.get(address)

    def add(self, address: bytes, emitter: Emitter) -> None:
        """Watches an address, or lets one that is watched already emit more."""
        before = self._emitters.get(address)
        if before is not None:
            emitter = Emitter(before.schema.joined(emitter.schema), min(before.since, emitter.since))
        self.put(address, emitter)

    def put(self, address: bytes, emitter: Emitter | None) -> None:
        """Watches an address for exactly this, or not any more."""
        if address in self._emitters and address not in self._new:
            self._old_shelf = None
        self._new_shelf = None
        self._emitters.pop(address, None)
        self._new.pop(address, None)
        if emitter is not None:
            self._emitters[address] = self._new[address] = emitter

    def find(self, addresses: Bytes2D) -> Integers:
        """Position of each address in the directory; -1 where it is not watched."""
        old, new = self._shelves()
        places = old.find(addresses)
        missing = np.flatnonzero(places < 0) if len(new) else ()
        if len(missing):
            found = new.find(addresses[missing])
            places[missing] = np.where(found >= 0, found + len(old), -1)
        return places

    def schemas(self, places: Integers) -> list[tuple[Schema, Integers]]:
        """The schemas of addresses found, each with the positions in ``places`` that have it."""
        known = np.concatenate([shelf.schema for shelf in self._shelves()])
        number = np.where(places >= 0, known[places], -1) if len(known) else places
        present = np.flatnonzero(np.bincount(number + 1, minlength=1)[1:]).tolist()
        by_number = dict(self._schemas.values()) if present else {}
        return [(by_number[one], np.flatnonzero(number == one)) for one in present]

    def since(self, places: Integers) -> Integers:
        """The first block of each address found."""
        known = np.concatenate([shelf.since for shelf in self._shelves()])
        since: Integers = known[places] if len(known) else np.zeros(len(places), dtype=np.int64)
        return since

    def _shelves(self) -> "tuple[_Shelf, _Shelf]":
        old = self._old_shelf
        if old is None or len(self._new) > max(FEW, len(old) // 64):
            old = self._old_shelf = self._shelf(self._emitters)
            self._new = {}
            self._new_shelf = None
        new = self._new_shelf
        if new is None:
            new = self._new_shelf = self._shelf(self._new)
        return old, new

    def _shelf(self, emitters: Mapping[bytes, Emitter]) -> "_Shelf":
        for emitter in emitters.values():
            self._schemas.setdefault(id(emitter.schema), (len(self._schemas), emitter.schema))
        numbers = [self._schemas[id(emitter.schema)][0] for emitter in emitters.values()]
        return _Shelf(emitters, np.array(numbers, dtype=np.int64))


class _Shelf:
    """Addresses in order, for searching whole columns."""

    def __init__(self, emitters: Mapping[bytes, Emitter], schema: Integers) -> None:
        addresses = np.frombuffer(b"".join(emitters), dtype=np.uint8).reshape(-1, ADDRESS)
        since = np.array([emitter.since for emitter in emitters.values()], dtype=np.int64)
        keys = _keys(addresses)
        order = np.argsort(keys, kind="stable")
        self._keys, self._addresses = keys[order], addresses[order]
        self.schema, self.since = schema[order], since[order]
        doubled = bool((self._keys[1:] == self._keys[:-1]).any())
        self._place = {address.tobytes(): at for at, address in enumerate(self._addresses)} if doubled else {}

    def __len__(self) -> int:
        return len(self._keys)

    def find(self, addresses: Bytes2D) -> Integers:
        if not len(self._keys):
            return np.full(len(addresses), -1, dtype=np.int64)
        if self._place:
            return np.array([self._place.get(address.tobytes(), -1) for address in addresses], dtype=np.int64)
        at = np.searchsorted(self._keys, _keys(addresses))
        at[at == len(self._keys)] = 0
        different = np.zeros(len(addresses), dtype=np.uint32)
        for mine, theirs in zip(_quarters(self._addresses[at]), _quarters(addresses), strict=True):
            different |= mine ^ theirs
        at[different != 0] = -1
        return at.astype(np.int64)


def directory_of(contracts: Iterable[tuple[bytes, Schema, int]]) -> Directory:
    """From addresses, what they emit, and since which block."""
    directory = Directory()
    for address, schema, since in contracts:
        directory.add(address, Emitter(schema, since))
    return directory


def _keys(addresses: Bytes2D) -> NDArray[np.uint64]:
    return np.ascontiguousarray(addresses[:, _KEY]).view(np.uint64).reshape(len(addresses))


def _quarters(addresses: Bytes2D) -> list[NDArray[np.uint32]]:
    """Columns of four bytes each."""
    parts = np.ascontiguousarray(addresses).view(np.uint32)
    return [parts[:, at] for at in range(ADDRESS // 4)]


def same_topic(topics: Bytes2D, topic: bytes) -> Flags:
    """Which first topics are ``topic``."""
    found, wanted = topics[:, 0].view(np.uint64), np.frombuffer(topic, dtype=np.uint64)
    same: Flags = found[:, 0] == wanted[0]
    for at in range(1, 4) if same.any() else ():
        same &= found[:, at] == wanted[at]
    return same
