"""A transaction (EIP-1559) before and after somebody else has signed it."""

from collections.abc import Mapping
from typing import Any, Final

from eth_hash.auto import keccak

from contracts.typed_data import BadSignature, checksum, recover
from indexer.proof import rlp
from node.wallet import SigningForbidden, WrongSignature

TYPE: Final = b"\x02"
ORDER: Final = 0xFFFFFFFF_FFFFFFFF_FFFFFFFF_FFFFFFFE_BAAEDCE6_AF48A03B_BFD25E8C_D0364141
"""Of secp256k1."""
_NUMBERS: Final = ("chainId", "nonce", "maxPriorityFeePerGas", "maxFeePerGas", "gas")


def payload(transaction: Mapping[str, Any]) -> bytes:
    """What is hashed and signed. Raises SigningForbidden for a transaction of another type."""
    return TYPE + rlp.encode(_fields(transaction))


def signed(transaction: Mapping[str, Any], address: bytes, r: int, s: int) -> bytes:
    """The raw transaction; ``s`` may be high, and which of the two possible keys it is follows from ``address``.

    Raises:
        WrongSignature: the account's key did not make this signature.
    """
    digest = keccak(payload(transaction))
    if not (0 < r < ORDER and 0 < s < ORDER):
        raise WrongSignature("r or s is outside the curve's order")
    s = min(s, ORDER - s)
    for parity in (0, 1):
        try:
            signer = recover(digest, r.to_bytes(32, "big") + s.to_bytes(32, "big") + bytes([27 + parity]))
        except BadSignature:
            continue
        if signer == address:
            return TYPE + rlp.encode([*_fields(transaction), rlp.number(parity), rlp.number(r), rlp.number(s)])
    raise WrongSignature(f"the signature is not by the key of {checksum(address)}")


def checked(raw: bytes, transaction: Mapping[str, Any], address: bytes) -> bytes:
    """``raw`` itself, where it is exactly this transaction signed by the account.

    Raises:
        WrongSignature: it is not.
    """
    try:
        *fields, _, r, s = rlp.decode_list(raw[1:])
    except ValueError as error:
        raise WrongSignature(f"not a signed transaction: {error}") from None
    if raw[:1] != TYPE or fields != _fields(transaction) or not (isinstance(r, bytes) and isinstance(s, bytes)):
        raise WrongSignature("another transaction was signed than the one that was asked for")
    if signed(transaction, address, int.from_bytes(r, "big"), int.from_bytes(s, "big")) != raw:
        raise WrongSignature("the signature is not in its canonical form")
    return raw


def _fields(transaction: Mapping[str, Any]) -> list[rlp.Item]:
    if transaction.get("type") != 2 or transaction.get("accessList"):
        raise SigningForbidden("only transactions of type 2 without an access list are signed elsewhere")
    numbers: list[rlp.Item] = [rlp.number(transaction[name]) for name in _NUMBERS]
    value = rlp.number(transaction["value"])
    return [*numbers, bytes(transaction["to"]), value, bytes(transaction["data"]), []]
