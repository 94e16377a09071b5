"""What an account signs to let an agent act for it: EIP-712, in the exchange's domain."""

from dataclasses import dataclass
from typing import Final

from eth_abi.abi import encode
from eth_abi.exceptions import EncodingError
from eth_hash.auto import keccak

from contracts.typed_data import EXCHANGE_NAME, EXCHANGE_VERSION, Domain, FieldOutOfRange

TYPE: Final = (
    "AgentGrant(address account,address agent,uint32[] zones,uint32 maxWhPerSlot,int48 maxBuyPricePerKwh,"
    "int48 minSellPricePerKwh,uint32 expiry,uint48 nonce)"
)
_WORDS: Final = ("bytes32", "address", "address", "bytes32", "uint32", "int48", "int48", "uint32", "uint48")
_DOMAIN: Final = keccak(b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)")


@dataclass(frozen=True, slots=True)
class AgentGrant:
    """How far an agent may go. Energy in Wh, prices in micro-currency a kWh, expiry in Unix seconds."""

    account: bytes
    agent: bytes
    zones: tuple[int, ...]
    max_wh_per_slot: int
    """Of all that it prepares for one slot, in all zones."""
    max_buy_price_per_kwh: int
    min_sell_price_per_kwh: int
    expiry: int
    nonce: int
    """Above that of the account's last grant to the agent."""


def grant_digest(domain: Domain, grant: AgentGrant) -> bytes:
    """What the account of the grant signs. Raises FieldOutOfRange."""
    names = keccak(EXCHANGE_NAME.encode()), keccak(EXCHANGE_VERSION.encode())
    separator = keccak(
        encode(
            ("bytes32", "bytes32", "bytes32", "uint256", "address"), (_DOMAIN, *names, domain.chain_id, domain.exchange)
        )
    )
    try:
        zones = keccak(b"".join(encode(("uint32",), (zone,)) for zone in grant.zones))
        words = (
            keccak(TYPE.encode()),
            grant.account,
            grant.agent,
            zones,
            grant.max_wh_per_slot,
            grant.max_buy_price_per_kwh,
            grant.min_sell_price_per_kwh,
            grant.expiry,
            grant.nonce,
        )
        struct = keccak(encode(_WORDS, words))
    except EncodingError as error:
        raise FieldOutOfRange("grant", grant, TYPE) from error
    return bytes(keccak(b"\x19\x01" + separator + struct))
