"""The keys a process signs with: read from a file once, used, and never shown."""

import json
import logging
import sys
from pathlib import Path
from typing import Any, Final, Protocol

from eth_account import Account

from contracts.typed_data import address_of, checksum, sign
from node.errors import GridtraceError, Refused

logger = logging.getLogger(__name__)

# py_ecc, which eth_account imports, lifts the recursion limit to 100,000; at that depth a nested JSON answer
# overflows the interpreter's stack and kills the process.
RECURSION_LIMIT: Final = 1_000
sys.setrecursionlimit(RECURSION_LIMIT)

DEV_CHAIN_IDS: Final = frozenset({1_337, 31_337})
"""Chains of development networks, the only ones where published keys may sign."""

_PUBLISHED: Final = bytes.fromhex(
    """
    f39fd6e51aad88f6f4ce6ab8827279cfffb92266 70997970c51812dc3a010c7d01b50e0d17dc79c8
    3c44cdddb6a900fa2b585dd299e03d12fa4293bc 90f79bf6eb2c4f870365e785982e1f101e93b906
    15d34aaf54267db7d7c367839aaf71a00a2c6a65 9965507d1a55bcc2695c58ba16fb37d819b0a4dc
    976ea74026e726554db657fa54763abd0c3a0aa9 14dc79964da2c08b23698b3d3cc7ca32193d9955
    23618e81e3f5cdf7f54c3d65f7fbc0abf5b21e8f a0ee7a142d267c1f36714e4a8f75612f20a79720
    bcd4042de499d14e55001ccbb24a551f3b954096 71be63f3384f5fb98995898a86b02fb2426c5788
    fabb0ac9d68b0b445fb7357272ff202c5651694a 1cbd3b2770909d4e10f157cabc84c7264073c9ec
    df3e18d64bc6a983f673ab319ccae4f1a57c7097 cd3b766ccdd6ae721141f452c550ca635964ce71
    2546bcd3c84621e976d8185a91a922ae77ecec30 bda5747bfd65f08deb54cb465eb87d40e51b197e
    dd2fd4581271e230360230f9337d5c0430bf44c0 8626f6940e2eb28930efb4cef49b2d1f2c9c1199
    90f8bf6a479f320ead074411a4b0e7944ea8c9c1 ffcf8fdee72ac11b5c542428b35eef5769c409f0
    22d491bde2303f2f43325b2108d26f1eaba1e32b e11ba2b4d45eaed5996cd0823791e0c93114882d
    d03ea8624c8c5987235048901fb614fdca89b117 95ced938f7991cd0dfcb48f0a06a40fa1af46ebc
    3e5e9111ae8eb78fe1cc3bb8915d5d461f3ef9a9 28a8746e75304c0780e011bed21c72cd78cd535e
    aca94ef8bd5ffee41947b4585a84bda5a3d3da6e 1df62f291b2e969fb0849d99d9ce41e2f137006e
    """
)
DEV_ACCOUNTS: Final = frozenset(_PUBLISHED[start : start + 20] for start in range(0, len(_PUBLISHED), 20))
"""Accounts of anvil's and hardhat's mnemonic ("test test … junk", 20) and of ganache's ("myth like …", 10): their
private keys are published, and bots empty them within seconds on any public chain."""


class KeyUnusable(Refused):
    """The key file holds no usable private key."""

    code = "key-unusable"


class DevKeyRefused(Refused):
    """A private key that everybody knows must not sign on this chain."""

    code = "dev-key-refused"


class SignerUnavailable(GridtraceError):
    """Whoever keeps the key does not answer, or not now."""

    code = "signer-unavailable"
    retryable = True


class SignerRefused(GridtraceError):
    """Whoever keeps the key refuses to sign with it."""

    code = "signer-refused"


class WrongSignature(GridtraceError):
    """What was signed is not what was asked for, or not by the account's key."""

    code = "wrong-signature"


class SigningForbidden(Refused):
    """The policy does not let the account sign this transaction."""

    code = "signing-forbidden"


class Signer(Protocol):
    """Signs with one account's key, wherever that key is kept. Transactions only: a digest says nothing of itself."""

    @property
    def address(self) -> bytes:
        """The account, 20 bytes."""
        ...

    def sign_transaction(self, transaction: dict[str, Any]) -> bytes:
        """The raw signed transaction; fields are named as in the JSON-RPC, numbers are integers. May block.

        Raises:
            SignerUnavailable: the key cannot be reached now.
            SignerRefused: the key's keeper refuses.
            WrongSignature: another key signed, or something else was signed.
            SigningForbidden: the policy forbids it.
        """
        ...


def refuse_dev_key(address: bytes, chain_id: int) -> None:
    """Raises DevKeyRefused where the account's key is published and the chain is no development network."""
    if chain_id not in DEV_CHAIN_IDS and address in DEV_ACCOUNTS:
        raise DevKeyRefused(f"the private key of {checksum(address)} is public: not used on chain {chain_id}")


class KeyFileSigner:
    """Signs with a private key held in this process's memory."""

    __slots__ = ("__private_key", "_address")

    def __init__(self, private_key: bytes, *, chain_id: int) -> None:
        if len(private_key) != 32:
            raise KeyUnusable("a private key is 32 bytes")
        try:
            self._address = address_of(private_key)
        except ValueError:
            # The cause is dropped on purpose: nothing that was near the key gets into a traceback.
            raise KeyUnusable("the private key is outside the curve's order") from None
        refuse_dev_key(self._address, chain_id)
        self.__private_key = private_key

    @classmethod
    def open(cls, path: Path, password_path: Path | None = None, *, chain_id: int) -> "KeyFileSigner":
        """Reads a key file: 64 hex digits (0x in front or not), or an Ethereum keystore v3.

        Raises:
            KeyUnusable: no such file, not a key, or the password is missing or wrong.
            DevKeyRefused: the key is published and ``chain_id`` is no development network.
        """
        text = _read(path)
        if path.stat().st_mode & 0o077:
            logger.warning("key file can be read by others path=%s", path)
        key = _decrypt(path, text, password_path) if text.startswith("{") else _from_hex(path, text)
        return cls(key, chain_id=chain_id)

    @property
    def address(self) -> bytes:
        """The account, 20 bytes."""
        return self._address

    def sign_transaction(self, transaction: dict[str, Any]) -> bytes:
        """The raw signed transaction."""
        return bytes(Account.sign_transaction(transaction, self.__private_key).raw_transaction)

    def sign_digest(self, digest: bytes) -> bytes:
        """65 bytes r, s, v over a 32-byte digest."""
        return sign(digest, self.__private_key)

    def __repr__(self) -> str:
        return f"KeyFileSigner({checksum(self._address)})"

    def __reduce__(self) -> str:
        raise TypeError("a signer is not copied or stored: it holds a private key")


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise KeyUnusable(f"{path}: {error.strerror if isinstance(error, OSError) else 'not a text file'}") from None


def _from_hex(path: Path, text: str) -> bytes:
    digits = text.removeprefix("0x")
    try:
        key = bytes.fromhex(digits)
    except ValueError:
        raise KeyUnusable(f"{path}: neither 64 hex digits nor an Ethereum keystore") from None
    if len(digits) != 64:
        raise KeyUnusable(f"{path}: a private key is 64 hex digits, not {len(digits)}")
    return key


def _decrypt(path: Path, text: str, password_path: Path | None) -> bytes:
    if password_path is None:
        raise KeyUnusable(f"{path} is a keystore and no password file is set")
    password = _read(password_path)
    try:
        return bytes(Account.decrypt(json.loads(text), password))
    except (ValueError, KeyError, TypeError) as error:
        reason = "the password is wrong" if "MAC" in str(error) else "not an Ethereum keystore v3"
        raise KeyUnusable(f"{path}: {reason}") from None
