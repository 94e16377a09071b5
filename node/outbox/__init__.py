"""Transactions that must reach the chain exactly once.

Whoever causes a transaction enqueues it in the database transaction of its cause; one ``Sender`` for each sending
account brings it on chain, in order, over restarts, fee rises and reorganisations.
"""

from node.outbox.policy import SendPolicy
from node.outbox.queue import OutboxConflict, Status, TransactionUnknown, enqueue, find, retry, state
from node.outbox.rpc import HttpRpc, Rpc, RpcError
from node.outbox.sender import Sender

__all__ = [
    "HttpRpc",
    "OutboxConflict",
    "Rpc",
    "RpcError",
    "SendPolicy",
    "Sender",
    "Status",
    "TransactionUnknown",
    "enqueue",
    "find",
    "retry",
    "state",
]
