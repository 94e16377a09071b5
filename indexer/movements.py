"""Net movements of a batch of transfers, summed in columns before the database sees them.

Says what ``projections/templates/erc20.sql`` says of the same facts; where numbers or keys are too unusual for
columns it says nothing, and the SQL does the work.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from indexer.columns import Bytes2D, Integers
from indexer.copy import Field, bigint, fixed, numeric, numeric_of
from indexer.decode import Rows

LIMBS: Final = 8
ROOM_BYTES: Final = 4
"""Values with these high bytes set could overflow a sum."""
SMALL: Final = 1 << 62
_MIX: Final = tuple(np.uint64(odd) for odd in (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9))


def net_transfers(
    groups: Sequence[Rows], columns: tuple[str, str, str] = ("from", "to", "value")
) -> list[Field] | None:
    """Token, account, amount and last block of each account moved; None where SQL must sum.

    Args:
        columns: of the sender, the recipient and the value.

    Source: ERC-20, https://eips.ethereum.org/EIPS/eip-20; the zero address mints and burns and has no balance.
    """
    parts = [part for rows in groups if (part := _transfers(rows, columns)) is not None]
    if not parts:
        return []
    token, sender, recipient, value, block = (
        column[0] if len(column) == 1 else np.concatenate(column) for column in zip(*parts, strict=True)
    )
    if value[:, :ROOM_BYTES].any():
        return None
    tokens, accounts = np.concatenate((token, token)), np.concatenate((recipient, sender))
    blocks = np.concatenate((block, block))
    order, starts = _groups(tokens, accounts)
    tokens, accounts = tokens[order], accounts[order]
    if not _are_exact(tokens, starts) or not _are_exact(accounts, starts):
        return None
    known = accounts[starts].any(axis=1)
    amount = _sums(value, order, starts)
    return [
        fixed(tokens[starts][known]),
        fixed(accounts[starts][known]),
        amount[known],
        bigint(np.maximum.reduceat(blocks[order], starts)[known]),
    ]


def _transfers(rows: Rows, names: tuple[str, str, str]) -> tuple[Bytes2D, Bytes2D, Bytes2D, Bytes2D, Integers] | None:
    """Token, sender, recipient, value and block of ERC-20 transfers; None for other events."""
    found = {argument.column: values for argument, values in zip(rows.event.arguments, rows.values, strict=True)}
    columns = [found.get(name) for name in names]
    widths = [column.shape[1:] if isinstance(column, np.ndarray) else () for column in columns]
    if widths != [(20,), (20,), (32,)] or not len(rows):
        return None
    sender, recipient, value = (np.asarray(column, dtype=np.uint8) for column in columns)
    return rows.emitter, sender, recipient, value, rows.block_number


def _groups(tokens: Bytes2D, accounts: Bytes2D) -> tuple[Integers, Integers]:
    """An order that puts equal keys together, and where each key starts in it."""
    key = _hash(accounts)
    if (tokens != tokens[0]).any():
        key = key * _MIX[1] ^ _hash(tokens)
    order = np.argsort(key)
    ordered = key[order]
    starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    return order, starts


def _hash(addresses: Bytes2D) -> NDArray[np.uint64]:
    words = np.ascontiguousarray(addresses).view(np.uint32).astype(np.uint64)
    low, high = words[:, 0] << np.uint64(32) | words[:, 1], words[:, 2] << np.uint64(32) | words[:, 3]
    return (low * _MIX[0] ^ high * _MIX[1]) * _MIX[2] ^ words[:, 4] * _MIX[0]


def _are_exact(values: Bytes2D, starts: Integers) -> bool:
    """Whether all values of each group are the same, and not only their hashes."""
    new = (values[1:] != values[:-1]).any(axis=1)
    new[starts[1:] - 1] = False
    return not new.any()


def _sums(value: Bytes2D, order: Integers, starts: Integers) -> Bytes2D:
    """What each group received less what it sent: ``value`` stands once for the recipients, then for the senders."""
    if not value[:, :24].any():
        low = np.ascontiguousarray(value[:, 24:]).view(">u8").reshape(len(value)).astype(np.uint64)
        if int(low.max()) < SMALL // len(value):
            signed = low.astype(np.int64)
            return numeric_of(np.add.reduceat(np.concatenate((signed, -signed))[order], starts))
    limbs = np.ascontiguousarray(value).view(">u4").astype(np.int64)
    sums = np.add.reduceat(np.concatenate((limbs, -limbs))[order], starts, axis=0)
    for at in range(LIMBS - 1, 0, -1):
        sums[:, at - 1] += sums[:, at] >> 32
    words = (sums & 0xFFFFFFFF).astype(">u4").view(np.uint8).reshape(len(sums), 4 * LIMBS)
    return numeric(words, signed=True)
