"""What takes part in the indexer's transactions beside facts and projections."""

from typing import Protocol

from indexer.db import Connection
from indexer.decode import Decoded
from indexer.logs import Segment
from indexer.manifest import Manifest


class Rewinding(Protocol):
    """A part from which blocks can be taken out."""

    async def rewind(self, db: Connection, chain_id: int, first: int) -> None:
        """Takes everything from block ``first`` on out; in the reorg's transaction, after the projections."""
        ...


class Extension(Rewinding, Protocol):
    """A part that keeps something of its own in step with the cursor."""

    async def prepare(self, db: Connection, manifest: Manifest) -> None:
        """Makes what it needs; once for each connection, in a transaction."""
        ...

    async def advance(self, db: Connection, chain_id: int, segment: Segment, decoded: Decoded, finalized: int) -> None:
        """Takes blocks in; in the cursor's transaction, after facts and projections."""
        ...

    def forget(self) -> None:
        """A transaction failed or the lock was lost: what is kept in memory may be wrong."""
        ...
