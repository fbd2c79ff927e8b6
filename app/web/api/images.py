"""Images and candidates by API."""

from typing import Annotated

from fastapi import APIRouter, Query, Request

from app.services import gallery
from app.services.gallery import COUNT_CAP
from app.services.gallery_filter import GalleryFilter
from app.services.image_history import Attempt, candidate, image_history
from app.web.api.answers import (
    AttemptItem,
    CandidateItem,
    ChainItem,
    EventItem,
    FileItem,
    ImageDetail,
    ImageFacts,
    ImageItem,
    ImageList,
    SourceItem,
    attributes,
)
from app.web.deps import AnyViewer, Reader

router = APIRouter(prefix="/api/v1", tags=["images"])


@router.get("/images")
def list_images(
    request: Request,
    viewer: AnyViewer,
    session: Reader,
    category: str = "",
    source: str = "",
    stage: str = "",
    method: str = "",
    verdict: str = "",
    undersized: str = "",
    sort: str = "",
    after: str = "",
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> ImageList:
    """Images with the filters of the gallery: those named here, and `<metric>_min`, `<metric>_max` for every metric.

    Sort by `newest`, by a metric's key (best first) or by `-` and its key (worst first).
    """
    wanted = GalleryFilter.parse(request.query_params)
    found = gallery.count(session, wanted)
    page = gallery.page(session, wanted, after, limit)
    return ImageList(
        items=[ImageItem.model_validate(tile) for tile in page.tiles],
        total=min(found, COUNT_CAP),
        capped=found > COUNT_CAP,
        next_cursor=page.next_cursor,
    )


@router.get("/images/{image_id}")
def get_image(image_id: int, viewer: AnyViewer, session: Reader) -> ImageDetail:
    """An image with every candidate, score, verdict, review and event. Pixels: `/files/images/{image_id}/master`."""
    history = image_history(session, image_id)
    return ImageDetail(
        image=ImageFacts.model_validate(history.image),
        source=SourceItem.model_validate(history.source),
        file=FileItem.model_validate(history.file),
        chains=[
            ChainItem.model_validate(attributes(chain, attempts=[_attempt(a) for a in chain.attempts]))
            for chain in history.chains
        ],
        events=[EventItem.model_validate(event) for event in history.events],
    )


@router.get("/candidates/{candidate_id}")
def get_candidate(candidate_id: int, viewer: AnyViewer, session: Reader) -> CandidateItem:
    """A candidate with its recipe. Pixels: `/files/candidates/{candidate_id}/file`."""
    return CandidateItem.model_validate(candidate(session, candidate_id))


def _attempt(attempt: Attempt) -> AttemptItem:
    summary = attempt.summary
    return AttemptItem.model_validate(
        attributes(
            attempt, attempt=summary.attempt, stage=summary.stage, filter_passed=summary.filter_passed,
            filter_reason=summary.filter_reason,
        )
    )  # fmt: skip
