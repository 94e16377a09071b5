"""Files' identifiers against what IPFS gives for the same bytes."""

import hashlib

import pytest
from Crypto.Cipher import ChaCha20

from node.documents import unixfs
from node.documents.cid import DAG_PB, RAW, Cid
from node.documents.unixfs import CLASSIC, CLASSIC_V0, V1_2025, BadBlock, FileBuilder, Link, Profile


def stream(seed: str, size: int) -> bytes:
    """Bytes that anyone can make again: ChaCha20 under sha256(seed), nonce zero."""
    return ChaCha20.new(key=hashlib.sha256(seed.encode()).digest(), nonce=bytes(12)).encrypt(bytes(size))


def built(data: bytes, profile: Profile) -> tuple[Link, dict[Cid, bytes]]:
    """The file's root and its blocks."""
    builder, blocks = FileBuilder(profile), {}
    for start in range(0, len(data), profile.chunk_bytes):
        blocks.update(builder.leaf(data[start : start + profile.chunk_bytes]))
    blocks.update(builder.finish())
    return builder.root, blocks


@pytest.mark.parametrize(
    ("data", "profile", "cid"),
    [
        (b"hello IPFS\n", CLASSIC, "bafkreicouv3sksjuzxb3rbb6rziy6duakk2aikegsmtqtz5rsuppjorxsa"),
        (b"", CLASSIC, "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku"),
        (b"", CLASSIC_V0, "QmbFMke1KXqnYyBBWxB74N4c5SBnJMVAiMNRcGu6x1AwQH"),
        (stream("chunk-v0-seed", 262_145), CLASSIC_V0, "QmYyLxtzZyW22zpoVAtKANLRHpDjZtNeDjQdJrcQNWoRkJ"),
        (
            stream("chunk-v1-seed", 1_048_577),
            V1_2025,
            "bafybeigmix7t42i6jacydtquhet7srwvgpizfg7gjbq7627d35mjomtu64",
        ),
    ],
)
def test_file__known_bytes__have_the_known_identifier(data: bytes, profile: Profile, cid: str) -> None:
    root, blocks = built(data, profile)
    assert str(root.cid) == cid
    assert root.content_bytes == len(data)
    assert root.total_bytes == sum(map(len, blocks.values()))


def test_directory__empty__has_the_known_identifier() -> None:
    assert str(unixfs.directory([], 0)[0].cid) == "QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn"


def test_directory__entries_in_any_order__have_one_identifier() -> None:
    entries = [Link(Cid.of(name.encode(), RAW), 1, 1, name) for name in ("legal", "media", "technical")]
    first, block = unixfs.directory(entries)
    assert unixfs.directory(reversed(entries))[0] == first
    assert [link.name for link in unixfs.read(first.cid, block).links] == ["legal", "media", "technical"]
    assert unixfs.read(first.cid, block).is_directory


def test_read__another_block__is_refused() -> None:
    with pytest.raises(BadBlock):
        unixfs.read(Cid.of(b"deed", RAW), b"deer")


@pytest.mark.parametrize(
    "block",
    [
        b"\xff",  # a number without end
        b"\x0a\x05\x08",  # a field longer than the block
        b"\x0a\x02\x08\x02\x18\x01",  # a field that dag-pb has not
        b"\x0a\x02\x08\x05",  # a sharded directory
        b"\x0a\x04\x08\x02\x20\x01",  # a size without a child
        b"\x12\x06\x0a\x04\x01\x55\x12\x20\x0a\x04\x08\x02\x20\x01",  # a child without a digest
        b"\x0d\x00\x00\x00\x00",  # a wire type that is not used
    ],
)
def test_read__block_that_is_no_node__is_refused(block: bytes) -> None:
    with pytest.raises(BadBlock):
        unixfs.read(Cid.of(block, DAG_PB), block)
