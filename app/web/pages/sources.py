"""Where photographs come from: all sources, and one with its facts, which researchers may change."""

from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import RedirectResponse
from sqlmodel import Session

from app.catalog.categories import SOURCE_KINDS
from app.catalog.licences import LICENCES
from app.errors import GgtError
from app.models import Source, utcnow
from app.services import source_photos, sources
from app.services.source_photos import AS_SOURCE, Photo, Photos
from app.services.sources import (
    Author,
    LicenceCount,
    LicenceInUse,
    SourceEdit,
    SourceFacts,
    SourceLine,
    SourcesFilter,
)
from app.web.deps import Reader, Researcher, Writer
from app.web.templating import render
from app.web.viewer import Viewer

router = APIRouter(prefix="/sources")

RELEASED = {"yes": "Released", "some": "Released in part", "no": "Not released", "none": "No licence on record"}
After = Annotated[int | None, Query(ge=1, le=2**53)]
Line = Annotated[str, Form(max_length=200)]
Address = Annotated[str, Form(max_length=500)]


@dataclass(frozen=True)
class Choice:
    value: str
    title: str
    chosen: bool


@dataclass(frozen=True)
class SourcesPage:
    lines: tuple[SourceLine, ...]
    wanted: SourcesFilter
    kinds: tuple[Choice, ...]
    released: tuple[Choice, ...]
    kind_titles: dict[str, str]

    @property
    def filtered(self) -> bool:
        return self.wanted != SourcesFilter()


@dataclass(frozen=True)
class Filtered:
    """A licence or author whose photographs can be listed alone: ``url`` does, or shows all where it is chosen."""

    title: str
    number: int
    url: str
    chosen: bool
    released: str = ""


@dataclass(frozen=True)
class SourcePage:
    """``edit`` is what stands in the form, with what is wrong with it; ``sure`` asks for a tick before it is changed."""

    source: Source
    kind: str
    photographs: int
    released: str
    licences: tuple[Filtered, ...]
    authors: tuple[Filtered, ...]
    others: int
    runs: tuple[tuple[int, str, str, object], ...]
    photos: tuple[Photo, ...]
    more: str
    first: str
    edit: SourceEdit
    known: tuple[tuple[str, str], ...]
    problem: str = ""
    sure: bool = False


@router.get("")
def index(request: Request, viewer: Researcher, session: Reader) -> Response:
    wanted = SourcesFilter.parse(request.query_params)
    return render(request, viewer, "sources/index.html", _index(sources.lines(session, wanted), wanted))


def _index(lines: tuple[SourceLine, ...], wanted: SourcesFilter) -> SourcesPage:
    return SourcesPage(
        lines, wanted, tuple(Choice(k, t, k == wanted.kind) for k, t in SOURCE_KINDS.items()),
        tuple(Choice(k, t, k == wanted.released) for k, t in RELEASED.items()), SOURCE_KINDS,
    )  # fmt: skip


@router.get("/{source_id}")
def page(
    request: Request,
    viewer: Researcher,
    session: Reader,
    source_id: int,
    licence: Annotated[str, Query(max_length=100)] = "",
    author: Annotated[str, Query(max_length=200)] = "",
    after: After = None,
) -> Response:
    """A source, and its photographs from the newest on; those of one licence or author alone where the address says so."""
    found = sources.facts(session, source_id)
    listed = source_photos.photographs(session, found.source, licence=licence, author=author, after=after)
    return render(request, viewer, "sources/source.html", _page(found, listed, licence, author, after))


@router.post("/{source_id}")
def change(
    request: Request,
    viewer: Researcher,
    session: Writer,
    source_id: int,
    licence: Annotated[str, Form(max_length=100)] = "",
    author: Line = "",
    url: Address = "",
    terms: Address = "",
    note: Address = "",
    held_out: Annotated[bool, Form()] = False,
    sure: Annotated[bool, Form()] = False,
) -> Response:
    """Change what is on record; comes back with what is wrong, or with a question where pairs may be out already."""
    edit = SourceEdit(licence.strip(), author.strip(), url.strip(), terms.strip(), note.strip(), held_out)
    try:
        sources.change(session, viewer.user_id, source_id, edit, sure=sure)
    except GgtError as error:
        if error.status == 404:
            raise
        return _refused(request, viewer, session, source_id, edit, error)
    return RedirectResponse(f"/sources/{source_id}", 303)


def _refused(
    request: Request, viewer: Viewer, session: Session, source_id: int, edit: SourceEdit, error: GgtError
) -> Response:
    found = sources.facts(session, source_id)
    listed, asks = source_photos.photographs(session, found.source), isinstance(error, LicenceInUse)
    context = _page(found, listed, edit=edit, problem=str(error), sure=asks)
    return render(request, viewer, "sources/source.html", context, status=error.status)


def _page(
    found: SourceFacts,
    listed: Photos,
    licence: str = "",
    author: str = "",
    after: int | None = None,
    *,
    edit: SourceEdit | None = None,
    problem: str = "",
    sure: bool = False,
) -> SourcePage:
    here = f"/sources/{found.source.id}"

    def address(**query: str | int | None) -> str:
        given = {name: value for name, value in query.items() if value}
        return f"{here}?{urlencode(given)}#photographs" if given else f"{here}#photographs"

    line_released = {True: "yes", False: "no"}
    licences = []
    for one in found.licences:
        key = one.key if one.own else AS_SOURCE
        title = one.title if one.own or not any(other.own for other in found.licences) else f"{one.title}, as the source"
        chosen = key == licence
        released = line_released[one.released] if one.key else "none"
        licences.append(Filtered(title, one.number, address(licence="" if chosen else key), chosen, released))
    authors = [
        Filtered(one.name, one.number, address(author="" if one.name == author else one.name), one.name == author != "")
        for one in found.authors
    ]
    leaving = {one.released for one in found.licences}
    none = not any(one.key for one in found.licences)
    return SourcePage(
        found.source, SOURCE_KINDS.get(found.source.kind, found.source.kind), found.photographs,
        "none" if none else "some" if len(leaving) > 1 else line_released[leaving.pop()], tuple(licences), tuple(authors),
        found.others, found.runs, listed.photos,
        address(licence=licence, author=author, after=listed.next_after) if listed.next_after else "",
        address(licence=licence, author=author) if after else "", edit or SourceEdit.of(found.source),
        tuple((key, spec.title) for key, spec in LICENCES.items()), problem, sure,
    )  # fmt: skip


_SOURCE = Source(
    id=3, name="Flickr", kind="internet", licence="CC0-1.0", author="Ada <b>", url="https://example.org/a",
    terms="https://example.org/terms", note="One account.", held_out=True,
)  # fmt: skip
_LICENCES = (LicenceCount("CC0-1.0", 900, True), LicenceCount("CC-BY-2.0", 300, False, True), LicenceCount("?", 1, False))
_LINE = SourceLine(3, "Flickr", "internet", "Ada <b>", "https://example.org/terms", True, _LICENCES, 1201, 5, 40, 30, 20, 10)
_BARE_LINE = SourceLine(4, "own", "own", "", "", False, (LicenceCount("", 0, False),), 0, 0, 0, 0, 0, 0)
_PHOTO = Photo(
    12, "street/<b>.jpg", "CC-BY-2.0", "Ada <b>", "https://example.org/p/12", ("rain", "street"),
    {"make": "NIKON CORPORATION", "model": "NIKON D850", "datetime": "2019:01:31 10:00:00"}, 4000, 3000, 2_000_000, "kept",
    utcnow(), utcnow(),
)  # fmt: skip
_BARE_PHOTO = Photo(13, "b.png", "", "", "", (), {}, 64, 64, 900, "", None, utcnow())
_FACTS = SourceFacts(
    _SOURCE, _LICENCES, (Author("Ada <b>", 900), Author("", 300)), 1, ((7, "Gather: rain", "running", utcnow()),)
)
_BARE = SourceFacts(Source(id=4, name="own"), (LicenceCount("", 0, False),), (), 0, ())
EXAMPLES = {
    "sources/index.html": [
        _index((_LINE, _BARE_LINE), SourcesFilter(kind="internet")),
        _index((), SourcesFilter(q="x")),
        _index((), SourcesFilter()),
    ],
    "sources/source.html": [
        _page(_FACTS, Photos((_PHOTO, _BARE_PHOTO), 12), AS_SOURCE, "Ada <b>", 40),
        _page(_BARE, Photos((), None)),
        _page(_FACTS, Photos((), None), "CC-BY-2.0", edit=SourceEdit("CC-BY-4.0"), problem="4 pairs.", sure=True),
    ],
}
