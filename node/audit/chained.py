"""A log whose entries each hold the hash of the one before, against its anchors on chain. Pure."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from node.audit.compare import NOTHING, Finding, show

CHAIN = "hash chain"
ANCHORS = "RegistersAttested"


@dataclass(frozen=True, slots=True)
class Anchor:
    """The hash of an entry, as it stands on chain."""

    sequence: int
    hash: bytes
    block_number: int


@dataclass(frozen=True, slots=True)
class Link:
    """One entry as it is stored."""

    sequence: int
    name: str
    """What it is, for a person."""
    previous_hash: bytes
    hash: bytes
    hash_after: Callable[[bytes], bytes]
    """The hash that it must have after the hash of the entry before."""


@dataclass(frozen=True, slots=True)
class LogCheck:
    """What a log came to."""

    log: str
    entries: int
    """How many there are."""
    anchored: int
    """The number of the last entry whose hash is the one on chain: up to it all is fixed. 0: none."""
    block_number: int | None
    """Where that anchor is."""
    findings: list[Finding]


class Follower:
    """Follows a log from its first entry to its last. The first anchor of an entry counts: who has the attester's key
    can add others, and each with another hash tells of tampering."""

    def __init__(self, log: str, anchors: Iterable[Anchor]) -> None:
        self._log, self._anchors = log, dict[int, Anchor]()
        self._findings: list[Finding] = []
        self._entries, self._last, self._hash = 0, 0, bytes(32)
        self._anchored: Anchor | None = None
        for anchor in anchors:
            first = self._anchors.setdefault(anchor.sequence, anchor)
            if first.hash != anchor.hash:
                self._find(f"row {anchor.sequence} anchored again", first.hash, anchor.hash, ANCHORS, ANCHORS)

    def take(self, link: Link) -> None:
        """The next entry, by number."""
        if link.sequence != self._last + 1:
            self._find(_rows(self._last + 1, link.sequence - 1), "an entry", NOTHING)
        else:
            name = f"row {link.sequence} ({link.name})"
            if link.previous_hash != self._hash:
                self._find(f"{name} previous_hash", self._hash, link.previous_hash)
            if link.hash != (expected := link.hash_after(self._hash)):
                self._find(f"{name} hash", expected, link.hash)
        anchor = self._anchors.get(link.sequence)
        if anchor is not None and anchor.hash == link.hash:
            self._anchored = anchor
        elif anchor is not None:
            self._find(f"row {link.sequence} anchored hash", anchor.hash, link.hash, ANCHORS)
        self._entries, self._last, self._hash = self._entries + 1, link.sequence, link.hash

    def end(self) -> LogCheck:
        """There are no more."""
        last = max(self._anchors, default=0)
        if last > self._last:
            self._find(_rows(self._last + 1, last), self._anchors[last].hash, NOTHING, ANCHORS)
        number, block = (self._anchored.sequence, self._anchored.block_number) if self._anchored else (0, None)
        return LogCheck(self._log, self._entries, number, block, self._findings)

    def _find(self, subject: str, expected: object, actual: object, origin: str = CHAIN, other: str = "") -> None:
        self._findings.append(Finding("log", subject, show(expected), show(actual), origin, other or self._log))


def _rows(first: int, last: int) -> str:
    return f"row {first}" if first == last else f"rows {first} to {last}"
