import hmac

from eth_hash.auto import keccak

from node.settlement.merkle import EMPTY_ROOT, MeteredSlot, leaf, proof, root, salt, verify

SLOT = MeteredSlot(meter_id=7, delivery_start=1_750_000_500, version=0, import_wh=120, export_wh=3)


def test_leaf__is_the_doubly_hashed_abi_encoding() -> None:
    words = b"\x05" * 32 + b"".join(number.to_bytes(32, "big") for number in (7, 1_750_000_500, 0, 120, 3))
    assert leaf(SLOT, b"\x05" * 32) == keccak(keccak(words))


def test_salt__depends_on_secret_meter_slot_and_version() -> None:
    name = bytes.fromhex("00000007") + (1_750_000_500).to_bytes(8, "big") + bytes(2)
    assert salt(b"secret", SLOT) == hmac.digest(b"secret", name, "sha256")


def test_root__three_leaves__is_that_of_the_standard_tree() -> None:
    # OpenZeppelin's layout of three sorted leaves: the last two are the first pair.
    one, two, three = (bytes([n]) * 32 for n in (1, 2, 3))
    assert root([three, one, two]) == keccak(b"".join(sorted((three, keccak(one + two)))))
    assert proof([one, two, three], three) == [keccak(one + two)]
    assert proof([one, two, three], one) == [two, three]


def test_root__one_leaf_or_none__is_itself_or_empty() -> None:
    assert root([b"\x01" * 32]) == b"\x01" * 32
    assert root([]) == EMPTY_ROOT
    assert verify(b"\x01" * 32, b"\x01" * 32, [])
