"""The page of what acts for an account: its open sessions, and the keys of its programs."""

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse

from api.deps import MaybeCaller, Reader, Site, public
from api.rest import access
from api.web.render import render

router = APIRouter(include_in_schema=False, dependencies=[Depends(public)])


@router.get("/access")
async def access_page(request: Request, db: Reader, site: Site, caller: MaybeCaller) -> HTMLResponse:
    """One's sessions and keys."""
    if caller is None:
        return render("access.html", request, holder=None)
    return render(
        "access.html",
        request,
        holder=caller.account,
        role=caller.role,
        in_person=caller.scopes is None,
        sessions=(await access.sessions(request, caller, db, site)).items,
        keys=(await access.keys(caller, db, site)).items,
    )
