"""Images and candidates by API."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from app.services import gallery
from app.services.gallery_filter import GalleryFilter
from app.services.gallery_query import COUNT_CAP
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


class ImageQuery(BaseModel):
    """The gallery's filters. `<metric>_min` and `<metric>_max` are taken for every metric of `/api/v1/metrics`."""

    model_config = ConfigDict(extra="allow")

    category: str = ""
    source: str = ""
    stage: str = ""
    method: str = Field(default="", description="Show this method's latest candidate instead of the current one.")
    verdict: str = Field(default="", description="The judge's decision: accept, reject or none.")
    undersized: str = Field(default="", description="1: only images smaller than a patch.")
    sort: str = Field(default="", description="newest, a metric's key (best first), or `-` and its key (worst first).")
    after: str = Field(default="", description="The `next_cursor` of the answer before.")
    limit: int = Field(default=100, ge=1, le=500)


@router.get("/images")
def list_images(viewer: AnyViewer, session: Reader, query: Annotated[ImageQuery, Query()]) -> ImageList:
    """Images, newest first unless told otherwise. Metric bounds: `?niqe_max=5&lpips_min=0.1`."""
    wanted = GalleryFilter.parse({name: str(value) for name, value in query.model_dump().items()}, viewer.blind)
    found = gallery.count(session, wanted)
    page = gallery.page(session, wanted, query.after, query.limit, found)
    return ImageList(
        items=[ImageItem.model_validate(tile) for tile in page.tiles],
        total=min(found, COUNT_CAP),
        capped=found > COUNT_CAP,
        next_cursor=page.next_cursor,
    )


@router.get("/images/{image_id}")
def get_image(image_id: int, viewer: AnyViewer, session: Reader) -> ImageDetail:
    """An image with every candidate, score, verdict, review and event. Pixels: `/files/images/{image_id}/master`.

    To an annotator, verdicts, reviews and events are empty while the image waits for their decision in a queue that hides
    answers, as `decision` is in the list.
    """
    history = image_history(session, image_id, viewer.blind)
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
def get_candidate(candidate_id: int, _viewer: AnyViewer, session: Reader) -> CandidateItem:
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
