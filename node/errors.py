"""Errors of the node's features have a published code; each feature defines its own beside its code."""

from indexer.errors import GridtraceError


class Refused(GridtraceError):
    """A request that was understood and is not allowed; trying again does not help."""

    code = "refused"


class NotFound(Refused):
    """There is no such thing, or it is not yours to see."""

    code = "not-found"


class Conflict(Refused):
    """The request contradicts what is already there."""

    code = "conflict"


__all__ = ["Conflict", "GridtraceError", "NotFound", "Refused"]
