#!/usr/bin/env python3
"""Runs a published day-ahead session of one zone again. With verify_auction.py beside it, Python is all that it needs.

    python verify_day_ahead.py --url http://127.0.0.1:8600 --zone 1 --day 2026-06-01
    python verify_day_ahead.py FILE      a document kept with `gridtrace auction verify --day … --save FILE`

Formats and rules are those that node/market/session_book.py, area_book.py and blocks.py describe, written a second
time. Exit code 0: hashes, signatures, blocks and result agree; 1: they do not; 2: there is nothing to judge.
"""

import argparse
import hashlib
import json
import struct
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

try:
    from scripts import verify_auction as single
except ImportError:  # beside this file, as a stranger has it
    sys.path.insert(0, str(Path(__file__).parent))
    import verify_auction as single  # type: ignore[import-not-found, no-redef]

Order = dict[str, Any]
Book = dict[str, Any]
Block = dict[str, Any]

MOST_PASSES = 8


class Slot:
    """A slot's book, cleared with all orders but those of blocks that do not take part."""

    def __init__(self, book: Book) -> None:
        self.book = book
        self.clear(frozenset())

    def clear(self, without: Iterable[int]) -> None:
        gone, fee = set(without), self.book["fee"]
        active = [order for order in self.book["orders"] if order["sequence"] not in gone]
        self.crossing, self.fills = single.fill(active, fee)
        out: list[Order] = []
        while short := self._short(active):
            out.append(max(short, key=lambda order: order["sequence"]))
            active = [order for order in active if order is not out[-1]]
            self.crossing, self.fills = single.fill(active, fee)
        still_out = []
        for order in sorted(out, key=lambda order: (-(self.gain(order) or 0), order["sequence"])):
            before, active = (active, self.crossing, self.fills), sorted([*active, order], key=lambda o: o["sequence"])
            self.crossing, self.fills = single.fill(active, fee)
            if self._short(active):
                active, self.crossing, self.fills = before
                still_out.append(order)
        gains = [(order, self.gain(order)) for order in still_out]
        self.rejected = sorted(order["sequence"] for order, gain in gains if gain is None or gain > 0)

    def gain(self, order: Order) -> int | None:
        """What a kWh of the order gains at the price; None where nothing trades."""
        if self.crossing is None:
            return None
        gain = single.price_of(order, self.book["fee"]) - (self.crossing[1] + self.crossing[2]) // 2
        return gain if order["side"] == 0 else -gain

    def result_hash(self) -> bytes:
        """The slot's part of the result, in the format of an area's."""
        zone, fee, trades = self.book["zone"], self.book["fee"], single.pair(self.book["orders"], self.fills)
        flows = 1 if trades else 0
        packed = struct.pack(">4sHQHII", b"GTAA", 1, self.book["delivery_start"], 1, flows, len(self.rejected))
        volume, low, high = self.crossing or (0, 0, 0)
        for side in (0, 1):
            more = fee if side == 0 and self.crossing else 0
            filled = [o["sequence"] for o in self.book["orders"] if o["side"] == side and o["sequence"] in self.fills]
            prices = ((low + high) // 2 + more, low + more, high + more)
            packed += struct.pack(">IBBqqqQI", zone, side, self.crossing is not None, *prices, volume, len(filled))
            packed += table([number, self.fills[number]] for number in filled)
        if trades:
            packed += struct.pack(">IIQqqqI", zone, zone, volume, (low + high) // 2, fee, 0, len(trades))
        return hashlib.sha256(packed + table(trades) + table([[number] for number in self.rejected])).digest()

    def _short(self, active: list[Order]) -> list[Order]:
        return [order for order in active if 0 < self.fills.get(order["sequence"], 0) < order["least_wh"]]


def table(rows: Iterable[Iterable[int]]) -> bytes:
    return b"".join(struct.pack(">Q", number) for row in rows for number in row)


class Session:
    """All slots of a day, and the blocks over them."""

    def __init__(self, day: int, slots: dict[int, Slot]) -> None:
        self.day, self.slots = day, slots
        self.blocks = blocks_of(slots)
        self.inside = set(range(len(self.blocks)))
        while lost := [number for number in self.inside if not self.is_filled(number)]:
            worst = min(lost, key=lambda number: (self.surplus(number), -self.name(number)))
            gone = {n for n in self.inside if n == worst or self.blocks[n]["parent"] == worst}
            self.inside -= gone
            self.clear(gone)
        for _ in range(MOST_PASSES):
            if not self.bring_back():
                break

    def bring_back(self) -> bool:
        came = False
        out = sorted(set(range(len(self.blocks))) - self.inside, key=lambda n: (-self.surplus(n), self.name(n)))
        for number in out:
            if self.is_orphan(number):
                continue
            self.inside.add(number)
            self.clear([number])
            if all(map(self.is_filled, self.inside)):
                came = True
            else:
                self.inside.remove(number)
                self.clear([number])
        return came

    def clear(self, touched: Iterable[int]) -> None:
        without = {
            o["sequence"] for n, block in enumerate(self.blocks) if n not in self.inside for _, o in block["legs"]
        }
        for start in {start for number in touched for start, _ in self.blocks[number]["legs"]}:
            self.slots[start].clear(without)

    def is_filled(self, number: int) -> bool:
        legs = self.blocks[number]["legs"]
        return all(self.slots[start].fills.get(o["sequence"], 0) == o["left_wh"] for start, o in legs)

    def gains(self, number: int) -> list[tuple[int | None, int]]:
        return [(self.slots[start].gain(order), order["left_wh"]) for start, order in self.blocks[number]["legs"]]

    def surplus(self, number: int) -> int:
        return sum((gain or 0) * energy_wh for gain, energy_wh in self.gains(number))

    def name(self, number: int) -> int:
        return min(int(order["sequence"]) for _, order in self.blocks[number]["legs"])

    def is_orphan(self, number: int) -> bool:
        parent = self.blocks[number]["parent"]
        return parent is not None and parent not in self.inside

    def accepted(self) -> list[int]:
        return sorted(map(self.name, self.inside))

    def rejected(self) -> list[int]:
        """Blocks that would gain, and whose parent, if they have one, is in."""
        found = []
        for number in set(range(len(self.blocks))) - self.inside:
            gains = [gain for gain, _ in self.gains(number)]
            if not self.is_orphan(number) and all(gain is not None and gain >= 0 for gain in gains) and any(gains):
                found.append(self.name(number))
        return sorted(found)

    def result_hash(self) -> str:
        accepted, rejected = self.accepted(), self.rejected()
        head = struct.pack(">4sHQIII", b"GTDR", 1, self.day, len(self.slots), len(accepted), len(rejected))
        slots = b"".join(slot.result_hash() for slot in self.slots.values())
        return hashlib.sha256(head + slots + table([accepted, rejected])).hexdigest()


def blocks_of(slots: dict[int, Slot]) -> list[Block]:
    """Orders of one trader that name the same block, by their least number; zeros at the end name a family's parent."""
    entries = [(o["sequence"], start, o) for start, slot in slots.items() for o in slot.book["orders"] if o["block"]]
    blocks: dict[tuple[bytes, bytes], Block] = {}
    for _, start, order in sorted(entries, key=lambda entry: entry[0]):
        blocks.setdefault((order["trader"], order["block"]), {"legs": [], "parent": None})["legs"].append(
            (start, order)
        )
    numbers = {name: number for number, name in enumerate(blocks)}
    for (trader, name), block in blocks.items():
        if name[16:] != bytes(16):
            block["parent"] = numbers.get((trader, name[:16] + bytes(16)))
    return list(blocks.values())


def parse(data: bytes) -> tuple[int, dict[int, Slot]]:
    """The day, and its slots that have orders."""
    if len(data) < 18 or data[:6] != b"GTDA\0\1":
        raise single.Unreadable("not a session's book of version 1")
    day, count = struct.unpack_from(">QI", data, 6)
    at, slots = 18, dict[int, Slot]()
    for _ in range(count):
        start, length = struct.unpack_from(">QI", data, at)
        content = data[at + 12 : at + 12 + length]
        at += 12 + length
        if content[:4] == b"GTAB":
            raise single.Unreadable("zones that were cleared together: use gridtrace auction verify")
        book = single.parse(content)
        if book["delivery_start"] != start or start <= max(slots, default=-1):
            raise single.Unreadable("slots do not ascend")
        size = (len(content) - single.HEADER.size) // max(1, len(book["orders"]))
        for number, order in enumerate(book["orders"]):
            end = single.HEADER.size + (number + 1) * size
            order["block"] = content[end - 32 : end] if size > single.SIGNED.size and content[end - 78] & 4 else None
        slots[start] = Slot(book)
    if at != len(data):
        raise single.Unreadable("the book is cut short, or something follows it")
    if len({(slot.book["zone"], slot.book["fee"]) for slot in slots.values()}) > 1:
        raise single.Unreadable("slots are not of one zone")
    return day, slots


def judge(document: dict[str, Any]) -> dict[str, Any]:
    """Every difference between what is published and what follows from the book, and the session's outcome."""
    data, separator = single.published(document)
    session = Session(*parse(data))
    outcome: dict[str, Any] = {
        "accepted_blocks": session.accepted(),
        "rejected_blocks": session.rejected(),
        "book_hash": "0x" + hashlib.sha256(data).hexdigest(),
        "result_hash": "0x" + session.result_hash(),
    }
    differences = [
        f"{name}: said {document[name]}, found {found}" for name, found in outcome.items() if document[name] != found
    ]
    for slot in session.slots.values():
        differences += single.forged(separator, slot.book)
    totals = {
        "order_count": sum(len(slot.book["orders"]) for slot in session.slots.values()),
        "matched_wh": str(sum(slot.crossing[0] for slot in session.slots.values() if slot.crossing)),
    }
    return {"agrees": not differences, **totals, **outcome, "differences": differences}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", nargs="?", help="a document with book, its hashes, blocks and exchange_domain")
    parser.add_argument("--url", help="an API instead")
    parser.add_argument("--zone", type=int, default=1)
    parser.add_argument("--day", help="the market's day, such as 2026-06-01")
    asked = parser.parse_args()
    try:
        if asked.url:
            document = single.get(asked.url, f"/v1/markets/{asked.zone}/day-ahead", day=asked.day)
            document["exchange_domain"] = single.get(asked.url, "/v1/contracts")["exchange_domain"]
        else:
            document = json.loads(Path(asked.file or "/dev/stdin").read_bytes())
        found = judge(document)
    except (single.Unreadable, OSError, ValueError, KeyError, TypeError, AttributeError, struct.error) as error:
        print(f"cannot judge: {type(error).__name__}: {error}", file=sys.stderr)
        return 2
    print(json.dumps(found))
    return 0 if found["agrees"] else 1


if __name__ == "__main__":
    sys.exit(main())
