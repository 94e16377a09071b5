"""A block that never was: receipts of every type, and the header that commits to them."""

from typing import Any

import msgspec
from eth_hash.auto import keccak

from indexer.proof import header as headers
from indexer.proof import receipt as receipts
from indexer.proof import rlp, trie
from indexer.proof.header import FullHeader
from indexer.proof.receipt import Entry, FullReceipt, ReceiptLog
from tests.unit.indexer.proof.test_header import RECENT

NUMBER = 24_630_100
ADDRESSES = tuple(bytes([number]) * 20 for number in (0xE1, 0xE2, 0xE3))


def block_of(made: list[FullReceipt]) -> tuple[FullHeader, list[FullReceipt]]:
    """The header over these receipts, and the receipts with its hash in them."""
    root = trie.ordered_root(receipts.encode(receipt) for receipt in made)
    header = msgspec.structs.replace(RECENT, receipts_root="0x" + root.hex())
    fields: list[rlp.Item] = [headers._field(getattr(header, name), size) for name, size in headers.FIELDS]
    header = msgspec.structs.replace(header, hash="0x" + keccak(rlp.encode(fields)).hex())
    return header, [msgspec.structs.replace(receipt, block_hash=header.hash) for receipt in made]


def receipt(index: int, first_log: int, logs: int, **changes: Any) -> FullReceipt:
    """The receipt of transaction ``index``; its logs are told apart by their index in the block."""
    return FullReceipt(
        transaction_hash="0x" + keccak(index.to_bytes(4, "big")).hex(),
        transaction_index=hex(index),
        block_hash="0x" + "00" * 32,
        block_number=hex(NUMBER),
        cumulative_gas_used=hex(21_000 * (index + 1)),
        logs=tuple(_log(number) for number in range(first_log, first_log + logs)),
        type=hex(index % 5),
        **{"status": hex(index % 2 if not logs else 1), **changes},
    )


def block(transactions: int = 40) -> tuple[FullHeader, list[FullReceipt]]:
    """A block whose transactions have 0 to 3 logs each."""
    made, logs = [], 0
    for index in range(transactions):
        made.append(receipt(index, logs, index % 4))
        logs += index % 4
    return block_of(made)


def entries(made: list[FullReceipt]) -> list[Entry]:
    return [receipts.entry_of(log) for one in made for log in one.logs]


def _log(number: int) -> ReceiptLog:
    return ReceiptLog(
        address="0x" + ADDRESSES[number % 3].hex(),
        topics=tuple("0x" + bytes([number % 256, at]).hex() * 16 for at in range(number % 5)),
        data="0x" + number.to_bytes(4, "big").hex() * (number % 9),
        log_index=hex(number),
    )
