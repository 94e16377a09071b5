"""The compiled loop of ``continuous``, where its rules are explained. Rows stand for events; a heap entry is cost, rank
and row."""

from typing import Any, Final

import numba
import numpy as np
from numba import int64

from node.market.jit import compiled
from node.market.rows import BLOCK, CANCEL, EVENT, EXPIRE, FEE, LIVE, NO_LINK, NO_TARGET, ORDER, ROOM, USED

_IMMEDIATE: Final = 2
_FILL_OR_KILL: Final = 3
_NEWEST: Final = 0
_BOTH: Final = 2
_DECREMENT: Final = 3

# Numbers of engine.Reason, written out: numba would not notice that they change elsewhere.
_CANCELLED: Final = 1
_EXPIRED: Final = 2
_REPLACED: Final = 3
_NOTHING_TO_REPLACE: Final = 4
_CARRIED: Final = 5
_AT_ONCE: Final = 6
_KILLED: Final = 7
_MET: Final = 8
_TOO_LITTLE: Final = 9
_OWN: Final = 10

types: Any = numba.types
A1 = int64[::1]
A2 = int64[:, ::1]


# Arrays are handed from function to function one by one: taking them out of a tuple costs more than a whole event.
# ``heads``: where each heap of a side and zone begins in ``heap``, and how many entries it has; ``aside``: how many
# entries follow, and these; ``removals`` likewise; ``links``: fee, Wh that may flow and Wh spoken for, each
# [seller's zone][buyer's zone].
_EVENTS, _LIVE = (numba.from_dtype(dtype)[::1] for dtype in (EVENT, LIVE))
A3 = int64[:, :, ::1]


@compiled(types.boolean(_EVENTS, int64, int64))
def _is_same(events: Any, one: int, other: int) -> Any:
    """Whether two orders are of one trader."""
    return (
        events[one].trader == events[other].trader
        and events[one].trader_2 == events[other].trader_2
        and events[one].trader_3 == events[other].trader_3
    )


@compiled(numba.void(A2, int64, int64, int64, int64))
def _put(heap: Any, at: int, cost: int, rank: int, row: int) -> None:
    heap[at, 0], heap[at, 1], heap[at, 2] = cost, rank, row


@compiled(numba.void(A2, A2, int64, int64, int64, int64))
def _push(heap: Any, heads: Any, h: int, cost: int, rank: int, row: int) -> None:
    base, at = heads[h, 0], heads[h, 1]
    heads[h, 1] += 1
    while at:
        up = (at - 1) >> 1
        if heap[base + up, 0] < cost or (heap[base + up, 0] == cost and heap[base + up, 1] < rank):
            break
        _put(heap, base + at, heap[base + up, 0], heap[base + up, 1], heap[base + up, 2])
        at = up
    _put(heap, base + at, cost, rank, row)


@compiled(numba.void(A2, A2, int64))
def _pop(heap: Any, heads: Any, h: int) -> None:
    base = heads[h, 0]
    heads[h, 1] -= 1
    size = heads[h, 1]
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
        _put(heap, base + at, heap[base + down, 0], heap[base + down, 1], heap[base + down, 2])
        at = down
        down = 2 * at + 1
    _put(heap, base + at, cost, rank, row)


@compiled(numba.void(A2, A2, A2, int64))
def _set_aside(heap: Any, heads: Any, aside: Any, h: int) -> None:
    """Takes the best out of a heap for a while."""
    aside[0, 0] += 1
    at, top = aside[0, 0], heads[h, 0]
    aside[at, 0], aside[at, 1], aside[at, 2], aside[at, 3] = h, heap[top, 0], heap[top, 1], heap[top, 2]
    _pop(heap, heads, h)


@compiled(numba.void(A2, A2, A2))
def _put_back(heap: Any, heads: Any, aside: Any) -> None:
    for at in range(1, aside[0, 0] + 1):
        _push(heap, heads, aside[at, 0], aside[at, 1], aside[at, 2], aside[at, 3])
    aside[0, 0] = 0


@compiled(int64(A2, A2, A2, _LIVE, A3, int64, int64, int64, int64))
def _best(
    heap: Any, heads: Any, aside: Any, live: Any, links: Any, side: int, home: int, taker_cost: int, left_wh: int
) -> int:
    """The other's zone; -1 for nobody. Whom it found stands on top of that zone's heap."""
    zones = links.shape[1]
    found, best_cost, best_fee, best_rank = -1, 0, 0, 0
    for zone in range(zones):
        sell, buy = (home, zone) if side else (zone, home)
        fee = links[FEE, sell, buy]
        room = links[ROOM, sell, buy] - links[USED, sell, buy]
        if fee == NO_LINK or room <= 0:
            continue
        h = (1 - side) * zones + zone
        while heads[h, 1]:
            top = heads[h, 0]
            cost = heap[top, 0] + fee
            if cost + taker_cost > 0:
                break
            rank, row = heap[top, 1], heap[top, 2]
            if live[row].left_wh == 0 or live[row].rank != rank:
                _pop(heap, heads, h)
            elif live[row].min_left_wh > min(left_wh, room):
                _set_aside(heap, heads, aside, h)
            else:
                if (
                    found < 0
                    or cost < best_cost
                    or (cost == best_cost and (fee < best_fee or (fee == best_fee and rank < best_rank)))
                ):
                    found, best_cost, best_fee, best_rank = zone, cost, fee, rank
                break
    return found


@compiled(types.UniTuple(int64, 2)(A2, A2, A2, _LIVE, _EVENTS, A3, int64, int64))
def _reach(
    heap: Any, heads: Any, aside: Any, live: Any, events: Any, links: Any, taker: int, needed_wh: int
) -> tuple[int, int]:
    """Energy that would trade at once, up to what is needed, and the row of the trader's own order that ends it."""
    zones = links.shape[1]
    side, home, mode = events[taker].side, events[taker].zone, events[taker].self_trade
    cost = events[taker].limit_per_kwh if side else -events[taker].limit_per_kwh
    left_wh, reached_wh, stopped = live[taker].left_wh, 0, -1
    level_cost, level_fee, hidden_wh = 0, 0, 0
    hidden = np.zeros(zones, dtype=np.int64)
    while left_wh and reached_wh < needed_wh:
        zone = _best(heap, heads, aside, live, links, side, home, cost, left_wh)
        fee, h, top = 0, 0, 0
        if zone >= 0:
            fee = links[FEE, home, zone] if side else links[FEE, zone, home]
            h = (1 - side) * zones + zone
            top = heads[h, 0]
        if hidden_wh and (zone < 0 or heap[top, 0] + fee != level_cost or fee != level_fee):
            for other in range(zones):
                sell, buy = (home, other) if side else (other, home)
                wh = min(hidden[other], left_wh, links[ROOM, sell, buy] - links[USED, sell, buy])
                links[USED, sell, buy] += wh
                left_wh -= wh
                reached_wh += wh
                hidden[other] = 0
            hidden_wh = 0
            continue
        if zone < 0:
            break
        level_cost, level_fee, row = heap[top, 0] + fee, fee, heap[top, 2]
        _set_aside(heap, heads, aside, h)
        if _is_same(events, row, taker):
            if mode in (_NEWEST, _BOTH):
                stopped = row
                break
            if mode == _DECREMENT:
                left_wh -= min(left_wh, live[row].left_wh)
            continue
        sell, buy = (home, zone) if side else (zone, home)
        wh = min(left_wh, live[row].shown_wh, links[ROOM, sell, buy] - links[USED, sell, buy])
        links[USED, sell, buy] += wh
        left_wh -= wh
        reached_wh += wh
        more_wh = live[row].left_wh - live[row].shown_wh
        hidden[zone] += more_wh
        hidden_wh += more_wh
    _put_back(heap, heads, aside)
    links[USED] = 0
    return reached_wh, stopped


@compiled(numba.void(_LIVE, A2, int64, int64, int64))
def _take_out(live: Any, removals: Any, row: int, wh: int, why: int) -> None:
    """Takes energy out of an order that will not trade any more."""
    removals[0, 0] += 1
    at = removals[0, 0]
    removals[at, 0], removals[at, 1], removals[at, 2] = row, wh, why
    live[row].left_wh -= wh
    live[row].shown_wh = min(live[row].shown_wh, live[row].left_wh)
    if why != _CARRIED:
        live[row].lost_wh += wh
        live[row].why = why


@compiled(types.boolean(_LIVE, _EVENTS, A2, int64, int64))
def _self_trade(live: Any, events: Any, removals: Any, taker: int, maker: int) -> Any:
    """Whether that ends the taker's turn."""
    newest = max(taker, maker)
    mode = events[newest].self_trade
    taker_wh, maker_wh = 0, 0
    if mode == _DECREMENT:
        taker_wh = min(live[taker].left_wh, live[maker].left_wh)
        maker_wh = live[maker].left_wh if live[maker].min_left_wh else taker_wh
    else:
        if mode == _BOTH or (mode == _NEWEST) == (newest == taker):
            taker_wh = live[taker].left_wh
        if mode == _BOTH or (mode == _NEWEST) == (newest == maker):
            maker_wh = live[maker].left_wh
    if taker_wh:
        _take_out(live, removals, taker, taker_wh, _OWN)
    if maker_wh:
        _take_out(live, removals, maker, maker_wh, _OWN)
    return mode != _DECREMENT and taker_wh > 0


@compiled(types.Tuple((A2, A2))(_EVENTS, _LIVE, A2, A2, A3, A1, int64))
def play(events: Any, live: Any, heap: Any, heads: Any, links: Any, next_rank: Any, first: int) -> Any:
    """Plays the events from row ``first`` on. Fills: rows of bid and offer, Wh, seller's price, fee, row of the event;
    and removals: row, Wh, number of the reason."""
    zones = links.shape[1]
    aside = np.empty((len(heap) + 1, 4), dtype=np.int64)
    aside[0, 0] = 0
    released = np.empty(len(events) + 1, dtype=np.int64)
    fills = np.empty((len(events) - first + 16, 6), dtype=np.int64)
    # What is taken out of an order ends it, but for what its predecessor traded and for decrements, which end another.
    removals = np.empty((3 * len(events) + 1, 3), dtype=np.int64)
    removals[0, 0] = 0
    fill_count = 0
    for event in range(first, len(events)):
        kind, old = events[event].kind, events[event].target
        if kind in (CANCEL, EXPIRE):
            if old >= 0 and live[old].left_wh:
                why = _CANCELLED if kind == CANCEL else _EXPIRED
                _take_out(live, removals, old, live[old].left_wh, why)
            continue
        if kind == BLOCK:
            live[event].left_wh = events[event].energy_wh
        if kind != ORDER:
            continue
        side, home = events[event].side, events[event].zone
        cost = events[event].limit_per_kwh if side else -events[event].limit_per_kwh
        least_wh, tif = events[event].min_fill_wh, events[event].time_in_force
        live[event].left_wh = events[event].energy_wh
        live[event].min_left_wh = least_wh
        # Showing less than must be traded at once would show what cannot be had.
        shows_wh = 0 if least_wh else events[event].display_wh
        if old != NO_TARGET:
            if (
                old < 0
                or live[old].left_wh == 0
                or events[old].kind != ORDER
                or not _is_same(events, old, event)
                or events[old].side != side
                or events[old].zone != home
            ):
                _take_out(live, removals, event, live[event].left_wh, _NOTHING_TO_REPLACE)
                continue
            carried_wh = events[old].energy_wh - live[old].left_wh - live[old].lost_wh
            if carried_wh:
                live[event].min_left_wh = 0
                carried_wh = min(carried_wh, live[event].left_wh)
                _take_out(live, removals, event, carried_wh, _CARRIED)
            old_shows_wh = 0 if events[old].min_fill_wh else events[old].display_wh
            keeps = (
                0 < live[event].left_wh <= live[old].left_wh
                and events[old].limit_per_kwh == events[event].limit_per_kwh
                and events[old].min_fill_wh == least_wh
                and old_shows_wh == shows_wh
                and tif < _IMMEDIATE
            )
            rank, shown_wh = live[old].rank, live[old].shown_wh
            _take_out(live, removals, old, live[old].left_wh, _REPLACED)
            if keeps:
                live[event].rank = rank
                live[event].shown_wh = min(shown_wh, live[event].left_wh) if shows_wh else live[event].left_wh
                _push(heap, heads, side * zones + home, cost, rank, event)
            if keeps or live[event].left_wh == 0:
                continue
        trades = True
        if events[event].post_only:
            trades = False
            zone = _best(heap, heads, aside, live, links, side, home, cost, live[event].left_wh)
            _put_back(heap, heads, aside)
            if zone >= 0:
                _take_out(live, removals, event, live[event].left_wh, _MET)
        elif tif == _FILL_OR_KILL or live[event].min_left_wh:
            needed_wh = live[event].left_wh if tif == _FILL_OR_KILL else live[event].min_left_wh
            reached_wh, stopped = _reach(heap, heads, aside, live, events, links, event, needed_wh)
            if reached_wh >= needed_wh:
                live[event].min_left_wh = 0
            else:
                trades = False
                if tif == _FILL_OR_KILL:
                    _take_out(live, removals, event, live[event].left_wh, _KILLED)
                elif stopped >= 0:
                    _self_trade(live, events, removals, event, stopped)
                elif tif == _IMMEDIATE:
                    _take_out(live, removals, event, live[event].left_wh, _TOO_LITTLE)
        # The order takes; then each that has got its minimum takes in turn.
        released_count, turn = 0, -1
        while turn < released_count:
            taker = event if turn < 0 else released[turn]
            side, home = events[taker].side, events[taker].zone
            cost = events[taker].limit_per_kwh if side else -events[taker].limit_per_kwh
            while live[taker].left_wh and (trades or turn >= 0):
                zone = _best(heap, heads, aside, live, links, side, home, cost, live[taker].left_wh)
                if zone < 0:
                    break
                h = (1 - side) * zones + zone
                maker_cost, maker = heap[heads[h, 0], 0], heap[heads[h, 0], 2]
                if _is_same(events, maker, taker):
                    ends = _self_trade(live, events, removals, taker, maker)
                    if ends:
                        break
                    continue
                sell_zone, buy_zone = (home, zone) if side else (zone, home)
                fee = links[FEE, sell_zone, buy_zone]
                wh = min(live[taker].left_wh, live[maker].shown_wh, links[ROOM, sell_zone, buy_zone])
                links[ROOM, sell_zone, buy_zone] -= wh
                buy, sell = (maker, taker) if side else (taker, maker)
                price = -maker_cost - fee if side else maker_cost
                if fill_count == len(fills):
                    more = np.empty((2 * fill_count, 6), dtype=np.int64)
                    more[:fill_count] = fills
                    fills = more
                fills[fill_count, 0], fills[fill_count, 1], fills[fill_count, 2] = buy, sell, wh
                fills[fill_count, 3], fills[fill_count, 4], fills[fill_count, 5] = price, fee, event
                fill_count += 1
                for one in (taker, maker):
                    live[one].left_wh -= wh
                    live[one].traded_wh += wh
                live[maker].shown_wh -= wh
                if live[maker].left_wh == 0:
                    _pop(heap, heads, h)
                elif live[maker].shown_wh == 0:
                    _pop(heap, heads, h)
                    live[maker].shown_wh = min(events[maker].display_wh, live[maker].left_wh)
                    live[maker].rank = next_rank[0]
                    _push(heap, heads, h, maker_cost, next_rank[0], maker)
                    next_rank[0] += 1
                elif live[maker].min_left_wh:
                    live[maker].min_left_wh = 0
                    released[released_count] = maker
                    released_count += 1
            if aside[0, 0]:
                _put_back(heap, heads, aside)
            if turn >= 0:
                live[taker].shown_wh = live[taker].left_wh
            elif live[taker].left_wh:
                if tif >= _IMMEDIATE:
                    _take_out(live, removals, event, live[event].left_wh, _AT_ONCE)
                else:
                    left_wh = live[taker].left_wh
                    live[taker].shown_wh = min(shows_wh, left_wh) if shows_wh else left_wh
                    live[taker].rank = next_rank[0]
                    _push(heap, heads, side * zones + home, cost, next_rank[0], taker)
                    next_rank[0] += 1
            turn += 1
    return fills[:fill_count], removals[1 : removals[0, 0] + 1]
