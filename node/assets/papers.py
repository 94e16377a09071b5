"""An asset's papers: files under `/{technical,legal,media}/`, named by content, their root put on chain by the owner.

The tree of an asset's files is an IPFS directory, so its root, one hash, commits to every byte of them. A file that is
replaced stays in the store; the row says until when it was valid.
"""

from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from contracts.abi import encode_call
from indexer.db import Connection, queries
from node.assets.registry import AssetNotFound
from node.documents import files, unixfs
from node.documents.blocks import MAX_BLOCK_BYTES, Blocks
from node.documents.cid import Cid
from node.documents.unixfs import CLASSIC, Link, Profile
from node.errors import Conflict, NotFound, Refused

SQL = queries(__name__)

MAX_BYTES: Final = 100 * 1024 * 1024
MAX_ASSET_BYTES: Final = 2 * 1024**3
"""All files of an asset together, replaced ones too: they stay in the store."""
ENTRY_BYTES: Final = 64 * 1024
"""What a file counts for beside its bytes: each one that is put up makes a directory anew, which is kept."""
MAX_PAPERS: Final = 200
"""Valid papers of one folder: its directory fits into one block."""
FOLDERS: Final = ("legal", "media", "technical")
PUBLIC_FOLDERS: Final = frozenset({"media", "technical"})
"""Anyone may read these; legal papers are for the owner, holders of fractions and operators."""
MEDIA_TYPES: Final = {
    "pdf": "application/pdf",
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "webp": "image/webp",
    "mp4": "video/mp4",
    "csv": "text/csv",
    "txt": "text/plain",
    "json": "application/json",
}
"""What is taken, by the file's ending. Nothing that a browser would run."""


class PaperNotFound(NotFound):
    """There is no such paper, or it is not yours to see."""

    code = "paper-not-found"


class PaperRefused(Refused):
    """The file is not of a kind that is kept."""

    code = "paper-refused"


class PapersFull(Conflict):
    """The asset has as many papers as are kept for one."""

    code = "papers-full"


@dataclass(frozen=True, slots=True)
class Shelves:
    """Where papers are kept: what anyone may read may be shared with peers, legal papers never leave this machine."""

    public: Blocks
    private: Blocks

    def of(self, folder: str) -> Blocks:
        """The store of a folder's files, and of its directory, which names them."""
        return self.public if folder in PUBLIC_FOLDERS else self.private

    async def close(self) -> None:
        """Gives back what the stores have open."""
        await self.public.close()
        await self.private.close()


@dataclass(frozen=True, slots=True)
class Paper:
    """One file of an asset."""

    id: UUID
    asset_id: UUID
    document_type: str
    file_name: str
    ipfs_hash: str
    media_type: str
    size_bytes: int
    total_bytes: int
    profile: str
    uploaded_by: bytes
    uploaded_at: datetime
    replaced_at: datetime | None
    checked_at: datetime | None
    fault: str | None

    @property
    def path(self) -> str:
        return f"{self.document_type}/{self.file_name}"

    @property
    def link(self) -> Link:
        return Link(Cid.parse(self.ipfs_hash), self.size_bytes, self.total_bytes, self.file_name)


def media_type(folder: str, file_name: str) -> str:
    """What a file is served as. Raises PaperRefused for other folders and kinds."""
    if folder not in FOLDERS:
        raise PaperRefused(f"{folder!r} is none of {', '.join(FOLDERS)}")
    found = MEDIA_TYPES.get(file_name.rpartition(".")[2].lower())
    if found is None:
        raise PaperRefused(f"{file_name!r} does not end in one of {', '.join(MEDIA_TYPES)}")
    return found


async def room(db: Connection, asset_id: UUID, folder: str, file_name: str) -> int:
    """Bytes that a file of this name may have. Raises PapersFull where there is no room for any."""
    (row,) = await db.fetch(SQL["room"], asset_id, folder, file_name, ENTRY_BYTES)
    if row["others"] >= MAX_PAPERS:
        raise PapersFull(f"asset {asset_id} has {row['others']} papers in {folder}")
    left = MAX_ASSET_BYTES - int(row["taken"]) - ENTRY_BYTES
    if left <= 0:
        raise PapersFull(f"papers of asset {asset_id} take {row['taken']} bytes of {MAX_ASSET_BYTES}")
    return min(left, MAX_BYTES)


async def store(
    blocks: Blocks, data: AsyncIterator[bytes], profile: Profile = CLASSIC, max_bytes: int = MAX_BYTES
) -> Link:
    """Stores a file's bytes, before any transaction: an upload takes as long as the sender does.

    Raises:
        FileTooLarge, FileEmpty: more than ``max_bytes``, or nothing.
    """
    return await files.add(blocks, data, profile, max_bytes)


async def attach(
    db: Connection, asset_id: UUID, folder: str, file_name: str, file: Link, by: bytes, profile: Profile = CLASSIC
) -> UUID:
    """Makes a stored file the asset's paper of this name, in place of what had it; the same file again changes nothing.

    Raises:
        AssetNotFound: there is no such asset.
        PaperRefused: another folder or kind.
        PapersFull: the asset has too many, or too large ones.
    """
    kind = media_type(folder, file_name)
    if not await db.fetchval(SQL["lock_asset"], asset_id):
        raise AssetNotFound(f"no asset {asset_id}")
    known = await db.fetchval(SQL["same"], asset_id, folder, file_name, str(file.cid))
    if known is not None:
        return UUID(str(known))
    if file.content_bytes > await room(db, asset_id, folder, file_name):
        raise PapersFull(f"{file.content_bytes} bytes do not fit in with the papers of asset {asset_id}")
    await db.execute(SQL["replace"], asset_id, folder, file_name)
    sizes = (file.content_bytes, file.total_bytes)
    added = await db.fetchval(SQL["attach"], asset_id, folder, file_name, str(file.cid), kind, *sizes, profile.name, by)
    return UUID(str(added))


async def papers(db: Connection, asset_id: UUID, *, replaced: bool = False) -> list[Paper]:
    """An asset's papers by path; with ``replaced`` also the former ones."""
    return [Paper(**dict(row)) for row in await db.fetch(SQL["papers"], asset_id, replaced)]


async def every(db: Connection) -> list[Paper]:
    """All papers that there ever were, asset by asset, in the order of their coming."""
    return [Paper(**dict(row)) for row in await db.fetch(SQL["every"])]


async def paper(db: Connection, asset_id: UUID, folder: str, file_name: str) -> Paper:
    """The valid paper of this name. Raises PaperNotFound."""
    row = await db.fetchrow(SQL["paper"], asset_id, folder, file_name)
    if row is None:
        raise PaperNotFound(f"asset {asset_id} has no {folder}/{file_name}")
    return Paper(**dict(row))


def tree(found: Iterable[Paper]) -> tuple[Link, list[tuple[Cid, bytes]]]:
    """The directory of an asset's papers: its root, and the blocks of all its folders."""
    kept = list(found)
    folders, blocks = [], []
    for name in FOLDERS:
        folder, block = unixfs.directory(paper.link for paper in kept if paper.document_type == name)
        blocks.append((folder.cid, block))
        folders.append(Link(folder.cid, 0, folder.total_bytes, name))
    root, block = unixfs.directory(folders)
    return root, [*blocks, (root.cid, block)]


async def publish(shelves: Shelves, found: Iterable[Paper]) -> Cid:
    """Stores and pins the directory of these papers, and returns its root: from it every file is found.

    Said again it changes nothing. Raises PaperRefused for a directory that peers would not exchange.
    """
    root, made = tree(found)
    for folder, (cid, block) in zip((*FOLDERS, None), made, strict=True):
        if len(block) > MAX_BLOCK_BYTES:
            raise PaperRefused(f"a directory of {len(block)} bytes is larger than {MAX_BLOCK_BYTES}")
        blocks = shelves.public if folder is None else shelves.of(folder)
        await blocks.put(cid, block)
        # The root alone: below it is the folder of legal papers, which a public store does not have.
        await blocks.pin(cid, recursive=folder is not None)
    return root.cid


def anchoring(root: Cid) -> bytes:
    """The call of AssetToken by which the asset's owner, and he alone, puts the root on chain."""
    return encode_call("AssetToken", "setDocuments", root.digest, uri(root))


def uri(root: Cid) -> str:
    """Where the papers are."""
    return f"ipfs://{root}"


async def check(shelves: Shelves, found: Paper) -> list[files.Fault]:
    """Reads every block of a paper: what is missing or altered."""
    return await files.faults(shelves.of(found.document_type), found.link.cid)


async def checked(db: Connection, found: Paper, faults: Sequence[files.Fault]) -> None:
    """Records what a check found."""
    text = "; ".join(f"{fault.code} {fault.cid}" for fault in faults[:10]) or None
    await db.execute(SQL["checked"], found.id, text)
