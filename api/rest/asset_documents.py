"""An asset's papers: put up, listed, read, checked block by block, and what puts their root on chain."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import contextmanager
from typing import Annotated, Final, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Path
from fastapi.responses import Response, StreamingResponse
from starlette.requests import Request as HttpRequest

from api.auth import Forbidden
from api.deps import Documents, MaybeCaller, Reader, Services, SignedIn, Site, manages, operates, public, signed_in
from api.rest.assets import may_see_inside
from api.rest.fields import Address, Answer, Hash, Instant, Octets
from api.rest.meta import Meta, Stamp
from indexer.db import ACQUIRE_TIMEOUT_S, Connection, transaction
from node.assets import papers, registry
from node.assets.papers import PUBLIC_FOLDERS, Paper, PaperNotFound, PaperRefused
from node.documents import files
from node.documents.unixfs import Link
from node.errors import Conflict, GridtraceError
from node.identity import Caller

router = APIRouter(tags=["assets"])

Folder = Literal["legal", "media", "technical"]
FileName = Annotated[str, Path(pattern=r"^[A-Za-z0-9][A-Za-z0-9._\-]{0,99}$")]
BEGINNINGS: Final = {
    "application/pdf": (b"%PDF-",),
    "image/png": (b"\x89PNG\r\n\x1a\n",),
    "image/jpeg": (b"\xff\xd8\xff",),
    "image/webp": (b"RIFF",),
}
"""How files of a kind begin: what says it is a PDF is one."""
UPLOAD_S: Final = 600.0


class UploadUnderWay(Conflict):
    """You are putting a paper up already; wait for it to end."""

    code = "upload-under-way"


class UploadTooSlow(GridtraceError):
    """The file did not arrive in the time that is given to one."""

    code = "upload-too-slow"


class PaperAnswer(Answer):
    """``cid`` names the bytes: whoever has the file can compute it again (profile ``profile``). That of a legal paper
    is told to those who may read it."""

    path: str
    cid: str | None
    media_type: str
    size_bytes: int
    profile: str
    uploaded_at: Instant
    uploaded_by: Address
    checked_at: Instant | None
    fault: str | None


class Papers(Answer):
    """``root`` is the directory of all papers, ``anchored_root`` what the chain has: they agree once the owner has
    sent ``anchor_call`` to the asset's token."""

    meta: Meta | None
    items: list[PaperAnswer]
    root: str
    root_digest: Hash
    anchored_root: Hash | None
    is_anchored: bool
    anchor_to: Address | None
    anchor_call: Octets


class Fault(Answer):
    cid: str
    code: str


class Checked(Answer):
    """No faults: every block of the file is there and is what its name says."""

    path: str
    faults: list[Fault]


def _answer(paper: Paper, *, inside: bool) -> PaperAnswer:
    values = {name: getattr(paper, name) for name in PaperAnswer.model_fields if name not in ("path", "cid")}
    # Whoever guesses the text of a deed could tell by its identifier whether he is right.
    told = inside or paper.document_type in PUBLIC_FOLDERS
    return PaperAnswer(path=paper.path, cid=paper.ipfs_hash if told else None, **values)


@router.get("/v1/assets/{asset_id}/documents", dependencies=[Depends(public)])
async def documents(asset_id: UUID, db: Reader, site: Site, meta: Stamp, caller: MaybeCaller = None) -> Papers:
    """What papers there are; the names of legal papers are public, their contents are not."""
    asset = await registry.asset(db, site.chain_id, asset_id)
    found = await papers.papers(db, asset_id)
    root, _ = papers.tree(found)
    inside = await _is_inside(db, site.chain_id, asset_id, caller)
    return Papers(
        meta=meta,
        items=[_answer(paper, inside=inside) for paper in found],
        root=str(root.cid),
        root_digest=root.cid.digest,
        anchored_root=asset.documents_root,
        is_anchored=asset.documents_root == root.cid.digest,
        anchor_to=asset.token,
        anchor_call=papers.anchoring(root.cid),
    )


@router.put("/v1/assets/{asset_id}/documents/{folder}/{file_name}", status_code=201, dependencies=[Depends(signed_in)])
async def put_document(
    asset_id: UUID,
    folder: Folder,
    file_name: FileName,
    request: HttpRequest,
    caller: SignedIn,
    site: Site,
    blocks: Documents,
) -> PaperAnswer:
    """Puts a file up, as the plain body, at most 100 MiB, in place of what had its name. By the owner or an
    administrator, one at a time, within ten minutes; an asset's papers take 2 GiB at most, replaced ones included."""
    kind = papers.media_type(folder, file_name)
    async with site.pool.acquire(timeout=ACQUIRE_TIMEOUT_S) as db:
        asset = await registry.asset(db, site.chain_id, asset_id)
        if caller.account != asset.owner and not manages(caller):
            raise Forbidden("papers are put up by the asset's owner")
        room = await papers.room(db, asset_id, folder, file_name)
    _require_room(request, room)
    with _one_upload(site, caller.account):
        stored = await _in_time(
            papers.store(blocks.of(folder), _of_kind(request.stream(), kind), max_bytes=room), request
        )
        async with transaction(site.pool) as db:
            await papers.attach(db, asset_id, folder, file_name, stored, caller.account)
            every = await papers.papers(db, asset_id)
            # Before the row stands: what names a directory finds it.
            await papers.publish(blocks, every)
    return next(_answer(paper, inside=True) for paper in every if paper.path == f"{folder}/{file_name}")


def _require_room(request: HttpRequest, room: int) -> None:
    """Refuses what says of itself that it is too large, before a byte of it is read."""
    said = request.headers.get("content-length", "")
    if said.isdecimal() and int(said) > room:
        raise files.FileTooLarge(f"{said} bytes, at most {room} are taken here")


@contextmanager
def _one_upload(site: Services, account: bytes) -> Iterator[None]:
    if account in site.uploading:
        raise UploadUnderWay
    site.uploading.add(account)
    try:
        yield
    finally:
        site.uploading.discard(account)


async def _in_time(storing: Awaitable[Link], request: HttpRequest) -> Link:
    try:
        async with asyncio.timeout(UPLOAD_S):
            return await storing
    except TimeoutError as error:
        raise UploadTooSlow(f"{request.url.path} did not arrive within {UPLOAD_S:.0f} s") from error


async def _of_kind(data: AsyncIterator[bytes], kind: str) -> AsyncIterator[bytes]:
    """Passes the bytes on. Raises PaperRefused where they do not begin as files of this kind do."""
    beginnings, head = BEGINNINGS.get(kind, (b"",)), b""
    async for piece in data:
        if len(head) < max(map(len, beginnings)):
            head += piece[:16]
            if not any(head[: len(start)] == start[: len(head)] for start in beginnings):
                raise PaperRefused(f"the bytes do not begin as {kind} does")
        yield piece


@router.get(
    "/v1/assets/{asset_id}/documents/{folder}/{file_name}",
    dependencies=[Depends(public)],
    response_class=StreamingResponse,
    responses={200: {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}},
)
async def document(
    asset_id: UUID,
    folder: Folder,
    file_name: FileName,
    request: HttpRequest,
    caller: MaybeCaller,
    site: Site,
    blocks: Documents,
) -> Response:
    """The file's bytes, each block checked before it is sent. Legal papers are for owner, holders and operators."""
    paper = await _readable(site, asset_id, folder, file_name, caller)
    headers = {
        "ETag": f'"{paper.ipfs_hash}"',
        "Cache-Control": "no-cache" if folder in PUBLIC_FOLDERS else "private, no-store",
    }
    if headers["ETag"] in _known(request):
        return Response(status_code=304, headers=headers)
    # The first block is read before anything is answered: a file that is gone is a problem, not a broken download.
    parts = files.read(blocks.of(folder), paper.link.cid)
    first = await anext(parts)

    async def body() -> AsyncIterator[bytes]:
        yield first
        async for part in parts:
            yield part

    headers |= {
        "Content-Length": str(paper.size_bytes),
        "Content-Disposition": f'attachment; filename="{file_name}"',
    }
    return StreamingResponse(body(), media_type=paper.media_type, headers=headers)


def _known(request: HttpRequest) -> set[str]:
    """Versions that the asker has already (RFC 9110, If-None-Match: compared weakly)."""
    return {tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")}


@router.post("/v1/assets/{asset_id}/documents/{folder}/{file_name}/check", dependencies=[Depends(signed_in)])
async def check(
    asset_id: UUID, folder: Folder, file_name: FileName, caller: SignedIn, site: Site, blocks: Documents
) -> Checked:
    """Reads every block of the file and says what is missing or altered."""
    paper = await _readable(site, asset_id, folder, file_name, caller)
    faults = await papers.check(blocks, paper)
    async with transaction(site.pool) as db:
        await papers.checked(db, paper, faults)
    return Checked(path=paper.path, faults=[Fault(cid=str(fault.cid), code=fault.code) for fault in faults])


async def _readable(site: Services, asset_id: UUID, folder: str, file_name: str, caller: Caller | None) -> Paper:
    async with site.pool.acquire(timeout=ACQUIRE_TIMEOUT_S) as db:
        paper = await papers.paper(db, asset_id, folder, file_name)
        if folder in PUBLIC_FOLDERS or await _is_inside(db, site.chain_id, asset_id, caller):
            return paper
    raise PaperNotFound(f"asset {asset_id} has no {folder}/{file_name} for you")


async def _is_inside(db: Connection, chain_id: int, asset_id: UUID, caller: Caller | None) -> bool:
    if caller is None:
        return False
    asset = await registry.asset(db, chain_id, asset_id)
    return await may_see_inside(db, chain_id, asset, caller.account, operates(caller))
