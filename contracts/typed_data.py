"""EIP-712 digests of what people and devices sign, signing, and recovery of the signer.

Hashing is our own and fixed to our structs: every field is checked against its Solidity type, so two different
messages never share a digest, and one core verifies more than 10,000 signatures a second.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from coincurve import PrivateKey, PublicKey
from eth_hash.auto import keccak

from contracts.errors import GridtraceError

EXCHANGE_NAME: Final = "Gridtrace Exchange"
EXCHANGE_VERSION: Final = "1"
METER_NAME: Final = "Gridtrace Meter"
METER_VERSION: Final = "1"
PAYMENT_TOKEN_NAME: Final = "Gridtrace Devnet Euro"  # noqa: S105 - a name
PAYMENT_TOKEN_VERSION: Final = "1"  # noqa: S105 - a version
ASSET_NAME: Final = "Gridtrace Asset"
ASSET_VERSION: Final = "1"

_CURVE_ORDER: Final = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
_HALF_ORDER: Final = _CURVE_ORDER // 2


class FieldOutOfRange(GridtraceError):
    """A field does not fit its Solidity type."""

    code = "field-out-of-range"

    def __init__(self, field: str, value: object, solidity_type: str) -> None:
        self.field = field
        super().__init__(f"{field}={value!r} does not fit {solidity_type}")


class BadSignature(GridtraceError):
    """The signature is not 65 bytes r, s, v with v 27 or 28 and a low s, or belongs to no key."""

    code = "bad-signature"


class BadAddress(GridtraceError):
    """The text is not an address, or its capitals contradict EIP-55."""

    code = "bad-address"


@dataclass(frozen=True, slots=True)
class Domain:
    """The EIP-712 domain of one deployed exchange."""

    chain_id: int
    exchange: bytes
    """Address of the SettlementExchange, 20 bytes."""


@dataclass(frozen=True, slots=True)
class Order:
    """ISettlementExchange.Order, field by field. Energy in Wh, price in micro-currency per kWh, times in Unix s."""

    trader: bytes
    zone: int
    delivery_start: int
    side: int
    energy_wh: int
    limit_price_per_kwh: int
    min_fill_wh: int
    time_in_force: int
    source: int
    expiry: int
    lane: int
    nonce: int


@dataclass(frozen=True, slots=True)
class Mandate:
    """ISettlementExchange.Mandate, field by field. Budgets in cash units, expiry in Unix seconds."""

    account: bytes
    budget_per_slot: int
    budget: int
    expiry: int
    nonce: int


@dataclass(frozen=True, slots=True)
class TradingMandate:
    """ISettlementExchange.TradingMandate, field by field. Energy in Wh, prices in micro-currency a kWh, times in s."""

    account: bytes
    zone: int
    max_buy_price_per_kwh: int
    min_sell_price_per_kwh: int
    max_wh_per_slot: int
    valid_from: int
    expiry: int
    nonce: int


@dataclass(frozen=True, slots=True)
class Reading:
    """What a meter signs: its cumulative registers (Wh) and its power (W, import positive) at a time (Unix seconds)."""

    meter_id: int
    time: int
    counter: int
    """Grows with every reading of the device."""
    import_wh: int
    export_wh: int
    power_w: int


@dataclass(frozen=True, slots=True)
class Purchase:
    """IAssetToken.Purchase: what the buyer of fractions signs. Money in payment token units, times in Unix seconds."""

    buyer: bytes
    fractions: int
    max_cost: int
    nonce: int
    deadline: int


@dataclass(frozen=True, slots=True)
class RevenueDeposit:
    """IAssetToken.Deposit: what signs who pays revenue in. Money in payment token units, times in Unix seconds."""

    depositor: bytes
    amount: int
    distribution_id: bytes
    deadline: int


class _Field:
    """Encodes one field of a struct, and refuses what does not fit its Solidity type."""

    __slots__ = ("_high", "_low", "_signed", "name", "solidity_type")

    def __init__(self, solidity_type: str, name: str) -> None:
        self.solidity_type = solidity_type
        self.name = "".join("_" + letter.lower() if letter.isupper() else letter for letter in name)
        self._signed = solidity_type.startswith("int")
        bits = {"address": 160, "bytes32": 256}.get(solidity_type) or int(solidity_type.removeprefix("u")[3:])
        self._high = 1 << (bits - 1 if self._signed else bits)
        self._low = -self._high if self._signed else 0

    def encode(self, value: object) -> bytes:
        """The 32-byte ABI word. Raises FieldOutOfRange."""
        if self.solidity_type == "address":
            if isinstance(value, bytes) and len(value) == 20:
                return bytes(12) + value
        elif self.solidity_type == "bytes32":
            if isinstance(value, bytes) and len(value) == 32:
                return value
        elif isinstance(value, int) and not isinstance(value, bool) and self._low <= value < self._high:
            return value.to_bytes(32, "big", signed=self._signed)
        raise FieldOutOfRange(self.name, value, self.solidity_type)


class _Struct:
    """Hashes one struct type, written as EIP-712 writes it: ``Name(type field,…)``."""

    __slots__ = ("_fields", "type_hash")

    def __init__(self, encoded_type: str) -> None:
        self.type_hash = keccak(encoded_type.encode())
        members = encoded_type.partition("(")[2].removesuffix(")").split(",")
        fields = (_Field(*member.split()) for member in members)
        self._fields = tuple((field.name, field.encode) for field in fields)

    def hash(self, message: object) -> bytes:
        """The EIP-712 ``hashStruct`` of an object with the fields' names in snake case. Raises FieldOutOfRange."""
        words = [encode(getattr(message, name)) for name, encode in self._fields]
        return keccak(self.type_hash + b"".join(words))


@dataclass(frozen=True, slots=True)
class _Permit:
    owner: bytes
    spender: bytes
    value: int
    nonce: int
    deadline: int


_ORDER: Final = _Struct(
    "Order(address trader,uint32 zone,uint64 deliveryStart,uint8 side,uint48 energyWh,int48 limitPricePerKwh,"
    "uint48 minFillWh,uint8 timeInForce,uint8 source,uint32 expiry,uint16 lane,uint48 nonce)"
)
_MANDATE: Final = _Struct("Mandate(address account,uint64 budgetPerSlot,uint64 budget,uint32 expiry,uint32 nonce)")
_TRADING_MANDATE: Final = _Struct(
    "TradingMandate(address account,uint32 zone,int48 maxBuyPricePerKwh,int48 minSellPricePerKwh,"
    "uint32 maxWhPerSlot,uint32 validFrom,uint32 expiry,uint48 nonce)"
)
_PERMIT: Final = _Struct("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)")
_PURCHASE: Final = _Struct("Purchase(address buyer,uint96 fractions,uint256 maxCost,uint256 nonce,uint256 deadline)")
_REVENUE_DEPOSIT: Final = _Struct("Deposit(address depositor,uint256 amount,bytes32 distributionId,uint256 deadline)")
_READING: Final = _Struct(
    "Reading(uint32 meterId,uint64 time,uint64 counter,uint64 importWh,uint64 exportWh,int64 powerW)"
)
_CHAIN_ID: Final = _Field("uint256", "chainId")
_CONTRACT: Final = _Field("address", "verifyingContract")
_CHAIN_DOMAIN: Final = keccak(b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)")
_OFF_CHAIN_DOMAIN: Final = keccak(b"EIP712Domain(string name,string version)")
_METER_SEPARATOR: Final = keccak(_OFF_CHAIN_DOMAIN + keccak(METER_NAME.encode()) + keccak(METER_VERSION.encode()))


@lru_cache(maxsize=64)
def _separator(name: str, version: str, chain_id: int, contract: bytes) -> bytes:
    names = keccak(name.encode()) + keccak(version.encode())
    return keccak(_CHAIN_DOMAIN + names + _CHAIN_ID.encode(chain_id) + _CONTRACT.encode(contract))


def _digest(separator: bytes, struct_hash: bytes) -> bytes:
    return keccak(b"\x19\x01" + separator + struct_hash)


def _exchange_separator(domain: Domain) -> bytes:
    return _separator(EXCHANGE_NAME, EXCHANGE_VERSION, domain.chain_id, domain.exchange)


def order_digest(domain: Domain, order: Order) -> bytes:
    """What the trader of ``order`` signs (EIP-712). Raises FieldOutOfRange."""
    return _digest(_exchange_separator(domain), _ORDER.hash(order))


def mandate_digest(domain: Domain, mandate: Mandate) -> bytes:
    """What the account of ``mandate`` signs (EIP-712). Raises FieldOutOfRange."""
    return _digest(_exchange_separator(domain), _MANDATE.hash(mandate))


def trading_mandate_digest(domain: Domain, mandate: TradingMandate) -> bytes:
    """What the account of a trading mandate signs (EIP-712). Raises FieldOutOfRange."""
    return _digest(_exchange_separator(domain), _TRADING_MANDATE.hash(mandate))


def permit_digest(
    token_name: str,
    token_version: str,
    chain_id: int,
    token_address: bytes,
    owner: bytes,
    spender: bytes,
    value: int,
    nonce: int,
    deadline: int,
) -> bytes:
    """What ``owner`` signs to allow ``spender`` ``value`` units of a token (ERC-2612). Raises FieldOutOfRange."""
    separator = _separator(token_name, token_version, chain_id, token_address)
    return _digest(separator, _PERMIT.hash(_Permit(owner, spender, value, nonce, deadline)))


def purchase_digest(chain_id: int, token: bytes, purchase: Purchase) -> bytes:
    """What the buyer of an asset's fractions signs (EIP-712). Raises FieldOutOfRange."""
    return _digest(_separator(ASSET_NAME, ASSET_VERSION, chain_id, token), _PURCHASE.hash(purchase))


def revenue_deposit_digest(chain_id: int, token: bytes, deposit: RevenueDeposit) -> bytes:
    """What signs who pays in an asset's revenue (EIP-712). Raises FieldOutOfRange."""
    return _digest(_separator(ASSET_NAME, ASSET_VERSION, chain_id, token), _REVENUE_DEPOSIT.hash(deposit))


def reading_digest(reading: Reading) -> bytes:
    """What a meter signs (EIP-712 in a domain of its own, without a chain). Raises FieldOutOfRange."""
    return _digest(_METER_SEPARATOR, _READING.hash(reading))


def sign(digest: bytes, private_key: bytes) -> bytes:
    """65 bytes r, s, v: v is 27 or 28 and s is low. Deterministic (RFC 6979)."""
    signature = PrivateKey(private_key).sign_recoverable(digest, hasher=None)
    return signature[:64] + bytes((signature[64] + 27,))


def recover(digest: bytes, signature: bytes) -> bytes:
    """The address whose key signed ``digest``.

    Raises:
        BadSignature: wrong length, v not 27 or 28, s in the upper half (EIP-2), or no key fits.
    """
    if len(signature) != 65:
        raise BadSignature(f"a signature is 65 bytes, not {len(signature)}")
    if signature[64] not in (27, 28):
        raise BadSignature(f"v is 27 or 28, not {signature[64]}")
    if int.from_bytes(signature[32:64], "big") > _HALF_ORDER:
        raise BadSignature("s is in the upper half of the curve's order")
    recoverable = signature[:64] + bytes((signature[64] - 27,))
    try:
        key = PublicKey.from_signature_and_message(recoverable, digest, hasher=None)
    except ValueError as error:
        raise BadSignature(f"no key made this signature: {error}") from error
    return _address(key)


def _address(key: PublicKey) -> bytes:
    return keccak(key.format(compressed=False)[1:])[12:]


def address_of(private_key: bytes) -> bytes:
    """The account of a private key."""
    return _address(PublicKey.from_secret(private_key))


@lru_cache(maxsize=16_384)
def checksum(address: bytes) -> str:
    """The EIP-55 text of an address; that of a frequent one is remembered."""
    if len(address) != 20:
        raise BadAddress(f"an address is 20 bytes, not {len(address)}")
    digits = address.hex()
    shades = keccak(digits.encode()).hex()
    return "0x" + "".join(
        digit.upper() if shade >= "8" else digit for digit, shade in zip(digits, shades, strict=False)
    )


def parse_address(text: str) -> bytes:
    """The address written as 0x and 40 hex digits: all lower case, all upper case, or as EIP-55 says.

    Raises:
        BadAddress: not of that form, or its capitals contradict EIP-55.
    """
    digits = text.removeprefix("0x")
    try:
        address = bytes.fromhex(digits)
    except ValueError as error:
        raise BadAddress(f"{text!r} is not an address") from error
    if len(text) != 42 or len(digits) != 40 or len(address) != 20:
        raise BadAddress(f"{text!r} is not 0x and 40 hex digits")
    if digits not in (digits.lower(), digits.upper(), checksum(address)[2:]):
        raise BadAddress(f"the capitals of {text!r} contradict EIP-55; it may be mistyped")
    return address
