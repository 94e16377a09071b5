"""The compiled loop of ``replay``. Rows stand for orders; a heap entry is cost, rank and row."""

from typing import Any, Final

import numba
import numpy as np
from numba import int64

from node.market.jit import compiled

LEFT: Final = 0
SHOWN: Final = 1
RANK: Final = 2
MIN_LEFT: Final = 3

_NO_LINK: Final = -(2**62)
_IMMEDIATE: Final = 2
_FILL_OR_KILL: Final = 3
_NEWEST: Final = 0
_OLDEST: Final = 1
_BOTH: Final = 2
_DECREMENT: Final = 3

types: Any = numba.types
A1 = int64[::1]
A2 = int64[:, ::1]


@compiled(numba.void(A2, A1, A1, int64, int64, int64, int64))
def _push(heap: Any, bases: Any, sizes: Any, h: int, cost: int, rank: int, row: int) -> None:
    base, at = bases[h], sizes[h]
    sizes[h] += 1
    while at:
        up = (at - 1) >> 1
        if heap[base + up, 0] < cost or (heap[base + up, 0] == cost and heap[base + up, 1] < rank):
            break
        heap[base + at, 0], heap[base + at, 1], heap[base + at, 2] = (
            heap[base + up, 0],
            heap[base + up, 1],
            heap[base + up, 2],
        )
        at = up
    heap[base + at, 0], heap[base + at, 1], heap[base + at, 2] = cost, rank, row


@compiled(numba.void(A2, A1, A1, int64))
def _pop(heap: Any, bases: Any, sizes: Any, h: int) -> None:
    base = bases[h]
    sizes[h] -= 1
    size = sizes[h]
    cost, rank, row = heap[base + size, 0], heap[base + size, 1], heap[base + size, 2]
    at, down = 0, 1
    while down < size:
        right = down + 1
        if right < size and (
            heap[base + right, 0] < heap[base + down, 0]
            or (heap[base + right, 0] == heap[base + down, 0] and heap[base + right, 1] < heap[base + down, 1])
        ):
            down = right
        if cost < heap[base + down, 0] or (cost == heap[base + down, 0] and rank < heap[base + down, 1]):
            break
        heap[base + at, 0], heap[base + at, 1], heap[base + at, 2] = (
            heap[base + down, 0],
            heap[base + down, 1],
            heap[base + down, 2],
        )
        at = down
        down = 2 * at + 1
    heap[base + at, 0], heap[base + at, 1], heap[base + at, 2] = cost, rank, row


@compiled(int64(A2, A1, A1, A2, A1, A2, A2, A2, A1, int64, int64, int64, int64))
def _best(
    heap: Any,
    bases: Any,
    sizes: Any,
    live: Any,
    used: Any,
    fees: Any,
    room_wh: Any,
    aside: Any,
    aside_count: Any,
    side: int,
    home: int,
    taker_cost: int,
    left_wh: int,
) -> int:
    """The other's zone; -1 for nobody. Whom it found stands on top of that zone's heap."""
    zones = len(fees)
    found, best_cost, best_fee, best_rank = -1, 0, 0, 0
    for zone in range(zones):
        fee = fees[home, zone] if side else fees[zone, home]
        if fee == _NO_LINK:
            continue
        room = (room_wh[home, zone] if side else room_wh[zone, home]) - used[zone]
        if room <= 0:
            continue
        h = (1 - side) * zones + zone
        while sizes[h]:
            top = bases[h]
            cost = heap[top, 0] + fee
            if cost + taker_cost > 0:
                break
            rank, row = heap[top, 1], heap[top, 2]
            if live[row, LEFT] == 0 or live[row, RANK] != rank:
                _pop(heap, bases, sizes, h)
            elif live[row, MIN_LEFT] > min(left_wh, room):
                at = aside_count[0]
                aside[at, 0], aside[at, 1], aside[at, 2], aside[at, 3] = h, heap[top, 0], rank, row
                aside_count[0] += 1
                _pop(heap, bases, sizes, h)
            else:
                if (
                    found < 0
                    or cost < best_cost
                    or (cost == best_cost and (fee < best_fee or (fee == best_fee and rank < best_rank)))
                ):
                    found, best_cost, best_fee, best_rank = zone, cost, fee, rank
                break
    return found


@compiled(numba.void(A2, A1, A1, A2, A1))
def _put_back(heap: Any, bases: Any, sizes: Any, aside: Any, aside_count: Any) -> None:
    for at in range(aside_count[0]):
        _push(heap, bases, sizes, aside[at, 0], aside[at, 1], aside[at, 2], aside[at, 3])
    aside_count[0] = 0


@compiled(types.UniTuple(int64, 2)(A2, A1, A1, A2, A1, A2, A2, A2, A1, A1, A1, int64, int64, int64, int64, int64))
def _reach(
    heap: Any,
    bases: Any,
    sizes: Any,
    live: Any,
    used: Any,
    fees: Any,
    room_wh: Any,
    aside: Any,
    aside_count: Any,
    trader: Any,
    hidden: Any,
    side: int,
    home: int,
    cost: int,
    taker: int,
    needed_and_mode: int,
) -> tuple[int, int]:
    """Energy that would trade at once, up to what is needed, and the row of the trader's own order that ends it."""
    needed_wh, mode = needed_and_mode >> 2, needed_and_mode & 3
    zones = len(fees)
    left_wh, reached_wh, stopped = live[taker, LEFT], 0, -1
    level_cost, level_fee, hidden_wh = 0, 0, 0
    while left_wh and reached_wh < needed_wh:
        zone = _best(heap, bases, sizes, live, used, fees, room_wh, aside, aside_count, side, home, cost, left_wh)
        fee, h, top = 0, 0, 0
        if zone >= 0:
            fee = fees[home, zone] if side else fees[zone, home]
            h = (1 - side) * zones + zone
            top = bases[h]
        if hidden_wh and (zone < 0 or heap[top, 0] + fee != level_cost or fee != level_fee):
            for other in range(zones):
                room = (room_wh[home, other] if side else room_wh[other, home]) - used[other]
                wh = min(hidden[other], left_wh, room)
                used[other] += wh
                left_wh -= wh
                reached_wh += wh
                hidden[other] = 0
            hidden_wh = 0
            continue
        if zone < 0:
            break
        level_cost, level_fee = heap[top, 0] + fee, fee
        row, at = heap[top, 2], aside_count[0]
        aside[at, 0], aside[at, 1], aside[at, 2], aside[at, 3] = h, heap[top, 0], heap[top, 1], row
        aside_count[0] += 1
        _pop(heap, bases, sizes, h)
        if trader[row] == trader[taker]:
            if mode in (_NEWEST, _BOTH):
                stopped = row
                break
            if mode == _DECREMENT:
                left_wh -= min(left_wh, live[row, LEFT])
            continue
        room = (room_wh[home, zone] if side else room_wh[zone, home]) - used[zone]
        wh = min(left_wh, live[row, SHOWN], room)
        used[zone] += wh
        left_wh -= wh
        reached_wh += wh
        more_wh = live[row, LEFT] - live[row, SHOWN]
        hidden[zone] += more_wh
        hidden_wh += more_wh
    _put_back(heap, bases, sizes, aside, aside_count)
    used[:] = 0
    hidden[:] = 0
    return reached_wh, stopped


@compiled(int64(A2, A1, A1, A1, int64, int64))
def _self_trade(live: Any, lost: Any, mode_of: Any, sequence: Any, taker: int, maker: int) -> int:
    """Whether that ends the taker's turn."""
    newest = taker if sequence[taker] > sequence[maker] else maker
    mode = mode_of[newest]
    taker_wh, maker_wh = 0, 0
    if mode == _DECREMENT:
        taker_wh = min(live[taker, LEFT], live[maker, LEFT])
        maker_wh = live[maker, LEFT] if live[maker, MIN_LEFT] else taker_wh
    else:
        if mode == _BOTH or (mode == _NEWEST) == (newest == taker):
            taker_wh = live[taker, LEFT]
        if mode == _BOTH or (mode == _NEWEST) == (newest == maker):
            maker_wh = live[maker, LEFT]
    live[taker, LEFT] -= taker_wh
    lost[taker] += taker_wh
    live[taker, SHOWN] = min(live[taker, SHOWN], live[taker, LEFT])
    live[maker, LEFT] -= maker_wh
    lost[maker] += maker_wh
    live[maker, SHOWN] = min(live[maker, SHOWN], live[maker, LEFT])
    return int(mode != _DECREMENT and taker_wh > 0)


@compiled(types.Tuple((A2, A2))(*[A1] * 13, A2, A2))
def run(
    is_cancel: Any,
    sequence: Any,
    target: Any,
    trader: Any,
    side_of: Any,
    zone_of: Any,
    limit_per_kwh: Any,
    energy_wh: Any,
    min_fill_wh: Any,
    display_wh: Any,
    time_in_force: Any,
    post_only: Any,
    mode_of: Any,
    fees: Any,
    room_wh: Any,
) -> Any:
    """Fills, and left, shown, rank and outstanding minimum of every row's order; uses up ``room_wh``."""
    count, zones = len(sequence), len(fees)
    live = np.zeros((count, 4), dtype=np.int64)
    lost = np.zeros(count, dtype=np.int64)
    heap = np.empty((count, 3), dtype=np.int64)
    sizes = np.zeros(2 * zones, dtype=np.int64)
    # Each side and zone has its stretch of one array for the heap of its orders.
    bases = np.zeros(2 * zones + 1, dtype=np.int64)
    for event in range(count):
        bases[side_of[event] * zones + zone_of[event] + 1] += 1
    for h in range(2 * zones):
        bases[h + 1] += bases[h]
    aside = np.empty((count, 4), dtype=np.int64)
    aside_count = np.zeros(1, dtype=np.int64)
    used = np.zeros(zones, dtype=np.int64)
    hidden = np.zeros(zones, dtype=np.int64)
    released = np.empty(count + 1, dtype=np.int64)
    fills = np.empty((count + 16, 6), dtype=np.int64)
    fill_count, next_rank = 0, 1
    for event in range(count):
        if is_cancel[event]:
            live[target[event], LEFT] = live[target[event], SHOWN] = 0
            continue
        side, home = side_of[event], zone_of[event]
        cost = limit_per_kwh[event] if side else -limit_per_kwh[event]
        least_wh, tif = min_fill_wh[event], time_in_force[event]
        live[event, LEFT] = energy_wh[event]
        live[event, MIN_LEFT] = least_wh
        shows_wh = 0 if least_wh else display_wh[event]
        old = target[event]
        if old >= 0:
            if live[old, LEFT] == 0 or trader[old] != trader[event] or side_of[old] != side or zone_of[old] != home:
                live[event, LEFT] = 0
                continue
            carried_wh = energy_wh[old] - live[old, LEFT] - lost[old]
            if carried_wh:
                live[event, MIN_LEFT] = 0
                live[event, LEFT] -= min(carried_wh, live[event, LEFT])
            old_shows_wh = 0 if min_fill_wh[old] else display_wh[old]
            keeps = (
                0 < live[event, LEFT] <= live[old, LEFT]
                and limit_per_kwh[old] == limit_per_kwh[event]
                and min_fill_wh[old] == least_wh
                and old_shows_wh == shows_wh
                and tif < _IMMEDIATE
            )
            rank, shown_wh = live[old, RANK], live[old, SHOWN]
            live[old, LEFT] = live[old, SHOWN] = 0
            if keeps:
                live[event, RANK] = rank
                live[event, SHOWN] = min(shown_wh, live[event, LEFT]) if shows_wh else live[event, LEFT]
                _push(heap, bases, sizes, side * zones + home, cost, rank, event)
            if keeps or live[event, LEFT] == 0:
                continue
        trades = True
        if post_only[event]:
            trades = False
            zone = _best(
                heap, bases, sizes, live, used, fees, room_wh, aside, aside_count, side, home, cost, live[event, LEFT]
            )
            _put_back(heap, bases, sizes, aside, aside_count)
            if zone >= 0:
                live[event, LEFT] = 0
        elif tif == _FILL_OR_KILL or live[event, MIN_LEFT]:
            needed_wh = live[event, LEFT] if tif == _FILL_OR_KILL else live[event, MIN_LEFT]
            reached_wh, stopped = _reach(
                heap, bases, sizes, live, used, fees, room_wh, aside, aside_count, trader, hidden,
                side, home, cost, event, needed_wh << 2 | mode_of[event],
            )  # fmt: skip
            if reached_wh >= needed_wh:
                live[event, MIN_LEFT] = 0
            else:
                trades = False
                if tif == _FILL_OR_KILL:
                    live[event, LEFT] = 0
                elif stopped >= 0:
                    _self_trade(live, lost, mode_of, sequence, event, stopped)
                elif tif == _IMMEDIATE:
                    live[event, LEFT] = 0
        # The order takes; then each that has got its minimum takes in turn.
        released_count, turn = 0, -1
        while turn < released_count:
            taker = event if turn < 0 else released[turn]
            side, home = side_of[taker], zone_of[taker]
            cost = limit_per_kwh[taker] if side else -limit_per_kwh[taker]
            while live[taker, LEFT] and (trades or turn >= 0):
                zone = _best(
                    heap, bases, sizes, live, used, fees, room_wh, aside, aside_count,
                    side, home, cost, live[taker, LEFT],
                )  # fmt: skip
                if zone < 0:
                    break
                h = (1 - side) * zones + zone
                maker_cost, maker = heap[bases[h], 0], heap[bases[h], 2]
                if trader[maker] == trader[taker]:
                    if _self_trade(live, lost, mode_of, sequence, taker, maker):
                        break
                    continue
                if side:
                    fee = fees[home, zone]
                    wh = min(live[taker, LEFT], live[maker, SHOWN], room_wh[home, zone])
                    room_wh[home, zone] -= wh
                    buy, sell, price = maker, taker, -maker_cost - fee
                else:
                    fee = fees[zone, home]
                    wh = min(live[taker, LEFT], live[maker, SHOWN], room_wh[zone, home])
                    room_wh[zone, home] -= wh
                    buy, sell, price = taker, maker, maker_cost
                if fill_count == len(fills):
                    more = np.empty((2 * fill_count, 6), dtype=np.int64)
                    more[:fill_count] = fills
                    fills = more
                fills[fill_count, 0], fills[fill_count, 1], fills[fill_count, 2] = sequence[buy], sequence[sell], wh
                fills[fill_count, 3], fills[fill_count, 4], fills[fill_count, 5] = price, fee, event
                fill_count += 1
                live[taker, LEFT] -= wh
                live[maker, LEFT] -= wh
                live[maker, SHOWN] -= wh
                if live[maker, LEFT] == 0:
                    _pop(heap, bases, sizes, h)
                elif live[maker, SHOWN] == 0:
                    _pop(heap, bases, sizes, h)
                    live[maker, SHOWN] = min(display_wh[maker], live[maker, LEFT])
                    live[maker, RANK] = next_rank
                    _push(heap, bases, sizes, h, maker_cost, next_rank, maker)
                    next_rank += 1
                elif live[maker, MIN_LEFT]:
                    live[maker, MIN_LEFT] = 0
                    released[released_count] = maker
                    released_count += 1
            if aside_count[0]:
                _put_back(heap, bases, sizes, aside, aside_count)
            if turn >= 0:
                live[taker, SHOWN] = live[taker, LEFT]
            elif live[taker, LEFT]:
                if tif >= _IMMEDIATE:
                    live[taker, LEFT] = 0
                else:
                    left_wh = live[taker, LEFT]
                    live[taker, SHOWN] = min(shows_wh, left_wh) if shows_wh else left_wh
                    live[taker, RANK] = next_rank
                    _push(heap, bases, sizes, side * zones + home, cost, next_rank, taker)
                    next_rank += 1
            turn += 1
    return fills[:fill_count], live
