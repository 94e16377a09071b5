"""Header hashes of known blocks."""

import msgspec
import pytest

from indexer.proof import header as headers
from indexer.proof.errors import NotRecomputable, ReceiptsDisagree
from indexer.proof.header import FullHeader

EMPTY_ROOT = "0x56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421"
# The first block of the public chain: https://etherscan.io/block/0
GENESIS = FullHeader(
    hash="0xd4e56740f876aef8c010b86a40d5f56745a118d0906a34e69aec8c0db1cb8fa3",
    parent_hash="0x" + "00" * 32,
    sha3_uncles="0x1dcc4de8dec75d7aab85b567b6ccd41ad312451b948a7413f0a142fd40d49347",
    miner="0x" + "00" * 20,
    state_root="0xd7f8974fb5ac78d9ac099b9ad5018bedc2ce0a72dad1827a1709da30580f0544",
    transactions_root=EMPTY_ROOT,
    receipts_root=EMPTY_ROOT,
    logs_bloom="0x" + "00" * 256,
    difficulty="0x400000000",
    number="0x0",
    gas_limit="0x1388",
    gas_used="0x0",
    timestamp="0x0",
    extra_data="0x11bbe8db4e347b4e8c937c1c8370e4b5ed33adb3db69cbdb7a38e1e50b1b82fa",
    mix_hash="0x" + "00" * 32,
    nonce="0x0000000000000042",
)

# Of the public chain after Prague and Osaka: https://etherscan.io/block/24630100
RECENT_BLOOM = (
    "fffffef97ffdf7dfb75fbbfeffffdfffffbeefffffbbffff6ffffdffbffffaf9df7fff7f7fff6ffbffffdfdffbffffff"
    "76fffffcbf7ffbfffffeefffffff7df7bffffffdefffff8fdfdf7f7ceffdffff7ff77affe7ef5ff5fbfff57ff7eeadff"
    "fffffabfff7bdffbbfbffcfffdefffeffefffffffff5fffefdffdffbffffdfdffbffe7fffffffffdffebf7e37fdfe977"
    "f7fbdfefdffddffffffffff5f97ffffdfbffdf7fffffbff9feff77afffefffeef77ffff7fff6fffeffd77ffffeefefdb"
    "7bffffff7f7ffdfbff7ffffffffefdffdffddffffffefffffffefdfbf7fdffef7fffff3bdf7fff6cefffdfffdf7ffffe"
    "ffbfbffffdafffdfbf7efdbeffff7fff"
)
RECENT = FullHeader(
    hash="0x6c4c6ea047f0ca4bcb0b0fbbcc2e50061d8dd24ba1ab8a22a6d3583a497c3c82",
    parent_hash="0x63ce16602b2afe4089fa8e0a2c16be1a2dea1c4d30b65bd717d9398ddd5fba23",
    sha3_uncles=GENESIS.sha3_uncles,
    miner="0xdadb0d80178819f2319190d340ce9a924f783711",
    state_root="0x41ebb402f36d0ce15799e98d1aca83bbb5d4b08d1b6572e73b388e4ece192916",
    transactions_root="0x3b889eb9fa0713d2e1d9e90725d45fd04ec4a550a7a390639c243c5f3b2c6215",
    receipts_root="0x52fc280ab6b1db61781dae4cc5f81b7ddd484eae78320bdd8161d5b2fe8e7719",
    logs_bloom="0x" + RECENT_BLOOM,
    difficulty="0x0",
    number="0x177d354",
    gas_limit="0x3938700",
    gas_used="0x1a4ed69",
    timestamp="0x69b09d6b",
    extra_data="0x4275696c6465724e6574202842656176657229",
    mix_hash="0xf824cbc0bffaa4862fffafa96c2cce90898dda8b97fc3eaa6a85ac38075991e5",
    nonce="0x0000000000000000",
    base_fee_per_gas="0x246edf3",
    withdrawals_root="0x76abcbef0846a5bd065d0207581dacc3cf8df4ec2ba0a8e4d4fbbe97864b82ee",
    blob_gas_used="0x40000",
    excess_blob_gas="0xa2a720e",
    parent_beacon_block_root="0xd9b957562f8477151f61eddc77bcad7451ef62eab8f4fe470402073a794e8bba",
    requests_hash="0xe3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
)


def test_encode__block_with_every_field_of_today__has_its_hash() -> None:
    decoded = headers.decode(headers.encode(RECENT))
    assert decoded.hash.hex() == RECENT.hash[2:]
    assert (decoded.number, decoded.timestamp) == (24_630_100, 0x69B09D6B)


@pytest.mark.parametrize("name", [name for name, _ in headers.LATER])
def test_encode__any_later_field_changed__is_not_the_block(name: str) -> None:
    text = getattr(RECENT, name)
    changed = msgspec.structs.replace(RECENT, **{name: text[:-1] + ("1" if text[-1] != "1" else "2")})
    with pytest.raises(NotRecomputable, match="hash"):
        headers.encode(changed)


def test_encode__first_block_of_the_public_chain__has_its_hash() -> None:
    decoded = headers.decode(headers.encode(GENESIS))
    assert decoded.hash.hex() == GENESIS.hash[2:]
    assert (decoded.number, decoded.timestamp, "0x" + decoded.receipts_root.hex()) == (0, 0, EMPTY_ROOT)


@pytest.mark.parametrize("name", [name for name, _ in headers.FIXED])
def test_encode__any_field_changed__is_not_the_block(name: str) -> None:
    text = getattr(GENESIS, name)
    changed = msgspec.structs.replace(GENESIS, **{name: text[:-1] + ("1" if text[-1] != "1" else "2")})
    with pytest.raises(NotRecomputable, match="hash"):
        headers.encode(changed)


def test_encode__a_later_field_without_those_before_it__is_said_so() -> None:
    with pytest.raises(NotRecomputable, match="base_fee_per_gas"):
        headers.encode(msgspec.structs.replace(GENESIS, withdrawals_root=EMPTY_ROOT))


@pytest.mark.parametrize(
    "field", [{"nonce": "0x42"}, {"number": "-0x1"}, {"miner": "me"}, {"gas_used": "0x1" + "0" * 64}]
)
def test_encode__malformed_field__is_a_disagreement(field: dict[str, str]) -> None:
    with pytest.raises(ReceiptsDisagree, match="malformed"):
        headers.encode(msgspec.structs.replace(GENESIS, **field))


@pytest.mark.parametrize("encoded", ["", "c0", "80", "c180"])
def test_decode__anything_else__is_refused(encoded: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        headers.decode(bytes.fromhex(encoded))
