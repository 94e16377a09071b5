"""Keys and signatures in DER: only the one right encoding is read."""

import pytest
from coincurve import PrivateKey

from contracts.typed_data import address_of
from node.signers.public_key import address_of_key, address_of_spki, ecdsa_values

KEY = bytes.fromhex("8f2a559490f0b9f5c4b1e1d8a4c6a0b7d3e2f1a09b8c7d6e5f40312233445566")
POINT = PrivateKey(KEY).public_key.format(compressed=False)
SPKI = bytes.fromhex("3056301006072a8648ce3d020106052b8104000a034200")
P256 = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d030107034200")


def test_address_of_key__with_or_without_its_tag__is_the_accounts() -> None:
    assert address_of_key(POINT) == address_of_key(POINT[1:]) == address_of(KEY)
    assert address_of_spki(SPKI + POINT) == address_of(KEY)


@pytest.mark.parametrize("info", [b"", SPKI, SPKI + POINT[:-1], SPKI + POINT + b"\0", P256 + POINT, POINT])
def test_address_of_spki__no_key_of_this_curve__is_none(info: bytes) -> None:
    assert address_of_spki(info) is None


def test_ecdsa_values__what_a_library_wrote__are_its_numbers() -> None:
    for digest in (bytes([number]) * 32 for number in range(64)):
        signature = PrivateKey(KEY).sign_recoverable(digest, hasher=None)
        expected = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:64], "big")
        assert ecdsa_values(PrivateKey(KEY).sign(digest, hasher=None)) == expected


@pytest.mark.parametrize(
    "der",
    [
        "", "30", "3000", "3006020101020101ff", "3006020101030101", "30060201010201",
        "3003020101", "3006020181020101", "300702020001020101", "3009020101020101020101", "30040200020101",
    ],
)  # fmt: skip
def test_ecdsa_values__not_the_one_encoding__is_refused(der: str) -> None:
    with pytest.raises(ValueError, match=r"not|after"):
        ecdsa_values(bytes.fromhex(der))
