"""Files as IPFS stores them: chunks of fixed size under a balanced tree of dag-pb nodes. Pure.

The same bytes give the same identifier as `ipfs add` with the same profile. A profile is stored beside every
identifier, because the identifier follows from it. https://specs.ipfs.tech/unixfs/
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from node.documents.cid import DAG_PB, RAW, Cid
from node.errors import Refused

_RAW_TYPE: Final = 0
_DIRECTORY: Final = 1
_FILE: Final = 2


class BadBlock(Refused):
    """A block is not a node of a file."""

    code = "bad-block"


@dataclass(frozen=True, slots=True)
class Profile:
    """What decides a file's identifier beside its bytes."""

    name: str
    cid_version: int
    chunk_bytes: int
    links: int
    """Children of one node."""

    @property
    def raw_leaves(self) -> bool:
        return self.cid_version == 1


CLASSIC: Final = Profile("unixfs-v1-256k", 1, 262_144, 174)
"""What `ipfs add --cid-version=1` has always done."""
CLASSIC_V0: Final = Profile("unixfs-v0", 0, 262_144, 174)
"""What `ipfs add` does by default."""
V1_2025: Final = Profile("unixfs-v1-2025", 1, 1_048_576, 1_024)
"""The profile that Kubo and its peers agreed on in 2025."""
PROFILES: Final[Mapping[str, Profile]] = {profile.name: profile for profile in (CLASSIC, CLASSIC_V0, V1_2025)}


@dataclass(frozen=True, slots=True)
class Link:
    """An edge of the tree."""

    cid: Cid
    content_bytes: int
    """Bytes of the file below it."""
    total_bytes: int
    """Bytes of all blocks below it."""
    name: str = ""


@dataclass(frozen=True, slots=True)
class Node:
    """What a block says: bytes of its own, or children in order."""

    links: tuple[Link, ...]
    data: bytes
    is_directory: bool = False


@dataclass(slots=True)
class FileBuilder:
    """Turns chunks into blocks, holding no more than one path of the tree: files of any size fit.

    ``leaf`` and ``finish`` give the blocks to be stored; the last one is the root.
    """

    profile: Profile
    _levels: list[list[Link]] = field(default_factory=lambda: [[]])
    _root: Link | None = None

    def leaf(self, chunk: bytes) -> Iterator[tuple[Cid, bytes]]:
        """Adds the next chunk, full size but for the last."""
        block = chunk if self.profile.raw_leaves else _node((), _unixfs(_FILE, chunk, len(chunk), ()))
        cid = Cid.of(block, RAW if self.profile.raw_leaves else DAG_PB, self.profile.cid_version)
        yield cid, block
        yield from self._add(0, Link(cid, len(chunk), len(block)))

    def finish(self) -> Iterator[tuple[Cid, bytes]]:
        """Closes the tree; afterwards ``root`` is known."""
        if not self._levels[0] and len(self._levels) == 1:
            yield from self.leaf(b"")
        level = 0
        while level + 1 < len(self._levels) or len(self._levels[level]) > 1:
            if self._levels[level]:
                links, self._levels[level] = self._levels[level], []
                yield from self._parent(level, links)
            level += 1
        (self._root,) = self._levels[level]

    @property
    def root(self) -> Link:
        """The whole file. Only once it is finished."""
        assert self._root is not None
        return self._root

    def _add(self, level: int, link: Link) -> Iterator[tuple[Cid, bytes]]:
        if level == len(self._levels):
            self._levels.append([])
        links = self._levels[level]
        if len(links) == self.profile.links:
            self._levels[level] = []
            yield from self._parent(level, links)
        self._levels[level].append(link)

    def _parent(self, level: int, links: Sequence[Link]) -> Iterator[tuple[Cid, bytes]]:
        content = sum(link.content_bytes for link in links)
        block = _node(links, _unixfs(_FILE, b"", content, [link.content_bytes for link in links]))
        cid = Cid.of(block, DAG_PB, self.profile.cid_version)
        yield cid, block
        yield from self._add(level + 1, Link(cid, content, len(block) + sum(link.total_bytes for link in links)))


def directory(entries: Iterable[Link], cid_version: int = 1) -> tuple[Link, bytes]:
    """A directory's node: its link and its block. Entries carry names; their order does not matter."""
    links = sorted(entries, key=lambda link: link.name.encode())
    block = _node(links, b"\x08" + bytes((_DIRECTORY,)))
    total = len(block) + sum(link.total_bytes for link in links)
    return Link(Cid.of(block, DAG_PB, cid_version), 0, total), block


def read(cid: Cid, block: bytes) -> Node:
    """What a block says.

    Raises:
        BadBlock: it is not the block that ``cid`` names, or not a file's or directory's node.
    """
    if not cid.names(block):
        raise BadBlock(f"a block of {len(block)} bytes is not {cid}")
    if cid.codec == RAW:
        return Node((), block)
    links, data = _parse_node(block)
    return Node(links, *_parse_unixfs(data, links))


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _bytes_field(number: int, data: bytes) -> bytes:
    return bytes((number << 3 | 2,)) + _varint(len(data)) + data


def _node(links: Sequence[Link], data: bytes) -> bytes:
    """dag-pb: links first, then data. https://ipld.io/specs/codecs/dag-pb/spec/"""
    parts = []
    for link in links:
        body = _bytes_field(1, link.cid.to_bytes()) + _bytes_field(2, link.name.encode())
        parts.append(_bytes_field(2, body + b"\x18" + _varint(link.total_bytes)))
    return b"".join(parts) + _bytes_field(1, data)


def _unixfs(kind: int, data: bytes, content_bytes: int, block_sizes: Sequence[int]) -> bytes:
    own = _bytes_field(2, data) if data else b""
    sizes = b"".join(b"\x20" + _varint(size) for size in block_sizes)
    return b"\x08" + bytes((kind,)) + own + b"\x18" + _varint(content_bytes) + sizes


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Fields of a protobuf message with varints and byte strings, which is all that these formats use."""
    place = 0

    def varint() -> int:
        nonlocal place
        number = shift = 0
        while True:
            if place >= len(message) or shift > 63:
                raise BadBlock("a number is cut short")
            byte = message[place]
            number |= (byte & 0x7F) << shift
            place, shift = place + 1, shift + 7
            if byte < 0x80:
                return number

    while place < len(message):
        key = varint()
        value: int | bytes = varint()
        if key & 7 == 2:
            length = int(value)
            if place + length > len(message):
                raise BadBlock("a field is cut short")
            value = message[place : place + length]
            place += length
        elif key & 7:
            raise BadBlock(f"field {key >> 3} has wire type {key & 7}")
        yield key >> 3, value


def _parse_node(block: bytes) -> tuple[tuple[Link, ...], bytes]:
    links, data = [], b""
    for number, value in _fields(block):
        if not isinstance(value, bytes) or number not in (1, 2):
            raise BadBlock(f"field {number} is not of dag-pb")
        if number == 1:
            data = value
        else:
            links.append(_parse_link(value))
    return tuple(links), data


def _parse_link(message: bytes) -> Link:
    found = dict(_fields(message))
    raw, name, total = found.get(1), found.get(2, b""), found.get(3, 0)
    if not isinstance(raw, bytes) or not isinstance(name, bytes) or not isinstance(total, int):
        raise BadBlock("a link is not of dag-pb")
    return Link(_cid_of(raw), 0, total, name.decode(errors="replace"))


def _cid_of(raw: bytes) -> Cid:
    if len(raw) == 34 and raw[:2] == b"\x12\x20":
        return Cid(0, DAG_PB, raw[2:])
    if len(raw) == 36 and raw[0] == 1 and raw[1] in (RAW, DAG_PB) and raw[2:4] == b"\x12\x20":
        return Cid(1, raw[1], raw[4:])
    raise BadBlock(f"a link names 0x{raw[:40].hex()}, which we cannot check")


def _parse_unixfs(data: bytes, links: Sequence[Link]) -> tuple[bytes, bool]:
    own, kind, sizes = b"", -1, 0
    for number, value in _fields(data):
        if number == 1 and isinstance(value, int):
            kind = value
        elif number == 2 and isinstance(value, bytes):
            own = value
        elif number == 4:
            sizes += 1
    if kind not in (_RAW_TYPE, _FILE, _DIRECTORY):
        raise BadBlock(f"a node of type {kind} is neither a file nor a directory")
    if kind != _DIRECTORY and (sizes != len(links) or (own and links)):
        raise BadBlock(f"a file's node has {len(links)} children and {sizes} sizes")
    return own, kind == _DIRECTORY
