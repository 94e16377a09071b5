"""Frees the folder of papers of what nothing names: blocks of uploads that failed or were refused."""

import asyncio
from collections.abc import Iterable
from itertools import groupby
from typing import Final

from indexer.db import Connection
from node.assets import papers
from node.assets.papers import PUBLIC_FOLDERS, Paper
from node.documents import unixfs
from node.documents.blocks import BlockAltered, BlockMissing, FolderBlocks
from node.documents.cid import Cid
from node.errors import Refused

GRACE_S: Final = 3_600.0
"""Blocks written since are left alone: an upload that is under way is named by nothing yet, and lasts less long."""


class PapersDamaged(Refused):
    """A paper has missing or altered blocks; nothing is removed until it is mended."""

    code = "papers-damaged"


async def sweep(db: Connection, blocks: FolderBlocks, now_s: float, *, private_only: bool) -> int:
    """Removes all blocks but those of papers, replaced ones included, and of directories that were ever published;
    returns how many. ``private_only``: the others are kept elsewhere.

    Raises:
        PapersDamaged: a file cannot be read to its last block, so that what belongs to it is not known.
    """
    every = await papers.every(db)
    kept = await asyncio.to_thread(directories, every)
    for paper in every:
        if not (private_only and paper.document_type in PUBLIC_FOLDERS):
            kept |= await _blocks_of(blocks, paper)
    return await asyncio.to_thread(blocks.sweep, kept, now_s - GRACE_S)


def directories(every: Iterable[Paper]) -> set[bytes]:
    """Digests of all directories that these papers, in the order of their coming, have made. Pure."""
    kept = set()
    for _, of_asset in groupby(every, key=lambda paper: paper.asset_id):
        valid: dict[str, Paper] = {}
        kept |= {cid.digest for cid, _ in papers.tree(())[1]}
        for paper in of_asset:
            valid[paper.path] = paper
            kept |= {cid.digest for cid, _ in papers.tree(valid.values())[1]}
    return kept


async def _blocks_of(blocks: FolderBlocks, paper: Paper) -> set[bytes]:
    kept: set[bytes] = set()
    todo: list[Cid] = [paper.link.cid]
    while todo:
        cid = todo.pop()
        kept.add(cid.digest)
        try:
            todo += [link.cid for link in unixfs.read(cid, await blocks.get(cid)).links]
        except (BlockMissing, BlockAltered) as error:
            raise PapersDamaged(f"{paper.path} of asset {paper.asset_id}, {paper.ipfs_hash}: {error}") from error
    return kept
