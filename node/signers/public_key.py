"""Public keys and signatures as key services write them: SEC 1, X.509 and DER. Pure."""

from typing import Final

from eth_hash.auto import keccak

_SPKI_HEAD: Final = bytes.fromhex("3056301006072a8648ce3d020106052b8104000a034200")
"""SubjectPublicKeyInfo (RFC 5480) of a secp256k1 key, up to the uncompressed point."""
_INTEGER: Final = 0x02
_SEQUENCE: Final = 0x30


def address_of_key(key: bytes) -> bytes | None:
    """The account of an uncompressed public key, 64 bytes or 65 with 0x04 in front; None where it is neither."""
    point = key[1:] if len(key) == 65 and key[0] == 4 else key
    return keccak(point)[12:] if len(point) == 64 else None


def address_of_spki(info: bytes) -> bytes | None:
    """The account of an X.509 public key (DER); None where the key is not on secp256k1."""
    point = info.removeprefix(_SPKI_HEAD)
    return address_of_key(point) if info.startswith(_SPKI_HEAD) and len(point) == 65 else None


def ecdsa_values(der: bytes) -> tuple[int, int]:
    """r and s of an ECDSA-Sig-Value (RFC 3279). Raises ValueError where it is none."""
    if len(der) < 2 or der[0] != _SEQUENCE or der[1] != len(der) - 2:
        raise ValueError("not a DER sequence of two numbers")
    r, rest = _integer(der[2:])
    s, rest = _integer(rest)
    if rest:
        raise ValueError(f"{len(rest)} bytes after the signature")
    return r, s


def _integer(data: bytes) -> tuple[int, bytes]:
    if len(data) < 3 or data[0] != _INTEGER or not 0 < data[1] <= len(data) - 2:
        raise ValueError("not a DER integer")
    end = 2 + data[1]
    value = data[2:end]
    if value[0] & 0x80 or (len(value) > 1 and value[0] == 0 and not value[1] & 0x80):
        raise ValueError("not a positive number in its shortest form")
    return int.from_bytes(value, "big"), data[end:]
