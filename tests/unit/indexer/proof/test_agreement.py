"""A block's receipts against its header and the logs that were given for it."""

from dataclasses import replace

import msgspec
import pytest

from indexer.logs import Log
from indexer.proof.agreement import check_block
from indexer.proof.errors import NotRecomputable, ReceiptsDisagree
from indexer.proof.receipt import FullReceipt, entry_of
from tests.unit.indexer.proof import made

HEADER, RECEIPTS = made.block()


def everything(address: bytes, topics: tuple[bytes, ...], block: int) -> bool:
    return True


def watched(address: bytes, topics: tuple[bytes, ...], block: int) -> bool:
    return address == made.ADDRESSES[1]


def logs_of(receipts: list[FullReceipt]) -> list[Log]:
    found = []
    for receipt in receipts:
        for log in receipt.logs:
            entry = entry_of(log)
            transaction = bytes.fromhex(receipt.transaction_hash[2:])
            index = int(receipt.transaction_index, 16)
            found.append(Log(made.NUMBER, len(found), transaction, index, entry.address, entry.topics, entry.data))
    return found


LOGS = logs_of(RECEIPTS)


def test_check_block__what_the_chain_has__agrees() -> None:
    check_block(HEADER, RECEIPTS, LOGS, everything)
    check_block(HEADER, RECEIPTS, [log for log in LOGS if watched(log.address, log.topics, made.NUMBER)], watched)
    check_block(HEADER, RECEIPTS, LOGS, watched)
    empty = made.block_of([])
    check_block(empty[0], empty[1], [], everything)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (LOGS[:-1], "1 logs of its receipts were not given and 0 others"),
        (LOGS[:20] + LOGS[21:], "1 logs of its receipts were not given and 0 others"),
        ([], "59 logs|60 logs|58 logs"),
        ([*LOGS, replace(LOGS[0], log_index=99)], "0 logs of its receipts were not given and 1 others"),
        ([replace(LOGS[0], data=b"\1"), *LOGS[1:]], "1 logs of its receipts were not given and 1 others"),
        ([replace(LOGS[0], transaction_hash=bytes(32)), *LOGS[1:]], "1 others"),
        ([*LOGS, LOGS[-1]], "twice or out of order"),
        ([LOGS[1], LOGS[0], *LOGS[2:]], "twice or out of order"),
    ],
)
def test_check_block__logs_lost_added_changed_or_moved__is_told(given: list[Log], told: str) -> None:
    with pytest.raises(ReceiptsDisagree, match=told):
        check_block(HEADER, RECEIPTS, given, everything)


def test_check_block__receipts_that_are_not_the_blocks__is_told() -> None:
    changed = msgspec.structs.replace(RECEIPTS[4], cumulative_gas_used="0x1")
    without_log = msgspec.structs.replace(RECEIPTS[3], logs=RECEIPTS[3].logs[:-1])
    for receipts in (RECEIPTS[:-1], RECEIPTS[1:], [*RECEIPTS[:4], changed, *RECEIPTS[5:]], RECEIPTS[::-1], []):
        with pytest.raises(ReceiptsDisagree, match=r"root|is said to be"):
            check_block(HEADER, receipts, LOGS, everything)
    with pytest.raises(ReceiptsDisagree, match="root"):
        check_block(HEADER, [*RECEIPTS[:3], without_log, *RECEIPTS[4:]], LOGS, everything)


def test_check_block__malformed_receipt__is_told() -> None:
    malformed = msgspec.structs.replace(RECEIPTS[0], status="yes")
    with pytest.raises(ReceiptsDisagree, match="malformed"):
        check_block(HEADER, [malformed, *RECEIPTS[1:]], LOGS, everything)


def test_check_block__header_that_is_not_the_hash__cannot_be_recomputed() -> None:
    with pytest.raises(NotRecomputable):
        check_block(msgspec.structs.replace(HEADER, gas_used="0x1"), RECEIPTS, LOGS, everything)
