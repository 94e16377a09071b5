"""The continuous book in the plainest way: one list, searched from end to end for every trade; tries by copying."""

from collections.abc import Iterator
from copy import deepcopy

from node.market.engine import BUY, Network, Reason
from node.market.instructions import SelfTrade, TimeInForce
from tests.property.node.market.live_order import Fill, LiveOrder, Removal, StateRow


class NaiveBook:
    """Does what ``node.market.continuous.Continuous`` does."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.room_wh = [list(row) for row in network.capacity_wh]
        self.waiting: list[LiveOrder] = []
        self.fills: list[Fill] = []
        self.removals: list[Removal] = []
        self.released: list[LiveOrder] = []
        self.next_rank = 1

    def accept(self, order: LiveOrder) -> None:
        if order.replaces and self._replace(order):
            return
        if order.post_only:
            if any(True for _ in self._partners(order)):
                self._leave(order, Reason.POST_ONLY)
        else:
            self._enter(order)
        if order.left_wh and order.time_in_force >= TimeInForce.IMMEDIATE_OR_CANCEL:
            self._leave(order, Reason.IMMEDIATE)
        elif order.left_wh:
            self.waiting.append(order)
            self._queue(order)
        while self.released:
            held = self.released.pop(0)
            if held in self.waiting:
                self._take(held)
                held.shown_wh = held.left_wh
                self._tidy()

    def cancel(self, sequence: int, reason: Reason = Reason.CANCELLED) -> bool:
        for order in self.waiting:
            if order.sequence == sequence:
                self._leave(order, reason)
                self._tidy()
                return True
        return False

    def state(self) -> list[StateRow]:
        ordered = sorted(self.waiting, key=lambda order: order.sequence)
        return [(o.sequence, o.rank, o.left_wh, o.shown_wh, o.min_left_wh) for o in ordered]

    def _enter(self, order: LiveOrder) -> None:
        fill_or_kill = order.time_in_force == TimeInForce.FILL_OR_KILL
        needed_wh = order.energy_wh - order.carried_wh if fill_or_kill else order.min_left_wh
        if needed_wh:
            copy, twin = deepcopy((self, order))
            twin.min_left_wh = 0
            copy.fills.clear()
            stopper = copy._take(twin)
            if sum(fill[2] for fill in copy.fills) < needed_wh:
                if fill_or_kill:
                    self._leave(order, Reason.FILL_OR_KILL)
                elif stopper is not None:
                    self._meet_own(order, next(o for o in self.waiting if o.sequence == stopper))
                    self._tidy()
                elif order.time_in_force == TimeInForce.IMMEDIATE_OR_CANCEL:
                    self._leave(order, Reason.MIN_FILL)
                return
            order.min_left_wh = 0
        self._take(order)

    def _partners(self, taker: LiveOrder) -> Iterator[tuple[int, int, int, int, LiveOrder]]:
        for maker in self.waiting:
            seller, buyer = (maker, taker) if taker.side == BUY else (taker, maker)
            fee, room_wh = (
                self.network.fee_per_kwh[seller.zone][buyer.zone],
                self.room_wh[seller.zone][buyer.zone],
            )
            if maker.side == taker.side or fee is None or not maker.left_wh or room_wh <= 0:
                continue
            if maker.cost + fee + taker.cost <= 0 and maker.min_left_wh <= min(taker.left_wh, room_wh):
                yield maker.cost + fee, fee, maker.rank, room_wh, maker

    def _take(self, taker: LiveOrder) -> int | None:
        """Sequence of the trader's own order that ended the turn, if one did."""
        while taker.left_wh and (partners := sorted(self._partners(taker), key=lambda p: p[:3])):
            _, fee, _, room_wh, maker = partners[0]
            if maker.trader == taker.trader:
                if self._meet_own(taker, maker):
                    self._tidy()
                    return maker.sequence
                self._tidy()
                continue
            wh = min(taker.left_wh, maker.shown_wh, room_wh)
            buyer, seller = (taker, maker) if taker.side == BUY else (maker, taker)
            price = maker.cost if taker.side == BUY else -maker.cost - fee
            self.fills.append((buyer.sequence, seller.sequence, wh, price, fee))
            self.room_wh[seller.zone][buyer.zone] -= wh
            taker.left_wh -= wh
            maker.left_wh -= wh
            maker.shown_wh -= wh
            if maker.left_wh and not maker.shown_wh:
                self._queue(maker)
            elif maker.min_left_wh:
                maker.min_left_wh = 0
                self.released.append(maker)
            self._tidy()
        return None

    def _meet_own(self, taker: LiveOrder, maker: LiveOrder) -> bool:
        newest, oldest = sorted((taker, maker), key=lambda order: -order.sequence)
        mode = newest.self_trade
        if mode == SelfTrade.DECREMENT:
            wh = min(taker.left_wh, maker.left_wh)
            self._lose(taker, wh)
            self._lose(maker, maker.left_wh if maker.min_left_wh else wh)
            return False
        if mode in (SelfTrade.CANCEL_NEWEST, SelfTrade.CANCEL_OLDEST):
            gone = [newest if mode == SelfTrade.CANCEL_NEWEST else oldest]
        else:
            gone = [taker, maker]
        for order in gone:
            self._lose(order, order.left_wh)
        return taker in gone

    def _lose(self, order: LiveOrder, wh: int) -> None:
        order.left_wh -= wh
        order.lost_wh += wh
        order.shown_wh = min(order.shown_wh, order.left_wh)
        self.removals.append((order.sequence, wh, Reason.SELF_TRADE))

    def _replace(self, order: LiveOrder) -> bool:
        old = next((o for o in self.waiting if o.sequence == order.replaces), None)
        if old is None or (old.trader, old.side, old.zone) != (order.trader, order.side, order.zone):
            self._leave(order, Reason.NOTHING_TO_REPLACE)
            return True
        order.carried_wh = old.traded_wh
        if order.carried_wh:
            gone_wh = min(order.carried_wh, order.energy_wh)
            order.left_wh -= gone_wh
            order.min_left_wh = 0
            self.removals.append((order.sequence, gone_wh, Reason.CARRIED))
        same = all(getattr(old, name) == getattr(order, name) for name in ("cost", "min_fill_wh", "display_wh"))
        stays = same and 0 < order.left_wh <= old.left_wh and order.time_in_force <= TimeInForce.GOOD_TILL_TIME
        rank, shown_wh = old.rank, old.shown_wh
        self._leave(old, Reason.REPLACED)
        self._tidy()
        if stays:
            order.rank = rank
            order.shown_wh = min(shown_wh, order.left_wh) if order.display_wh else order.left_wh
            self.waiting.append(order)
        return stays or not order.left_wh

    def _queue(self, order: LiveOrder) -> None:
        order.rank = self.next_rank
        self.next_rank += 1
        order.shown_wh = min(order.left_wh, order.display_wh) if order.display_wh else order.left_wh

    def _leave(self, order: LiveOrder, reason: Reason) -> None:
        self.removals.append((order.sequence, order.left_wh, reason))
        order.left_wh = order.shown_wh = 0

    def _tidy(self) -> None:
        self.waiting = [order for order in self.waiting if order.left_wh]
