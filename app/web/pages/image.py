"""One image: its whole history, from the file it was cut from to the decision about its HQ."""

from dataclasses import dataclass

from fastapi import APIRouter, Request, Response

from app.catalog.categories import CATEGORIES
from app.models import Candidate, CandidateSummary, Image, Source, SourceFile, Stage, utcnow
from app.services import gallery
from app.services.gallery_filter import GalleryFilter
from app.services.image_history import (
    AspectRow,
    Attempt,
    EventRow,
    ImageHistory,
    MethodChain,
    ReviewRow,
    ScoreRow,
    VerdictRow,
    image_history,
)
from app.web.deps import AnyViewer, Reader
from app.web.pages.images import STAGE_TITLES
from app.web.templating import render

router = APIRouter()


@dataclass(frozen=True)
class ImagePage:
    """``before`` and ``after`` are the neighbours in the gallery as ``query`` filters it; ``back`` is that gallery."""

    history: ImageHistory
    category: str
    stage: str
    before: int | None
    after: int | None
    query: str
    back: str


@router.get("/images/{image_id}")
def image(request: Request, image_id: int, viewer: AnyViewer, session: Reader) -> Response:
    wanted = GalleryFilter.parse(request.query_params)
    history = image_history(session, image_id)
    before, after = gallery.neighbours(session, wanted, image_id)
    return render(request, viewer, "image/index.html", _page(history, before, after, wanted))


def _page(history: ImageHistory, before: int | None, after: int | None, wanted: GalleryFilter) -> ImagePage:
    known = CATEGORIES.get(history.image.category)
    return ImagePage(
        history=history,
        category=known.title if known else history.image.category,
        stage=STAGE_TITLES[Stage(history.image.stage)],
        before=before,
        after=after,
        query=wanted.url(""),
        back=wanted.url("/images") + f"#image-{history.image.id}",
    )


def _example_history() -> ImageHistory:
    now = utcnow()
    image = Image(
        id=12, source_file_id=3, source_id=2, category="rain", resized_width=1365, resized_height=1024, box_x=0, box_y=0,
        box_width=1024, box_height=1024, master_sha256="a" * 64, pixel_sha256="b" * 64, thumbnail_sha256="c" * 64,
        stage=Stage.VERIFIED, stage_reason="", current_candidate_id=31, created_at=now,
    )  # fmt: skip
    source = Source(id=2, name="own-2026", licence="CC BY 4.0", author="Ada", url="example.org/photos", created_at=now)
    file = SourceFile(
        id=3, source_id=2, name="night/0001.jpg", file_sha256="d" * 64, size=3_400_000, format="jpeg", width=4000,
        height=3000, phash="0f" * 8, notes=["EXIF orientation 6 applied"], exif={"Model": "X100"}, created_at=now,
    )  # fmt: skip
    scores = (
        ScoreRow("niqe", "NIQE", "lower", False, 4.2, 6.1, "better", "", "1"),
        ScoreRow("psnr", "PSNR", "higher", True, 27.1, None, "", "", "1"),
        ScoreRow("piqe", "PIQE", "lower", False, None, 30.0, "", "flat image", "1"),
    )
    aspects = (AspectRow("object_consistency", 84.0, 90, True, "Two lamps are missing at the left."),)
    verdict = VerdictRow("local-measure", True, "1", "reject", "reject", aspects, now)
    review = ReviewRow("Ada", "accept", ("artifact",), "fine", now, None)
    attempts = tuple(
        Attempt(
            Candidate(
                id=number, image_id=12, method_id=1, recipe_hash="e" * 64,
                recipe={"params": {"strength": 1.0}, "prompt": "Remove the rain."},
                file_sha256="f" * 64, media_type="image/png", pixel_sha256=str(number) * 32, thumbnail_sha256="a" * 64,
                width=1024, height=1024, seconds=2.5, created_at=now,
            ),
            CandidateSummary(
                candidate_id=number, image_id=12, method_id=1, source_id=2, category="rain", chosen=True, stage="judged_out",
                attempt=number - 29, filter_passed=True, filter_reason="3 of 3 improved.", decision="reject",
                rule_decision="reject",
            ),
            "The attempt before was rejected for object consistency." if number == 31 else "",
            {"strength": (1.0, 0.6)} if number == 31 else {}, scores, (verdict,), (review,),
        )
        for number in (30, 31)
    )  # fmt: skip
    chain = MethodChain("local-derain", "Rain layer separation", True, True, attempts)
    return ImageHistory(image, source, file, (chain,), (EventRow(now, "Ada", "review.accepted", ""),))


_HISTORY = _example_history()
_NEW = ImageHistory(
    _HISTORY.image.model_copy(update={"stage": Stage.COLLECTED, "current_candidate_id": None}),
    Source(id=2, name="own", created_at=utcnow()), _HISTORY.file.model_copy(update={"phash": None, "notes": [], "exif": {}}),
    (), (),
)  # fmt: skip
EXAMPLES = {
    "image/index.html": [
        _page(_HISTORY, 11, 13, GalleryFilter(category="rain")),
        _page(_NEW, None, None, GalleryFilter()),
    ]
}
