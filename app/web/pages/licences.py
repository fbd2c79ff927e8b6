"""The licences that photographs come under, and the policy: what may be collected and what may be released."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import RedirectResponse
from sqlmodel import Session

from app.catalog.licences import COLLECTED, LICENCES, RELEASED, LicenceSpec
from app.models import Role, utcnow
from app.services import licence_policy, licence_preview
from app.services.licence_policy import LicencePolicy
from app.services.licence_preview import Change, Stray, Usage, Uses
from app.web.deps import Admin, Reader, Researcher, Writer
from app.web.templating import render
from app.web.viewer import Viewer

router = APIRouter(prefix="/licences")
PAPER = "CC0-1.0"
"""What the paper collects from the Internet (Appendix A)."""
Keys = Annotated[list[str] | None, Form(max_length=100)]


@dataclass(frozen=True)
class Line:
    """A licence with what it allows and what the policy, as it stands in the form, does with it.

    ``default`` says that it is let through until somebody chooses otherwise, and whether the paper does as well.
    """

    licence: LicenceSpec
    collect: bool
    release: bool
    default: str
    usage: Usage


@dataclass(frozen=True)
class PreviewPart:
    """What the form would change; ``asked``: somebody wants to know, so that nothing is said too."""

    changes: tuple[Change, ...]
    asked: bool


@dataclass(frozen=True)
class LicencesPage:
    lines: tuple[Line, ...]
    strays: tuple[Stray, ...]
    preview: PreviewPart
    changed: tuple[datetime, str] | None
    may_change: bool


@router.get("")
def page(
    request: Request, viewer: Researcher, session: Reader, choice: Annotated[Literal["", "paper"], Query()] = ""
) -> Response:
    """The catalogue and the policy; with ``choice=paper`` the form holds what the paper chose, not yet applied."""
    policy = licence_policy.current(session)
    wanted = LicencePolicy(COLLECTED, RELEASED) if choice else policy
    context = _page(viewer, session, policy, wanted, licence_preview.uses(session), asked=bool(choice))
    return render(request, viewer, "licences/index.html", context)


@router.post("/preview")
def preview(request: Request, viewer: Admin, session: Reader, collect: Keys = None, release: Keys = None) -> Response:
    """What a form would change: the whole page, or for htmx that part alone."""
    policy, wanted = licence_policy.current(session), LicencePolicy(tuple(collect or ()), tuple(release or ()))
    uses = licence_preview.uses(session)
    if request.headers.get("HX-Request") == "true":
        part = PreviewPart(licence_preview.changes(policy, wanted.collect, wanted.release, uses), True)
        return render(request, viewer, "licences/_preview.html", part)
    return render(request, viewer, "licences/index.html", _page(viewer, session, policy, wanted, uses, asked=True))


@router.post("")
def change(viewer: Admin, session: Writer, collect: Keys = None, release: Keys = None) -> Response:
    licence_policy.change(session, viewer.user_id, collect or (), release or ())
    return RedirectResponse("/licences", 303)


def _page(
    viewer: Viewer, session: Session, policy: LicencePolicy, wanted: LicencePolicy, uses: Uses, *, asked: bool
) -> LicencesPage:
    changes = licence_preview.changes(policy, wanted.collect, wanted.release, uses)
    changed = licence_preview.last_changed(session)
    return LicencesPage(_lines(wanted, uses), uses.strays, PreviewPart(changes, asked), changed, viewer.role == Role.ADMIN)


def _lines(wanted: LicencePolicy, uses: Uses) -> tuple[Line, ...]:
    return tuple(
        Line(spec, wanted.may_collect(key), wanted.may_release(key), _default(key), uses.of(key))
        for key, spec in LICENCES.items()
    )


def _default(key: str) -> str:
    return "paper's choice" if key == PAPER else "default" if key in COLLECTED else ""


_USES = Uses({"CC0-1.0": Usage(1200, 900, 700), "pexels": Usage(40, 30, 0)}, (Stray("", 3, "own <b>", 12, False),))
_CHANGES = licence_preview.changes(LicencePolicy(), ("CC-BY-4.0", "own"), ("own", "pexels", "CC-BY-NC-SA-4.0"), _USES)
_LINES = _lines(LicencePolicy(), _USES)
EXAMPLES = {
    "licences/index.html": [
        LicencesPage(_LINES, _USES.strays, PreviewPart(_CHANGES, True), (utcnow(), "Ada"), True),
        LicencesPage(_LINES, (), PreviewPart((), False), None, False),
    ],
    "licences/_preview.html": [PreviewPart(_CHANGES, True), PreviewPart((), True), PreviewPart((), False)],
}
