"""Transactions and receipts as nodes give them, and the rows that are made of them. Pure.

Source: https://ethereum.github.io/execution-apis/ (``GenericTransaction``, ``ReceiptInfo``)
"""

from typing import Any, Final

import msgspec

from indexer.block import HASH_BYTES, quantity, unhex

ADDRESS: Final = 20
LARGEST_WORD: Final = (1 << 256) - 1
LARGEST_NONCE: Final = (1 << 64) - 1
Row = tuple[Any, ...]


class TransactionAnswer(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """Hexadecimal text throughout."""

    hash: str
    transaction_index: str
    from_: str = msgspec.field(name="from")
    to: str | None
    input: str
    value: str
    nonce: str
    gas: str
    type: str = "0x0"
    gas_price: str | None = None
    max_fee_per_gas: str | None = None
    max_priority_fee_per_gas: str | None = None

    @property
    def index(self) -> int:
        return quantity(self.transaction_index)

    @property
    def sender(self) -> bytes:
        return unhex(self.from_, ADDRESS)

    @property
    def recipient(self) -> bytes | None:
        return None if self.to is None else unhex(self.to, ADDRESS)

    @property
    def coins(self) -> int:
        """Wei."""
        return quantity(self.value, LARGEST_WORD)


class BlockAnswer(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """A block with its transactions whole."""

    hash: str
    transactions: tuple[TransactionAnswer, ...]


class ReceiptAnswer(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """The part of a receipt that is kept."""

    block_hash: str
    transaction_hash: str
    transaction_index: str
    gas_used: str
    cumulative_gas_used: str
    logs: tuple[msgspec.Raw, ...] = ()
    status: str | None = None
    effective_gas_price: str | None = None
    contract_address: str | None = None

    @property
    def has_failed(self) -> bool:
        return self.status is not None and quantity(self.status, 1) == 0

    @property
    def created(self) -> bytes | None:
        return None if self.contract_address is None else unhex(self.contract_address, ADDRESS)


def transaction_row(chain_id: int, number: int, time_s: int, found: TransactionAnswer) -> Row:
    """Raises ValueError where the answer is not hexadecimal, or of impossible size."""
    return (
        chain_id,
        number,
        found.index,
        unhex(found.hash, HASH_BYTES),
        time_s,
        found.sender,
        found.recipient,
        found.coins,
        quantity(found.nonce, LARGEST_NONCE),
        quantity(found.type, 0x7F),
        quantity(found.gas),
        _price(found.gas_price),
        _price(found.max_fee_per_gas),
        _price(found.max_priority_fee_per_gas),
        unhex(found.input),
    )


def receipt_row(chain_id: int, number: int, time_s: int, found: ReceiptAnswer) -> Row:
    """Raises ValueError as ``transaction_row``."""
    return (
        chain_id,
        number,
        quantity(found.transaction_index),
        unhex(found.transaction_hash, HASH_BYTES),
        time_s,
        None if found.status is None else quantity(found.status, 1),
        quantity(found.gas_used),
        quantity(found.cumulative_gas_used),
        _price(found.effective_gas_price),
        found.created,
        len(found.logs),
    )


def _price(text: str | None) -> int | None:
    return None if text is None else quantity(text, LARGEST_WORD)
