"""Queues of the review page: what is asked of annotators, in which order, how often, and of whom. For researchers."""

from dataclasses import dataclass
from typing import Annotated, Literal

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import RedirectResponse
from sqlmodel import Session

from app.domain.queue_order import ORDERS, Order
from app.errors import GgtError
from app.models import ReviewQueue
from app.services import gold, people, queues
from app.services.gallery_filter import GalleryFilter
from app.services.queues import QueueRow, Wanted
from app.web.deps import Reader, Researcher, Writer
from app.web.pages.images import chips_of
from app.web.templating import render
from app.web.viewer import Viewer

router = APIRouter(prefix="/queues")

ORDER_TITLES: dict[Order, str] = {
    "oldest": "Oldest first",
    "random": "At random",
    "stratified": "Each category in turn",
    "disagreement": "Metrics and judge disagree most",
    "uncertainty": "Judge is least sure",
}


@dataclass(frozen=True)
class Line:
    """One queue in words. ``filter`` says what it takes, ``who`` who works on it."""

    id: int
    name: str
    filter: str
    order: str
    overlap: int
    gold_every: int
    hide_answers: bool
    who: str
    open: int
    total: int
    active: bool
    filling: bool


@dataclass(frozen=True)
class QueuesPage:
    """``filter`` is the gallery's query string for a new queue, ``filter_words`` the same as people read it."""

    lines: tuple[Line, ...]
    wanted: Wanted
    filter_words: str
    orders: tuple[tuple[str, str], ...]
    people: tuple[tuple[int, str], ...]
    problem: str = ""


_LINE = Line(3, "Rain, three opinions", "Rain", "At random", 3, 20, True, "Ada, Bob, Eve", 1200, 1450, True, False)
EXAMPLES = {
    "queues/index.html": [
        QueuesPage((), Wanted(""), "Everything that waits", tuple(ORDER_TITLES.items()), ((1, "Ada"),)),
        QueuesPage(
            (_LINE,), Wanted("Rain", "category=rain", "random", 3, (1,)), "Rain", tuple(ORDER_TITLES.items()),
            ((1, "Ada"), (2, "Bob")), "A queue needs a name.",
        ),
    ]
}  # fmt: skip


@router.get("")
def index(
    request: Request, viewer: Researcher, session: Reader, filter: Annotated[str, Query(max_length=1000)] = ""
) -> Response:
    """All queues, and a form for a new one; ``filter`` comes from the gallery."""
    return _page(request, viewer, session, Wanted("", filter))


@router.post("")
def create(
    request: Request,
    viewer: Researcher,
    session: Writer,
    name: Annotated[str, Form(max_length=80)],
    filter: Annotated[str, Form(max_length=1000)] = "",
    order: Annotated[Order, Form()] = "oldest",
    overlap: Annotated[int, Form()] = 1,
    gold_every: Annotated[int, Form()] = 0,
    hide_answers: Annotated[bool, Form()] = False,
    person: Annotated[list[int] | None, Form()] = None,
) -> Response:
    """Make a queue; a large one is filled further by the workers."""
    wanted = Wanted(name, filter, order, overlap, tuple(person or ()), hide_answers, gold_every)
    try:
        made = queues.create(session, wanted, viewer.user_id)
    except GgtError as error:
        return _page(request, viewer, session, wanted, str(error), error.status)
    queues.fill(session, made)
    return RedirectResponse(f"/queues#queue-{made.id}", 303)


@router.post("/gold")
def set_gold(
    viewer: Researcher,
    session: Writer,
    candidate_id: Annotated[int, Form()],
    decision: Annotated[Literal["accept", "reject", "none"], Form()],
) -> Response:
    """Make a candidate a question whose answer is known, or ask it no more."""
    if decision == "none":
        image_id = gold.forget(session, user_id=viewer.user_id, candidate_id=candidate_id)
    else:
        image_id = gold.know(session, user_id=viewer.user_id, candidate_id=candidate_id, decision=decision)
    return RedirectResponse(f"/images/{image_id}#candidate-{candidate_id}", 303)


@router.post("/{queue_id}/close")
def close(viewer: Researcher, session: Writer, queue_id: int) -> Response:
    queues.set_active(session, queue_id, False, viewer.user_id)
    return RedirectResponse("/queues", 303)


@router.post("/{queue_id}/open")
def reopen(viewer: Researcher, session: Writer, queue_id: int) -> Response:
    queues.set_active(session, queue_id, True, viewer.user_id)
    return RedirectResponse("/queues", 303)


def _page(
    request: Request, viewer: Viewer, session: Session, wanted: Wanted, problem: str = "", status: int = 200
) -> Response:
    try:
        words = _words(queues.parsed(wanted.filter))
    except GgtError as error:
        wanted, words, problem = Wanted(wanted.name), _words(GalleryFilter()), problem or str(error)
    context = QueuesPage(
        lines=tuple(_line(row) for row in queues.overview(session)),
        wanted=wanted,
        filter_words=words,
        orders=tuple((order, ORDER_TITLES[order]) for order in ORDERS),
        people=tuple((person.id or 0, person.name) for person in people.everyone(session) if person.active),
        problem=problem,
    )
    return render(request, viewer, "queues/index.html", context, status=status)


def _line(row: QueueRow) -> Line:
    queue: ReviewQueue = row.queue
    try:
        words = _words(queues.parsed(queue.filter))
    except GgtError:
        words = queue.filter  # a metric or category that the catalogue no longer has
    return Line(
        queue.id or 0, queue.name, words, ORDER_TITLES.get(queue.order, queue.order), queue.overlap,  # type: ignore[call-overload]
        queue.gold_every, queue.hide_answers, ", ".join(row.people) or "Everybody", row.open, row.total, queue.active,
        not queue.filled,
    )  # fmt: skip


def _words(wanted: GalleryFilter) -> str:
    return ", ".join(chip.text for chip in chips_of(wanted)) or "Everything that waits"
