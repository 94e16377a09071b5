#!/usr/bin/env python3
"""Runs a published one-zone auction again. One file, Python's standard library alone: none of Gridtrace's code.

    python verify_auction.py --url http://127.0.0.1:8600 --zone 1 --slot 2026-06-01T12:00:00Z
    python verify_auction.py FILE      a document kept with `gridtrace auction verify --save FILE`

The formats and rules are those that node/market/book.py and node/market/auction.py describe; here they are written a
second time, so that the two check each other. Exit code 0: hashes, signatures and result agree; 1: they do not;
2: there is nothing to judge.
"""

import argparse
import hashlib
import json
import struct
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Point = tuple[int, int] | None
Order = dict[str, Any]
Document = dict[str, Any]
Crossing = tuple[int, int, int] | None  # volume in Wh, and the least and greatest equilibrium price

# Ethereum's hash and signatures

MASK = 2**64 - 1
FIELD = 2**256 - 2**32 - 977
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
BASE = (
    0x79BE667EF9DCBBAC55A06295CE870B07029BFCDB2DCE28D959F2815B16F81798,
    0x483ADA7726A3C4655DA4FBFC0E1108A8FD17B448A68554199C47D08FFB10D4B8,
)
ORDER_TYPE = (
    "Order(address trader,uint32 zone,uint64 deliveryStart,uint8 side,uint48 energyWh,int48 limitPricePerKwh,"
    "uint48 minFillWh,uint8 timeInForce,uint8 source,uint32 expiry,uint16 lane,uint48 nonce)"
)
DOMAIN_TYPE = "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"


def rotate(lane: int, by: int) -> int:
    return (lane << by | lane >> (64 - by)) & MASK if by else lane


def round_constants() -> Iterator[int]:
    """The 24 constants of Keccak-f[1600], from its linear feedback shift register."""
    register = 1
    for _ in range(24):
        constant = 0
        for exponent in range(7):
            if register & 1:
                constant |= 1 << (2**exponent - 1)
            register = register << 1 ^ (0x171 if register >> 7 else 0)
        yield constant


ROUND_CONSTANTS = tuple(round_constants())


def permute(lanes: list[int]) -> list[int]:
    for constant in ROUND_CONSTANTS:
        columns = [lanes[x] ^ lanes[x + 5] ^ lanes[x + 10] ^ lanes[x + 15] ^ lanes[x + 20] for x in range(5)]
        lanes = [lanes[i] ^ columns[(i + 4) % 5] ^ rotate(columns[(i + 1) % 5], 1) for i in range(25)]
        moved = [0] * 25
        x, y, lane = 1, 0, lanes[1]
        moved[0] = lanes[0]
        for step in range(24):
            x, y = y, (2 * x + 3 * y) % 5
            moved[x + 5 * y], lane = rotate(lane, (step + 1) * (step + 2) // 2 % 64), lanes[x + 5 * y]
        lanes = [moved[i] ^ (~moved[i - i % 5 + (i + 1) % 5] & moved[i - i % 5 + (i + 2) % 5]) for i in range(25)]
        lanes[0] ^= constant
    return lanes


def keccak(data: bytes) -> bytes:
    padded = bytearray(data + b"\x01" + bytes(-(len(data) + 1) % 136))
    padded[-1] |= 0x80
    lanes = [0] * 25
    for start in range(0, len(padded), 136):
        for i, lane in enumerate(struct.unpack_from("<17Q", padded, start)):
            lanes[i] ^= lane
        lanes = permute(lanes)
    return struct.pack("<4Q", *lanes[:4])


def add(a: Point, b: Point) -> Point:
    """The sum of two points of secp256k1; None is the point at infinity."""
    if a is None or b is None:
        return a or b
    if a[0] == b[0]:
        if (a[1] + b[1]) % FIELD == 0:
            return None
        slope = 3 * a[0] * a[0] * pow(2 * a[1], -1, FIELD)
    else:
        slope = (b[1] - a[1]) * pow(b[0] - a[0], -1, FIELD)
    x = (slope * slope - a[0] - b[0]) % FIELD
    return x, (slope * (a[0] - x) - a[1]) % FIELD


def times(point: Point, factor: int) -> Point:
    total: Point = None
    while factor:
        if factor & 1:
            total = add(total, point)
        point = add(point, point)
        factor >>= 1
    return total


def signer(digest: bytes, signature: bytes) -> bytes | None:
    """The address that signed, or None: v must be 27 or 28 and s in the lower half (EIP-2)."""
    r, s, v = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:64], "big"), signature[64]
    if v not in (27, 28) or not 0 < r < ORDER or not 0 < s <= ORDER // 2:
        return None
    square = (pow(r, 3, FIELD) + 7) % FIELD
    y = pow(square, (FIELD + 1) // 4, FIELD)
    if y * y % FIELD != square:
        return None
    if y % 2 != v - 27:
        y = FIELD - y
    inverse = pow(r, -1, ORDER)
    message = int.from_bytes(digest, "big")
    key = add(times((r, y), s * inverse % ORDER), times(BASE, -message * inverse % ORDER))
    return None if key is None else keccak(key[0].to_bytes(32, "big") + key[1].to_bytes(32, "big"))[12:]


def word(value: int | bytes) -> bytes:
    return (value % 2**256).to_bytes(32, "big") if isinstance(value, int) else value.rjust(32, b"\0")


def domain_separator(chain_id: int, exchange: bytes) -> bytes:
    names = keccak(b"Gridtrace Exchange") + keccak(b"1")
    return keccak(keccak(DOMAIN_TYPE.encode()) + names + word(chain_id) + word(exchange))


def order_digest(separator: bytes, book: Document, order: Order) -> bytes:
    fields = (
        order["trader"], book["zone"], book["delivery_start"], order["side"], order["energy_wh"], order["limit"],
        order["min_fill_wh"], order["time_in_force"], order["source"], order["expiry"], order["lane"], order["nonce"],
    )  # fmt: skip
    message = keccak(keccak(ORDER_TYPE.encode()) + b"".join(map(word, fields)))
    return keccak(b"\x19\x01" + separator + message)


# The published book

HEADER = struct.Struct(">4sHIQIqI")
SIGNED = struct.Struct(">Q32s20sBQqQBBIHQ65s")
REST = struct.Struct(">Q78s")
NAMES = (
    "sequence", "digest", "trader", "side", "energy_wh", "limit", "min_fill_wh", "time_in_force", "source", "expiry",
    "lane", "nonce", "signature",
)  # fmt: skip


class Unreadable(Exception):
    """There is nothing to judge."""


def parse(data: bytes) -> Document:
    if len(data) < HEADER.size:
        raise Unreadable("too short for a book")
    magic, version, zone, delivery_start, slot_s, fee, count = HEADER.unpack_from(data)
    if magic != b"GTBK" or version not in (1, 2):
        raise Unreadable("not a book of version 1 or 2")
    size = SIGNED.size + (REST.size if version == 2 else 0)
    if len(data) != HEADER.size + count * size:
        raise Unreadable(f"{count} orders do not fit {len(data)} bytes")
    orders = []
    for start in range(HEADER.size, len(data), size):
        order = dict(zip(NAMES, SIGNED.unpack_from(data, start), strict=True))
        taken_wh = REST.unpack_from(data, start + SIGNED.size)[0] if version == 2 else 0
        # What traded before the auction is not left for it, and has met the minimum.
        order["left_wh"] = order["energy_wh"] - taken_wh
        order["least_wh"] = 0 if taken_wh else order["min_fill_wh"]
        if order["side"] > 1 or order["left_wh"] <= 0 or order["energy_wh"] >= 2**48 or abs(order["limit"]) >= 2**47:
            raise Unreadable(f"order {order['sequence']} is out of range")
        if order["least_wh"] > order["left_wh"]:
            raise Unreadable(f"order {order['sequence']} asks for more than it has")
        orders.append(order)
    numbers = [order["sequence"] for order in orders]
    if numbers != sorted(set(numbers)):
        raise Unreadable("orders do not ascend by sequence")
    return {"zone": zone, "delivery_start": delivery_start, "slot_s": slot_s, "fee": fee, "orders": orders}


# The auction


def price_of(order: Order, fee: int) -> int:
    """What an order bids or asks at the seller's price: a buyer's limit includes the grid fee."""
    return int(order["limit"]) - (fee if order["side"] == 0 else 0)


def curves(orders: list[Order], fee: int) -> list[tuple[int, int]]:
    """Prices of one side, best first, with the energy at each and up to each."""
    levels: dict[int, int] = {}
    for order in orders:
        levels[price_of(order, fee)] = levels.get(price_of(order, fee), 0) + order["left_wh"]
    total, rows = 0, []
    for price in sorted(levels, reverse=bool(orders) and orders[0]["side"] == 0):
        total += levels[price]
        rows.append((price, total))
    return rows


def cross(orders: list[Order], fee: int) -> Crossing:
    """The volume and the interval of equilibrium prices, or None."""
    demand = curves([order for order in orders if order["side"] == 0], fee)
    supply = curves([order for order in orders if order["side"] == 1], fee)
    volume, sold = 0, 0
    while sold < len(supply) and demand:
        # The least of both at a seller's price: every volume that can be best is reached at one of these.
        price, offered = supply[sold]
        wanted = max((total for limit, total in demand if limit >= price), default=0)
        if not wanted:
            break
        volume, sold = max(volume, min(offered, wanted)), sold + 1
    if not volume:
        return None
    low = next(price for price, total in supply if total >= volume)
    high = next(price for price, total in demand if total >= volume)
    low = max(low, next((price for price, total in demand if total > volume), low))
    high = min(high, next((price for price, total in supply if total > volume), high))
    return volume, low, high


def share(level: list[Order], amount: int) -> list[int]:
    """What the orders of one price get of an amount too small for all: by sequence where one has a minimum fill, else
    in proportion, the largest remainders rounded up."""
    if any(order["least_wh"] > 1 for order in level):
        shares = []
        for order in level:
            shares.append(min(order["left_wh"], amount))
            amount -= shares[-1]
        return shares
    total = sum(order["left_wh"] for order in level)
    shares = [order["left_wh"] * amount // total for order in level]
    remainders = [order["left_wh"] * amount % total for order in level]
    largest = sorted(range(len(level)), key=lambda i: (-remainders[i], i))
    for i in largest[: amount - sum(shares)]:
        shares[i] += 1
    return shares


def fill(orders: list[Order], fee: int) -> tuple[Crossing, dict[int, int]]:
    """Clears as if all could be filled in part: crossing, and fills by sequence."""
    crossing = cross(orders, fee)
    fills: dict[int, int] = {}
    for side in (0, 1):
        left = crossing[0] if crossing else 0
        mine = [order for order in orders if order["side"] == side]
        for price in sorted({price_of(order, fee) for order in mine}, reverse=side == 0):
            level = [order for order in mine if price_of(order, fee) == price]
            energy = sum(order["left_wh"] for order in level)
            shares = share(level, left) if left < energy else [order["left_wh"] for order in level]
            fills.update((order["sequence"], wh) for order, wh in zip(level, shares, strict=True) if wh)
            left -= min(left, energy)
    return crossing, fills


def clear(orders: list[Order], fee: int) -> tuple[Crossing, dict[int, int], list[int]]:
    """The whole rule: who cannot have his minimum goes, the least surplus first, and gets one way back."""

    def short(active: list[Order], fills: dict[int, int]) -> Order | None:
        found = [order for order in active if 0 < fills.get(order["sequence"], 0) < order["least_wh"]]
        return min(found, key=lambda order: (surplus(order, crossing), order["side"], order["sequence"]), default=None)

    def surplus(order: Order, at: Crossing) -> int:
        if at is None:
            return 0
        gain = price_of(order, fee) - (at[1] + at[2]) // 2
        return gain if order["side"] == 0 else -gain

    active, out = list(orders), []
    crossing, fills = fill(active, fee)
    while (violator := short(active, fills)) is not None:
        out.append(violator)
        active.remove(violator)
        crossing, fills = fill(active, fee)
    still_out = []
    for order in sorted(out, key=lambda order: (-surplus(order, crossing), order["sequence"])):
        again = sorted([*active, order], key=lambda each: each["sequence"])
        attempt = fill(again, fee)
        if short(again, attempt[1]) is None:
            active, (crossing, fills) = again, attempt
        else:
            still_out.append(order)
    rejected = [order["sequence"] for order in still_out if crossing is None or surplus(order, crossing) > 0]
    return crossing, fills, sorted(rejected)


def pair(orders: list[Order], fills: dict[int, int]) -> list[tuple[int, int, int]]:
    """Both sides' fills by sequence, laid beside each other."""
    sides = [[[o["sequence"], fills[o["sequence"]]] for o in orders if o["side"] == side and o["sequence"] in fills]
             for side in (0, 1)]  # fmt: skip
    trades: list[tuple[int, int, int]] = []
    buys, sells = sides
    while buys and sells:
        energy = min(buys[0][1], sells[0][1])
        trades.append((buys[0][0], sells[0][0], energy))
        for side in (buys, sells):
            side[0][1] -= energy
            if not side[0][1]:
                side.pop(0)
    return trades


def result_bytes(
    crossing: Crossing, fills: dict[int, int], trades: list[tuple[int, int, int]], rejected: list[int]
) -> bytes:
    volume, low, high = crossing or (0, 0, 0)
    head = struct.pack(
        ">4sHBqqqQIII", b"GTAR", 1, crossing is not None, (low + high) // 2, low, high, volume,
        len(fills), len(trades), len(rejected),
    )  # fmt: skip
    numbers = [number for row in (*sorted(fills.items()), *trades) for number in row] + rejected
    return head + struct.pack(f">{len(numbers)}Q", *numbers)


# The command


def get(url: str, path: str, **query: str) -> Document:
    address = url.rstrip("/") + path + ("?" + urllib.parse.urlencode(query) if query else "")
    if not address.startswith(("http://", "https://")):
        raise Unreadable(f"{url} is no web address")
    try:
        with urllib.request.urlopen(address, timeout=30) as answer:
            return dict(json.load(answer))
    except (urllib.error.URLError, TimeoutError) as error:
        raise Unreadable(f"{address}: {error}") from error


def published(document: Document) -> tuple[bytes, bytes]:
    """A book's bytes, and what its orders were signed for."""
    if not document.get("book"):
        raise Unreadable("the document has no book")
    domain = document["exchange_domain"]
    exchange = bytes.fromhex(domain["verifying_contract"].removeprefix("0x"))
    return bytes.fromhex(document["book"].removeprefix("0x")), domain_separator(domain["chain_id"], exchange)


def forged(separator: bytes, book: Document) -> Iterator[str]:
    """What is wrong with who signed the orders."""
    for order in book["orders"]:
        digest = order_digest(separator, book, order)
        if digest != order["digest"] or signer(digest, order["signature"]) != order["trader"]:
            yield f"signature: order {order['sequence']} is not its trader's"
    if len({order["digest"] for order in book["orders"]}) < len(book["orders"]):
        yield "duplicate: an order stands in the book twice"


def judge(document: Document) -> Document:
    """Every difference between what is published and what follows from the book, and the auction's outcome."""
    data, separator = published(document)
    book = parse(data)
    crossing, fills, rejected = clear(book["orders"], book["fee"])
    trades = pair(book["orders"], fills)
    contents = ("book_hash", data), ("result_hash", result_bytes(crossing, fills, trades, rejected))
    hashes = {name: "0x" + hashlib.sha256(content).hexdigest() for name, content in contents}
    differences = [f"{name}: said {document[name]}, found {h}" for name, h in hashes.items() if document[name] != h]
    differences += forged(separator, book)
    outcome = {
        "order_count": len(book["orders"]),
        "price_per_kwh": None if crossing is None else str((crossing[1] + crossing[2]) // 2),
        "matched_wh": str(crossing[0] if crossing else 0),
        "trade_count": len(trades),
        **hashes,
    }
    return {"agrees": not differences, **outcome, "differences": differences}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", nargs="?", help="a document with book, book_hash, result_hash, exchange_domain")
    parser.add_argument("--url", help="an API instead")
    parser.add_argument("--zone", type=int, default=1)
    parser.add_argument("--slot", help="start of delivery, such as 2026-06-01T12:00:00Z")
    asked = parser.parse_args()
    try:
        if asked.url:
            document = get(asked.url, f"/v1/markets/{asked.zone}/book", delivery_start=asked.slot)
            document["exchange_domain"] = get(asked.url, "/v1/contracts")["exchange_domain"]
        else:
            document = json.loads(Path(asked.file or "/dev/stdin").read_bytes())
        found = judge(document)
    except (Unreadable, OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        print(f"cannot judge: {type(error).__name__}: {error}", file=sys.stderr)
        return 2
    print(json.dumps(found))
    return 0 if found["agrees"] else 1


if __name__ == "__main__":
    sys.exit(main())
