"""Prompts: what models are sent, every version of it, and what changed. Everybody reads; researchers and admins edit."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import RedirectResponse
from sqlmodel import Session

from app.catalog.categories import CATEGORIES
from app.domain.prompt_diff import Piece, word_diff
from app.errors import GgtError, NotFound
from app.services import prompt_edits, prompts
from app.services.prompt_matrix import Cell, matrix
from app.services.prompts import LONGEST, Version
from app.web.deps import AnyViewer, Reader, Researcher, Writer
from app.web.templating import render

router = APIRouter(prefix="/prompts")

PURPOSES = {
    "fix": "Sent to an MFM as it stands.",
    "fix-nc": "The fixed prompt, and the wish that the content stays as it is.",
    "meta": "Sent to a VLM with an image: what it answers is the prompt for that image.",
    "evaluator": "Sent to a VLM with an LQ and an HQ: what it answers is the verdict.",
    "screening": "Sent to a VLM with a patch: what it answers says whether the patch stays.",
}


@dataclass(frozen=True)
class PromptsPage:
    """``cells`` by kind, one for each of ``categories`` (titles by key)."""

    cells: Mapping[str, tuple[Cell, ...]]
    categories: Mapping[str, str]
    kinds: Mapping[str, str]
    purposes: Mapping[str, str]


@dataclass(frozen=True)
class Comparison:
    """How an older version becomes a newer one, word by word."""

    old: int
    new: int
    system: tuple[Piece, ...]
    user: tuple[Piece, ...]

    @property
    def same(self) -> bool:
        return all(piece.kind == "same" for piece in (*self.system, *self.user))


@dataclass(frozen=True)
class Typed:
    """What stands in the edit form. ``problem`` says why it could not be saved."""

    system: str
    user: str
    note: str = ""
    problem: str = ""


@dataclass(frozen=True)
class PromptPage:
    """``shown`` is the version in full, ``used`` the one in use. ``saved``: it was put in use just now."""

    kind: str
    category: str
    title: str
    category_title: str
    purpose: str
    versions: list[Version]
    shown: Version
    used: Version
    comparison: Comparison | None
    typed: Typed
    saved: bool = False
    longest: int = LONGEST

    @property
    def address(self) -> str:
        return f"/prompts/{self.kind}/{self.category}"


@router.get("")
def index(request: Request, viewer: AnyViewer, session: Reader) -> Response:
    titles = {key: category.title for key, category in CATEGORIES.items()}
    return render(
        request, viewer, "prompts/index.html", PromptsPage(matrix(session), titles, prompts.KINDS, PURPOSES)
    )  # fmt: skip


@router.get("/{kind}/{category}")
def prompt(
    request: Request,
    kind: str,
    category: str,
    viewer: AnyViewer,
    session: Reader,
    version: int | None = None,
    other: Annotated[int | None, Query(alias="with")] = None,
    saved: int | None = None,
) -> Response:
    """One prompt: ``version`` in full (else the one in use), compared ``with`` another when that is asked for."""
    page = _page(session, kind, category, version=version, other=other, saved=saved)
    return render(request, viewer, "prompts/prompt.html", page)


@router.post("/{kind}/{category}")
def edit(
    request: Request,
    kind: str,
    category: str,
    viewer: Researcher,
    session: Writer,
    user: Annotated[str, Form()] = "",
    system: Annotated[str, Form()] = "",
    note: Annotated[str, Form()] = "",
    seen: Annotated[int | None, Form()] = None,
) -> Response:
    try:
        number = prompt_edits.edit(
            session, viewer.user_id, kind, category, seen=seen, system=system, user=user, note=note.strip()
        )  # fmt: skip
    except NotFound:
        raise
    except GgtError as error:  # shown beside what was typed, which must not be lost
        page = _page(session, kind, category, typed=Typed(system, user, note, str(error)))
        return render(request, viewer, "prompts/prompt.html", page, status=error.status)
    return RedirectResponse(f"/prompts/{kind}/{category}?saved={number}", 303)


@router.post("/{kind}/{category}/use")
def use(
    kind: str, category: str, viewer: Researcher, session: Writer, version: Annotated[int, Form()]
) -> Response:  # fmt: skip
    prompts.choose(session, viewer.user_id, kind, category, version)
    return RedirectResponse(f"/prompts/{kind}/{category}?saved={version}", 303)


def _page(
    session: Session,
    kind: str,
    category: str,
    *,
    version: int | None = None,
    other: int | None = None,
    saved: int | None = None,
    typed: Typed | None = None,
) -> PromptPage:
    return page_of(kind, category, prompts.versions(session, kind, category), version, other, saved, typed)


def page_of(
    kind: str,
    category: str,
    versions: list[Version],
    version: int | None = None,
    other: int | None = None,
    saved: int | None = None,
    typed: Typed | None = None,
) -> PromptPage:
    """The page over ``versions``. Raises NotFound for a version that is not among them."""
    used = next(v for v in versions if v.used)
    shown = used if version is None else _version(versions, version)
    comparison = None
    if other is not None:
        old, new = sorted((shown, _version(versions, other)), key=lambda v: v.version)
        comparison = Comparison(
            old.version, new.version, word_diff(old.system, new.system), word_diff(old.user, new.user)
        )  # fmt: skip
    return PromptPage(
        kind=kind, category=category, title=prompts.KINDS[kind], category_title=CATEGORIES[category].title,
        purpose=PURPOSES[kind], versions=versions, shown=shown, used=used, comparison=comparison,
        typed=typed or Typed(used.system, used.user), saved=saved == used.version,
    )  # fmt: skip


def _version(versions: list[Version], number: int) -> Version:
    found = next((v for v in versions if v.version == number), None)
    if found is None:
        raise NotFound(f"There is no version {number} of this prompt.")
    return found


_DAY = datetime(2026, 1, 2, tzinfo=UTC)
_PAPER = Version(
    1, "You are <an expert>.", "Remove the rain.", "GGT-100K, Appendix B", "", "the paper", None, used=True
)  # fmt: skip
_VERSIONS = [
    Version(3, "You are a judge.", "Remove the rain, all of it.", "", "drops stayed", "Ada <b>", _DAY, used=False),
    Version(2, "You are an expert.", "Remove rain.", "", "", "Bob", _DAY, used=True),
    Version(1, "You are <an expert>.", "Remove the rain.", "GGT-100K", "", "the paper", _DAY, used=False),
]
_CELLS = {
    kind: tuple(Cell(kind, category, 1, "the paper", None, "Please remove the rain …", 1) for category in CATEGORIES)
    for kind in prompts.KINDS
}
_CELLS["fix"] = (Cell("fix", "general_mixed", 3, "Ada <b>", _DAY, "Restore <this>.", 3), *_CELLS["fix"][1:])
EXAMPLES = {
    "prompts/index.html": [
        PromptsPage(_CELLS, {key: c.title for key, c in CATEGORIES.items()}, prompts.KINDS, PURPOSES)
    ],
    "prompts/prompt.html": [
        page_of("fix", "rain", [Version(1, "", "Remove the rain.", "GGT-100K", "", "the paper", None, used=True)]),
        page_of("meta", "rain", [_PAPER], typed=Typed("", "", "why", "A prompt needs a text.")),
        page_of("meta", "rain", _VERSIONS, version=1, other=3, saved=2),
    ],
}  # fmt: skip
