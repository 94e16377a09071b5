"""The market in PostgreSQL, for whoever is outside of it: entering and withdrawing orders, the gate, reads."""

from node.market.clearing import Auction, clear, due_gates, release_locks
from node.market.intake import Answer, Entry, accept_order, accept_orders, accept_signed
from node.market.judging import Accepted
from node.market.reads import auctions, book, locked_cash, order, orders, slots, trades
from node.market.withdrawal import cancel_all, cancel_order, cancel_orders

__all__ = [
    "Accepted",
    "Answer",
    "Auction",
    "Entry",
    "accept_order",
    "accept_orders",
    "accept_signed",
    "auctions",
    "book",
    "cancel_all",
    "cancel_order",
    "cancel_orders",
    "clear",
    "due_gates",
    "locked_cash",
    "order",
    "orders",
    "release_locks",
    "slots",
    "trades",
]
