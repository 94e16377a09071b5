"""Logs of public chains, as their sources quote them: decoded to what the sources say of them.

A log's index in its block is 0 where the source does not tell it; no source quotes more than is here.
"""

from dataclasses import dataclass
from typing import Any

import pytest

from indexer import standards
from indexer.batch import of_rows
from indexer.block import LogAnswer
from indexer.decode import decode
from indexer.manifest import Contract, Manifest

TRANSFER = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"
DEPOSIT = "0xe1fffcc4923d04b559f4d29a8bfc6cda04eb5b0d3c460751c2402c5c5cc9109c"
# Of WETH9, https://etherscan.io/address/0xc02aaa39b223fe8d0a0e5c4f27ead9083c756cc2#code
WETH9: list[dict[str, Any]] = [
    {"type": "event", "name": "Deposit", "inputs": [
        {"name": "dst", "type": "address", "indexed": True}, {"name": "wad", "type": "uint256", "indexed": False}]},
]  # fmt: skip


@dataclass(frozen=True)
class Recorded:
    source: str
    address: str
    topics: tuple[str, ...]
    data: str
    block: int
    block_hash: str
    transaction: str
    index: int
    event: str
    values: dict[str, Any]


def word(text: str) -> str:
    return "0x" + text.removeprefix("0x").rjust(64, "0")


RECORDED = (
    Recorded(  # Ethereum: 500 USDC out of Uniswap's pool
        "https://docs.allium.so/historical-data/supported-blockchains/evm/ethereum/raw/logs",
        "0xa0b86991c6218b36c1d19d4a2e9eb0ce3606eb48",
        (TRANSFER, word("88e6a0c2ddd26feeb64f039a2c41296fcb3f5640"), word("7e63870ac9cb1491928e3c8922c19b2595331ac9")),
        "0x000000000000000000000000000000000000000000000000000000001dcd6500",
        15_543_975,
        "0xe3eb6f24b34ab179646608ca100a3cd1d2fd1144f83544d029c0352429371b6d",
        "0x9068357001dc45c59a0c0383860f25fd64daeef205f723c5cbd980f280baca38",
        121,
        "Token.Transfer",
        {
            "from": bytes.fromhex("88e6a0c2ddd26feeb64f039a2c41296fcb3f5640"),
            "to": bytes.fromhex("7e63870ac9cb1491928e3c8922c19b2595331ac9"),
            "value": 500_000_000,
        },
    ),
    Recorded(  # Polygon: USDT
        "https://www.quicknode.com/docs/polygon/eth_getTransactionReceipt",
        "0xc2132d05d31c914a87c6611c10748aeb04b58e8f",
        (TRANSFER, word("9d945d909ca91937d19563e30bb4dac12c860189"), word("c2755915a85c6f6c1c0f3a86ac8c058f11caa9c9")),
        "0x0000000000000000000000000000000000000000000000000000000049040440",
        0x1236EEC,
        "0xf09e72e3b377a93a304a1654b3e33cc65de202c478c6468dda7eae97bcd0769a",
        "0x6d755989f51032147484162c4dc3d6550552dbd8d3b094fe3c221bfa3c5942b2",
        0,
        "Token.Transfer",
        {
            "from": bytes.fromhex("9d945d909ca91937d19563e30bb4dac12c860189"),
            "to": bytes.fromhex("c2755915a85c6f6c1c0f3a86ac8c058f11caa9c9"),
            "value": 1_225_000_000,
        },
    ),
    Recorded(  # XRPL EVM: coins wrapped
        "https://www.quicknode.com/docs/xrplevm/eth_getTransactionReceipt",
        "0x7c21a90e3ecd3215d16c3bbe76a491f8f792d4bf",
        (DEPOSIT, word("422716760d83f89186013d9cc7bfcc482d3e04d2")),
        "0x00000000000000000000000000000000000000000000000044f8fcaaf5b10000",
        0x2B835E,
        "0xb0df38c850b7233739baf3981174220ebd30c71a7e9d838d0971123551315a8c",
        "0xd6f3d4564a11f41c48cafd63803922539b0857c132ba3c23c683afaa74edc277",
        0,
        "Wrapped.Deposit",
        {"dst": bytes.fromhex("422716760d83f89186013d9cc7bfcc482d3e04d2"), "wad": 4_970_000_000_000_000_000},
    ),
)


@pytest.mark.parametrize("recorded", RECORDED, ids=lambda recorded: f"{recorded.event} {recorded.address[:10]}")
def test_decode__log_of_a_public_chain__is_what_its_source_says(recorded: Recorded) -> None:
    address = bytes.fromhex(recorded.address[2:])
    name, _, event = recorded.event.partition(".")
    abi = WETH9 if name == "Wrapped" else standards.ABIS["erc20"]
    answer = LogAnswer(
        address=recorded.address,
        topics=recorded.topics,
        data=recorded.data,
        block_number=hex(recorded.block),
        block_hash=recorded.block_hash,
        transaction_hash=recorded.transaction,
        log_index=hex(recorded.index),
    )
    decoded = decode([answer], Manifest(1, 0, (Contract(name, address, abi),)).lookup())
    assert decoded.undecoded == ()
    (rows,) = decoded.rows
    part = of_rows(rows, recorded.block, recorded.block)
    assert part is not None
    assert (part.event.name, part.log_index.tolist()) == (event, [recorded.index])
    assert part.transaction_hash == [bytes.fromhex(recorded.transaction[2:])]
    assert {a.name: part.read(at)[0] for at, a in enumerate(part.event.arguments)} == recorded.values
