"""Adjudication: pairs that people disagree about, their answers side by side, and the decision that settles it."""

from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse
from sqlmodel import Session

from app.catalog.categories import CATEGORIES
from app.domain.aspects import ASPECTS
from app.domain.review import MAX_NOTE, REASON_TITLES, TASKS, Answer, Choice, Reason
from app.errors import GgtError, NotFound
from app.models import Candidate, Image, Stage, new_token, utcnow
from app.services import adjudication, review
from app.services.adjudication import COUNT_CAP, AnswerRow, Dispute, Disputes, Last, Open
from app.services.image_chains import AspectRow, VerdictRow
from app.services.threshold_calibration import words
from app.web.deps import Reader, Researcher, Writer
from app.web.pages.images import STAGE_TITLES
from app.web.templating import render
from app.web.viewer import Viewer

router = APIRouter(prefix="/adjudicate")

PAST = {"accept": "accepted", "reject": "rejected", "regenerate": "sent for another try"}
REASONS: dict[str, str] = {reason.value: title for reason, title in REASON_TITLES.items()}


@dataclass(frozen=True)
class ListPage:
    """Pairs that wait to be settled; ``more`` leads to the next ones."""

    rows: tuple[Dispute, ...]
    total: str
    category: str
    categories: tuple[tuple[str, str], ...]
    titles: dict[str, str]
    more: str
    last: Last | None
    past: dict[str, str]


@dataclass(frozen=True)
class Box:
    """A mark, in pixels of the LQ."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class AnswerView:
    """An answer under a letter; its maker's name is behind a toggle until the pair is settled."""

    letter: str
    answer: AnswerRow
    past: str
    reasons: tuple[str, ...]
    scores: tuple[tuple[str, float], ...]
    boxes: tuple[Box, ...]


@dataclass(frozen=True)
class Typed:
    """What was given and could not be stored, and why."""

    problem: str = ""
    reasons: tuple[str, ...] = ()
    note: str = ""


@dataclass(frozen=True)
class ItemPage:
    """``key`` makes sending the form twice harmless. ``mine``: the viewer settled it and may take that back."""

    item: Open
    answers: tuple[AnswerView, ...]
    stage: str
    title: str
    task: str
    key: str
    category: str
    query: str
    reasons: tuple[tuple[str, str], ...]
    typed: Typed
    mine: bool
    last: Last | None
    past: dict[str, str]
    longest: int = MAX_NOTE


@router.get("")
def index(request: Request, viewer: Researcher, session: Reader, category: str = "", after: int | None = None) -> Response:
    known = _category(category)
    found = adjudication.disputes(session, known, after)
    last = adjudication.last_final(session, viewer.user_id)
    return render(request, viewer, "adjudicate/index.html", _list(found, known, last), headers={"Cache-Control": "no-store"})


@router.get("/{image_id}")
def item(request: Request, image_id: int, viewer: Researcher, session: Reader, category: str = "") -> Response:
    page = _read(session, viewer, image_id, _category(category))
    return render(request, viewer, "adjudicate/item.html", page, headers={"Cache-Control": "no-store"})


@router.post("/undo")
def undo(
    viewer: Researcher, session: Writer, key: Annotated[str, Form()], category: Annotated[str, Form()] = ""
) -> Response:
    """Take back one's own final decision; the pair is on the screen again."""
    undone = review.undo(session, user_id=viewer.user_id, review_key=key)
    return _to(undone.image_id, _category(category))


@router.post("/send-back")
def send_back(
    request: Request, viewer: Researcher, session: Writer, key: Annotated[str, Form()], image_id: Annotated[int, Form()],
    note: Annotated[str, Form()] = "", category: Annotated[str, Form()] = "",
) -> Response:  # fmt: skip
    """Give an answer back to its maker with a note; the pair then waits for them."""
    known = _category(category)
    if not note.strip():
        page = _read(session, viewer, image_id, known, Typed("Say in a note what is to be looked at again."))
        return render(request, viewer, "adjudicate/item.html", page, status=400)
    returned = review.send_back(session, user_id=viewer.user_id, review_key=key, note=note)
    return _to(adjudication.next_after(session, returned.image_id, known), known)


@router.post("/{image_id}")
def settle(
    request: Request, image_id: int, viewer: Researcher, session: Writer, key: Annotated[str, Form()],
    candidate_id: Annotated[int, Form()], decision: Annotated[Choice, Form()],
    reasons: Annotated[list[Reason] | None, Form()] = None, note: Annotated[str, Form()] = "",
    category: Annotated[str, Form()] = "",
) -> Response:  # fmt: skip
    """Decide finally, and go on to the next disputed pair. Reasons belong to a rejection and are left out of others."""
    known = _category(category)
    given = tuple(reason.value for reason in reasons or ())
    answer = Answer(decision, given if decision == "reject" else (), note)
    try:
        review.settle(
            session, user_id=viewer.user_id, key=key, image_id=image_id, candidate_id=candidate_id, answer=answer
        )  # fmt: skip
    except NotFound:
        raise
    except GgtError as error:  # shown beside what was typed, which must not be lost
        page = _read(session, viewer, image_id, known, Typed(str(error), given, note))
        return render(request, viewer, "adjudicate/item.html", page, status=error.status)
    return _to(adjudication.next_after(session, image_id, known), known)


def _category(category: str) -> str:
    """An unknown category shows all instead of an error."""
    return category if category in CATEGORIES else ""


def _to(image_id: int | None, category: str) -> RedirectResponse:
    path = "/adjudicate" if image_id is None else f"/adjudicate/{image_id}"
    return RedirectResponse(path + _query(category=category), 303)


def _query(**pairs: str) -> str:
    given = {name: value for name, value in pairs.items() if value}
    return f"?{urlencode(given)}" if given else ""


def _read(session: Session, viewer: Viewer, image_id: int, category: str, typed: Typed | None = None) -> ItemPage:
    found = adjudication.open_item(session, image_id, category)
    last = adjudication.last_final(session, viewer.user_id)
    return _item(found, viewer.user_id, category, last, typed or Typed())


def _list(found: Disputes, category: str, last: Last | None) -> ListPage:
    return ListPage(
        found.rows,
        f"{found.total:,}" if found.total <= COUNT_CAP else f"{COUNT_CAP:,}+",
        category,
        tuple((key, c.title) for key, c in CATEGORIES.items()),
        {key: c.title for key, c in CATEGORIES.items()},
        "/adjudicate" + _query(category=category, after=str(found.after)) if found.after else "",
        last,
        PAST,
    )


def _item(found: Open, user_id: int, category: str, last: Last | None, typed: Typed) -> ItemPage:
    image = found.image
    known = CATEGORIES.get(image.category)
    return ItemPage(
        item=found,
        answers=tuple(_answer(chr(ord("A") + place), one, image) for place, one in enumerate(found.answers)),
        stage=STAGE_TITLES[Stage(image.stage)],
        title=known.title if known else image.category,
        task=TASKS.get(image.category, ""),
        key=new_token(),
        category=category,
        query=_query(category=category),
        reasons=tuple(REASONS.items()),
        typed=typed,
        mine=found.final is not None and found.final.user_id == user_id,
        last=last,
        past=PAST,
    )


def _answer(letter: str, answer: AnswerRow, image: Image) -> AnswerView:
    return AnswerView(
        letter,
        answer,
        PAST[answer.decision],
        tuple(REASONS.get(reason, reason) for reason in answer.reasons),
        tuple((words(aspect), answer.scores[aspect]) for aspect in ASPECTS if aspect in answer.scores),
        tuple(
            Box(*(round(share * side, 1) for share, side in zip(mark, (image.width, image.height) * 2, strict=True)))
            for mark in answer.marks
        ),
    )


def _example(*, final: bool, typed: Typed) -> ItemPage:
    now = utcnow()
    image = Image(
        id=12, source_file_id=3, source_id=2, category="rain", box_x=0, box_y=0, box_width=1024, box_height=768,
        master_sha256="a" * 64, pixel_sha256="b" * 64, thumbnail_sha256="c" * 64, current_candidate_id=31,
        stage=Stage.VERIFIED if final else Stage.DISPUTED, created_at=now,
    )  # fmt: skip
    candidate = Candidate(
        id=31, image_id=12, method_id=1, recipe_hash="e" * 64, file_sha256="f" * 64, media_type="image/png",
        pixel_sha256="d" * 64, thumbnail_sha256="a" * 64, width=1024, height=768, created_at=now,
    )  # fmt: skip
    scores: dict[str, float] = {ASPECTS[0]: 40.0, ASPECTS[1]: 85.0}
    answers = (
        AnswerRow("k" * 8, 3, "Ada <b>", "own", "reject", ("artifact",), "A <halo>.", scores, ((0.1, 0.2, 0.3, 0.1),), now),
        AnswerRow("l" * 8, 4, "Ben", "own", "accept", (), "", {}, (), now),
        AnswerRow("m" * 8, 5, "Cem", "own", "regenerate", (), "Keep the wet road.", {}, (), now),
    )
    settled = AnswerRow("n" * 8, 1, "Ada <b>", "final", "accept", (), "Fine <here>.", {}, (), now)
    aspects = (AspectRow(ASPECTS[1], 84.0, 90, True, "Two lamps are missing."), AspectRow(ASPECTS[2], None, 60, False, ""))
    verdicts = (
        VerdictRow("local-measure", "Local measurement", True, False, "1", "reject", "reject", aspects, now),
        VerdictRow("gpt-5.4-pro", "GPT-5.4-Pro", False, True, "1", "accept", "reject", aspects, now),
    )
    found = Open(image, candidate, answers, settled if final else None, verdicts, 11, None if final else 13)
    return _item(found, 1, "" if final else "rain", Last("n" * 8, 12, "accept", now), typed)


_ROW = Dispute(12, "ab" * 32, 34, "cd" * 32, "rain", 1, 1, 1, utcnow())
EXAMPLES = {
    "adjudicate/index.html": [
        _list(Disputes((_ROW,), 12, 61), "rain", Last("n" * 8, 12, "reject", utcnow())),
        _list(Disputes((), None, 0), "", None),
    ],
    "adjudicate/item.html": [
        _example(final=False, typed=Typed()),
        _example(final=False, typed=Typed("A rejection needs a reason.", ("artifact",), "</textarea>")),
        _example(final=True, typed=Typed()),
    ],
}
