"""The review page: one pair at a time, decided by keyboard or by two plain forms."""

import logging
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import JSONResponse, RedirectResponse
from pydantic import AwareDatetime, BaseModel, Field, Json, StringConstraints
from sqlalchemy.exc import DBAPIError
from sqlmodel import Session

from app.catalog.categories import CATEGORIES
from app.db import together
from app.domain.aspects import ASPECTS, SHORT_TITLES
from app.domain.review import REASON_TITLES, Answer, Choice, Reason
from app.errors import NotAllowed, NotFound
from app.models import ReviewQueue, new_token, utcnow
from app.services import queues, review, review_items, review_leases, review_progress, review_queue
from app.services.review_items import ReviewItem
from app.services.review_progress import Locked, Progress
from app.services.review_queue import Filters
from app.web.deps import Annotator, Writer
from app.web.errors import wants_json
from app.web.pages.review_item import EXAMPLE_ITEM, ItemView, item_view
from app.web.templating import duration, html, render
from app.web.viewer import Viewer

router = APIRouter(prefix="/review")
log = logging.getLogger("ggt.review")

After = Annotated[int, Query(ge=0, le=2**53)]
Score = Annotated[str, StringConstraints(pattern=rf"^({'|'.join(ASPECTS)}):\d{{1,3}}(\.\d+)?$")]
Mark = Annotated[str, StringConstraints(pattern=r"^\d(\.\d+)?(,\d(\.\d+)?){3}$")]
Ids = Annotated[list[int], Field(max_length=review_queue.MAX_EXCLUDED)]


@dataclass(frozen=True)
class ReviewPage:
    """``item`` is leased to the viewer; without one ``empty`` says why. ``data`` is what the script starts with.

    ``queue`` is the id of the queue worked on, empty for all that waits.
    """

    item: ItemView | None
    empty: str
    progress: Progress
    queue: str
    category: str
    source: str
    queues: tuple[tuple[str, str], ...]
    categories: tuple[tuple[str, str], ...]
    sources: tuple[tuple[str, str], ...]
    reasons: tuple[tuple[str, str], ...]
    aspects: tuple[tuple[str, str], ...]
    key: str
    query: str
    data: dict[str, Any]

    @property
    def queue_name(self) -> str:
        """The queue in words: "Rain, from own-2026"."""
        queue = dict(self.queues).get(self.queue)
        category = dict(self.categories).get(self.category) or queue or "All categories"
        category = f"{queue}: {category}" if queue and self.category else category
        source = dict(self.sources).get(self.source)
        return f"{category}, from {source}" if source else category

    @property
    def skip_query(self) -> str:
        """Where Skip leads without a script: behind this pair."""
        after = f"after={self.item.image_id}" if self.item else ""
        return f"{self.query}&{after}" if self.query else f"?{after}"


EXAMPLES = {
    "review/index.html": [
        ReviewPage(
            item,
            "Nothing waits here.",
            Progress(124, 31.2, 3120),
            "3",
            "rain",
            "1",
            (("3", "Rain, three opinions"),),
            (("rain", "Rain"),),
            (("1", "own-2026"),),
            tuple((r.value, t) for r, t in REASON_TITLES.items()),
            tuple(SHORT_TITLES.items()),
            "k" * 43,
            "?category=rain",
            {},
        )
        for item in (EXAMPLE_ITEM, None)
    ],
    "review/_info.html": [EXAMPLE_ITEM],
}


class QueueRequest(BaseModel):
    """What a browser has and wants. ``held`` is on screen or loaded ahead, ``exclude`` was skipped or is being sent.

    ``progress``: counting what is left costs more than finding the next pair, so it is not asked for each time.
    """

    held: Ids = []
    exclude: Ids = []
    want: int = Field(ge=0, le=review_leases.MAX_ITEMS)
    queue: str = ""
    category: str = ""
    source: str = ""
    day_start: AwareDatetime | None = None
    progress: bool = True


@router.get("")
def page(
    request: Request,
    viewer: Annotator,
    session: Writer,
    queue: str = "",
    category: str = "",
    source: str = "",
    after: After = 0,
) -> Response:
    """The page, with the first pair leased to the viewer."""
    filters = _filters(session, viewer, queue, category, source, after)
    held = review_queue.next_items(session, viewer.user_id, filters, 1)
    found = review_items.items(session, viewer.user_id, [one.image_id for one in held])
    item = item_view(found[0]) if found else None
    chosen = {k: v for k, v in (("queue", queue), ("category", filters.category or ""), ("source", source)) if v}
    context = ReviewPage(
        item=item,
        empty="" if item else _empty(session, viewer, filters)["text"],
        progress=review_progress.progress(session, viewer.user_id, filters, _day_start(None)),
        queue=queue,
        category=filters.category or "",
        source=source,
        queues=tuple((str(q.id), q.name) for q in queues.mine(session, viewer.user_id)),
        categories=tuple((c.key, c.title) for c in CATEGORIES.values()),
        sources=tuple((str(i), name) for i, name in review_progress.sources(session)),
        reasons=tuple((r.value, title) for r, title in REASON_TITLES.items()),
        aspects=tuple(SHORT_TITLES.items()),
        key=new_token(),
        query=f"?{urlencode(chosen)}" if chosen else "",
        data={
            "user_id": viewer.user_id,
            "items": [_json(item, viewer)] if item else [],
            "filters": {"queue": queue, "category": filters.category or "", "source": source},
        },
    )
    return render(request, viewer, "review/index.html", context, headers={"Cache-Control": "no-store"})


@router.post("/queue")
def queue(viewer: Annotator, asked: QueueRequest) -> JSONResponse:
    """Keep what the browser holds, and lease it more."""
    return JSONResponse(_handed_out(viewer, asked))


@router.post("/release")
def release(viewer: Annotator, session: Writer, image_id: Annotated[list[int], Form(max_length=100)]) -> Response:
    """Give leases back: the page was left, or a pair was skipped."""
    review_leases.release(session, viewer.user_id, image_id)
    return Response(status_code=204)


@router.post("/decide")
def decide(
    request: Request,
    viewer: Annotator,
    key: Annotated[str, Form()],
    image_id: Annotated[int, Form()],
    candidate_id: Annotated[int, Form()],
    decision: Annotated[Choice, Form()],
    reasons: Annotated[list[Reason] | None, Form()] = None,
    note: Annotated[str, Form()] = "",
    score: Annotated[list[Score] | None, Form()] = None,
    mark: Annotated[list[Mark] | None, Form()] = None,
    query: Annotated[str, Form()] = "",
    more: Annotated[Json[QueueRequest] | None, Form()] = None,
) -> Response:
    """Store one decision. A score is "aspect:85"; a mark is "x,y,width,height" in shares of the LQ's sides.

    ``more`` is what /queue takes, as JSON: the answer then brings the next pairs along, null where they cannot be had. A
    decision is the request that is made thousands of times a day, and one request costs half of two.
    """
    answer = Answer(
        decision,
        tuple(r.value for r in reasons or ()),
        note,
        {name: float(value) for name, _, value in (one.partition(":") for one in score or ())},
        [[float(part) for part in one.split(",")] for one in mark or ()],
    )
    decided = together(
        lambda session: review.decide(
            session, user_id=viewer.user_id, key=key, image_id=image_id, candidate_id=candidate_id, answer=answer
        )
    )
    if not wants_json(request):
        return _back(query)
    return JSONResponse(asdict(decided) | {"more": _more(viewer, more) if more else None})


@router.post("/undo")
def undo(
    request: Request,
    viewer: Annotator,
    session: Writer,
    key: Annotated[str, Form()] = "",
    query: Annotated[str, Form()] = "",
) -> Response:
    """Take back a decision, the newest without a key. The answer brings the pair for the screen."""
    undone = review.undo(session, user_id=viewer.user_id, review_key=key or None)
    if not wants_json(request):
        return _back(query)
    found = review_items.items(session, viewer.user_id, [undone.image_id])
    return JSONResponse({**asdict(undone), "item": _json(item_view(found[0]), viewer) if found else None})


@router.get("/me")
def me(viewer: Annotator) -> JSONResponse:
    """Whose session this is, for decisions that wait in the browser."""
    return JSONResponse({"user_id": viewer.user_id, "csrf": viewer.csrf}, headers={"Cache-Control": "no-store"})


def _filters(session: Session, viewer: Viewer, queue: str, category: str, source: str, after: int = 0) -> Filters:
    """Filters from the URL. An unknown category or source shows all instead of an error.

    Raises NotFound for an unknown queue, NotAllowed for one that the viewer does not work on.
    """
    known = category if category in CATEGORIES else None
    source_id = _id(source)
    if not queue:
        return Filters(known, source_id, after)
    found = queues.get(session, _id(queue) or 0)
    if not queues.open_to(found, viewer.user_id):
        raise NotAllowed(_closed(found))
    return queues.filters(found, known, source_id)


def _closed(queue: ReviewQueue) -> str:
    if not queue.active:
        return f'The queue "{queue.name}" is closed. Choose another one.'
    return f'The queue "{queue.name}" is for other annotators. Choose another one.'


def _id(text: str) -> int | None:
    return int(text) if text.isdecimal() and len(text) < 10 else None


def _handed_out(viewer: Viewer, asked: QueueRequest) -> dict[str, Any]:
    """Pairs newly leased to the browser, ids of those it lost, and why there are not more."""

    def work(session: Session) -> tuple[list[ReviewItem], set[int], dict[str, Any] | None, dict[str, Any] | None]:
        filters = _filters(session, viewer, asked.queue, asked.category, asked.source)
        lost = review_queue.renew(session, viewer.user_id, asked.held, filters)
        held = review_queue.next_items(session, viewer.user_id, filters, asked.want, [*asked.held, *asked.exclude])
        found = review_items.items(session, viewer.user_id, [one.image_id for one in held])
        empty = _empty(session, viewer, filters) if len(found) < asked.want else None
        return found, lost, empty, _progress(session, viewer, filters, asked.day_start) if asked.progress else None

    found, lost, empty, progress = together(work)
    items = [_json(item_view(item), viewer) for item in found]
    return {"items": items, "lost": sorted(lost), "empty": empty, "progress": progress}


def _more(viewer: Viewer, asked: QueueRequest) -> dict[str, Any] | None:
    """As above, behind a decision that is stored already: whatever goes wrong here must not make it look refused."""
    try:
        return _handed_out(viewer, asked)
    except (NotAllowed, NotFound):
        return None  # the queue was closed meanwhile; the browser asks once more and is told
    except DBAPIError:
        log.exception("a decision was stored, but the next pairs could not be had")
        return None


def _progress(session: Session, viewer: Viewer, filters: Filters, day_start: datetime | None) -> dict[str, Any]:
    return asdict(review_progress.progress(session, viewer.user_id, filters, _day_start(day_start)))


def _day_start(given: datetime | None) -> datetime:
    """The browser's last midnight; that of UTC where it sent none that can be one."""
    now = utcnow()
    if given is not None and now - timedelta(hours=26) < given <= now:
        return given
    return now.replace(hour=0, minute=0, second=0, microsecond=0)


def _empty(session: Session, viewer: Viewer, filters: Filters) -> dict[str, Any]:
    """Why nothing comes, and the seconds until something may."""
    locked = review_progress.locked(session, viewer.user_id, filters)
    if locked is None and filters.queue_id is None and queues.mine(session, viewer.user_id):
        return {"text": "Nothing waits outside of the queues. Choose one:", "seconds": 0}
    return _why_empty(locked)


def _why_empty(locked: Locked | None) -> dict[str, Any]:
    if locked is None:
        return {"text": "Nothing waits for verification here. New pairs appear when a run retains them.", "seconds": 0}
    if not locked.count:
        others = f"{locked.others_turn:,} wait" if locked.others_turn != 1 else "One waits"
        text = f"You have decided on everything here. {others} for somebody else's independent decision."
        return {"text": text, "seconds": 0}
    are, others = ("is", "another annotator") if locked.count == 1 else ("are", "other annotators")
    free = duration(locked.seconds)
    text = f"{locked.count} {are} open with {others}; the next is free in {free}, or when they decide."
    return {"text": text, "seconds": locked.seconds}


def _json(item: ItemView, viewer: Viewer) -> dict[str, Any]:
    return {
        "image_id": item.image_id,
        "candidate_id": item.candidate_id,
        "name": item.name,
        "images": [{"url": item.lq_url, "label": "LQ"}, {"url": item.hq_url, "label": "HQ"}],
        "info": html("review/_info.html", item, viewer, "/review"),
    }


def _back(query: str) -> RedirectResponse:
    """To the next pair of the same queue. Only a query is taken from the form, so it cannot lead elsewhere."""
    return RedirectResponse("/review" + (query if query.startswith("?") and query.isprintable() else ""), 303)
