"""One's sessions and keys, and other users' roles."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import Field
from starlette.requests import Request as HttpRequest

from api import auth
from api.deps import Admin, InPerson, Reader, SignedIn, Site, Writer
from api.rest.fields import Answer, Instant, Line, Request, Second
from node import access

router = APIRouter(tags=["auth"])

Scope = Literal["read", "write", "operate"]
Role = Literal["super_admin", "owner", "admin", "manager", "viewer", "installer", "trader", "auditor"]


class Session(Answer):
    id: UUID
    user_agent: str | None
    created_at: Instant
    expires_at: Instant
    is_this: bool


class Sessions(Answer):
    items: list[Session]


class NewKey(Request):
    """``read`` may look; ``write`` may change what is yours; ``operate`` may do what your role allows."""

    name: Annotated[Line, Field(max_length=100)]
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=3)]
    expires_at: Second


class Key(Answer):
    id: UUID
    name: str
    scopes: list[Scope]
    created_at: Instant
    expires_at: Instant
    last_used_at: Instant | None


class Keys(Answer):
    items: list[Key]


class MadeKey(Answer):
    """``text`` is told this once: send it as ``Authorization: Bearer``."""

    key: Key
    text: str


class NewRole(Request):
    role: Role


class FormerRole(Answer):
    former: Role
    role: Role


@router.get("/v1/auth/sessions")
async def sessions(request: HttpRequest, caller: SignedIn, db: Reader, site: Site) -> Sessions:
    """One's open sessions."""
    token = auth.session_token(request, site.config)
    found = await access.sessions(db, caller.user_id, token, site.real.now())
    return Sessions(items=[Session.model_validate(item, from_attributes=True) for item in found])


@router.delete("/v1/auth/sessions/{session_id}", status_code=204)
async def end_session(session_id: UUID, caller: InPerson, db: Writer, site: Site) -> None:
    """Ends one of one's sessions at once."""
    await access.end_session(db, caller.user_id, session_id, site.real.now())


@router.get("/v1/auth/keys")
async def keys(caller: SignedIn, db: Reader, site: Site) -> Keys:
    """One's keys that work."""
    found = await access.keys(db, caller.user_id, site.real.now())
    return Keys(items=[Key.model_validate(item, from_attributes=True) for item in found])


@router.post("/v1/auth/keys", status_code=201)
async def make_key(body: NewKey, caller: InPerson, db: Writer, site: Site, response: Response) -> MadeKey:
    """Makes a key for a program. A key makes no keys."""
    made, text = await access.make_key(db, caller.user_id, body.name, body.scopes, site.real.now(), body.expires_at)
    response.headers["Cache-Control"] = "no-store"
    return MadeKey(key=Key.model_validate(made, from_attributes=True), text=text)


@router.delete("/v1/auth/keys/{key_id}", status_code=204)
async def end_key(key_id: UUID, caller: InPerson, db: Writer, site: Site) -> None:
    """Ends a key at once."""
    await access.end_key(db, caller.user_id, key_id, site.real.now())


@router.post("/v1/users/{user_id}/role")
async def set_role(user_id: UUID, body: NewRole, caller: Admin, db: Writer) -> FormerRole:
    """Gives a user another role; effective with his next request."""
    return FormerRole(former=await access.set_role(db, caller.role, user_id, body.role), role=body.role)  # type: ignore[arg-type]
