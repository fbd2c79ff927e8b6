"""One image: its whole history, from the file it was cut from to the decision about its HQ."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse
from sqlmodel import Session

from app.catalog.categories import CATEGORIES
from app.errors import GgtError, NotFound
from app.models import Candidate, CandidateSummary, Image, Source, SourceFile, Stage, utcnow
from app.services import gallery, prompt_edits
from app.services.gallery_filter import GalleryFilter
from app.services.image_chains import AspectRow, Attempt, MethodChain, RefusalRow, ReviewRow, ScoreRow, VerdictRow
from app.services.image_history import EventRow, ImageHistory, image_history
from app.services.image_prompts import VlmPrompts, image_prompts, of_vlm
from app.services.prompts import LONGEST, WrittenRow
from app.web.deps import AnyViewer, Reader, Researcher, Writer
from app.web.pages.images import STAGE_TITLES
from app.web.templating import render

router = APIRouter()


@dataclass(frozen=True)
class Typed:
    """A prompt that could not be stored, for which VLM, and why."""

    vlm: str
    text: str
    problem: str


@dataclass(frozen=True)
class ImagePage:
    """``before`` and ``after`` are the neighbours in the gallery as ``query`` filters it; ``back`` is that gallery.

    ``prompts`` are those written for this image, a row for every VLM; ``typed`` is one that could not be stored.
    """

    history: ImageHistory
    category: str
    stage: str
    before: int | None
    after: int | None
    query: str
    back: str
    prompts: tuple[VlmPrompts, ...]
    typed: Typed | None = None
    longest: int = LONGEST


@router.get("/images/{image_id}")
def image(request: Request, image_id: int, viewer: AnyViewer, session: Reader) -> Response:
    wanted = GalleryFilter.parse(request.query_params, viewer.blind)
    return render(request, viewer, "image/index.html", _read(session, image_id, wanted))


@router.post("/images/{image_id}/prompts/{vlm}")
def edit_prompt(
    request: Request,
    image_id: int,
    vlm: str,
    viewer: Researcher,
    session: Writer,
    meta_version: Annotated[int, Form()],
    text: Annotated[str, Form()] = "",
    stand_in: Annotated[bool, Form()] = False,
    seen: Annotated[int | None, Form()] = None,
) -> Response:
    """Store a person's edition of the prompt that a VLM wrote, or would write, for this image."""
    wanted = GalleryFilter.parse(request.query_params)
    try:
        prompt_edits.edit_written(
            session, viewer.user_id, image_id, vlm, meta_version, text, seen=seen, stand_in=stand_in
        )  # fmt: skip
    except NotFound:
        raise
    except GgtError as error:  # shown beside what was typed, which must not be lost
        page = _read(session, image_id, wanted, Typed(vlm, text, str(error)))
        return render(request, viewer, "image/index.html", page, status=error.status)
    return RedirectResponse(wanted.url(f"/images/{image_id}") + "#prompts", 303)


def _read(session: Session, image_id: int, wanted: GalleryFilter, typed: Typed | None = None) -> ImagePage:
    history = image_history(session, image_id, wanted.blind)
    before, after = gallery.neighbours(session, wanted, image_id)
    return _page(history, before, after, wanted, image_prompts(session, image_id, history.meta_version), typed)


def _page(
    history: ImageHistory,
    before: int | None,
    after: int | None,
    wanted: GalleryFilter,
    prompts: tuple[VlmPrompts, ...],
    typed: Typed | None = None,
) -> ImagePage:
    known = CATEGORIES.get(history.image.category)
    return ImagePage(
        history=history,
        category=known.title if known else history.image.category,
        stage=STAGE_TITLES[Stage(history.image.stage)],
        before=before,
        after=after,
        query=wanted.url(""),
        back=wanted.url("/images") + f"#image-{history.image.id}",
        prompts=prompts,
        typed=typed,
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
        author="Bob <b>", author_url="https://example.org/bob", url="https://example.org/1",
    )  # fmt: skip
    scores = (
        ScoreRow("niqe", "NIQE", "lower", False, 4.2, 6.1, "better", "", "1"),
        ScoreRow("psnr", "PSNR", "higher", True, 27.1, None, "", "", "1"),
        ScoreRow("piqe", "PIQE", "lower", False, None, 30.0, "", "flat image", "1"),
    )
    aspects = (AspectRow("object_consistency", 84.0, 90, True, "Two lamps are missing at the left."),)
    verdicts = (
        VerdictRow("local-measure", "Local measurement", True, False, "1", "reject", "reject", aspects, now),
        VerdictRow("gemini-3.1-pro", "Gemini-3.1-Pro", False, True, "1", "accept", "reject", aspects, now),
    )
    review = ReviewRow("Ada", "accept", ("artifact",), "fine", now, None)
    attempts = tuple(
        Attempt(
            Candidate(
                id=number, image_id=12, method_id=1, recipe_hash="e" * 64,
                recipe={
                    "params": {"strength": 1.0}, "prompt": "Remove <the rain>. " * (1 if number == 30 else 40),
                    "prompt_version": "fix/1", "prompt_cut": number == 31, "extra": "Keep <it>." if number == 31 else "",
                },
                checks={"width": 1264, "height": 848, "resized": True, "shift": [4.0, -80.0], "likeness": 0.7}
                if number == 31 else {"device": "cpu"},
                raw_sha256="9" * 64, file_sha256="f" * 64, media_type="image/png", pixel_sha256=str(number) * 32,
                thumbnail_sha256="a" * 64,
                width=1024, height=1024, seconds=2.5, created_at=now,
            ),
            CandidateSummary(
                candidate_id=number, image_id=12, method_id=1, source_id=2, category="rain", chosen=True, stage="judged_out",
                attempt=number - 29, filter_passed=True, filter_reason="3 of 3 improved.", decision="reject",
                rule_decision="reject",
            ),
            "The attempt before was rejected for object consistency." if number == 31 else "",
            {"strength": (1.0, 0.6)} if number == 31 else {}, scores, verdicts, (review,),
        )
        for number in (30, 31)
    )  # fmt: skip
    refusal = RefusalRow("IMAGE_SAFETY", "the provider's safety filter", "Not <this>.", "fix/1", 7, now)
    chains = (
        MethodChain("local-derain", "Rain layer separation", True, True, attempts),
        MethodChain("x / fix (stand-in)", "X", False, False, (), "Fixed prompt", stand_in=True, refusals=(refusal,)),
    )
    return ImageHistory(image, source, file, chains, (EventRow(now, "Ada", "review.accepted", ""),), 1)


_HISTORY = _example_history()
_NEW = ImageHistory(
    _HISTORY.image.model_copy(update={"stage": Stage.COLLECTED, "current_candidate_id": None}),
    Source(id=2, name="own", created_at=utcnow()), _HISTORY.file.model_copy(update={"phash": None, "notes": [], "exif": {}}),
    (), (), 1,
)  # fmt: skip
_WRITTEN = [
    WrittenRow("gemini", "Gemini-3.1-Pro", 1, edition, f"Remove <the rain>, edition {edition}.", by, stand_in, utcnow())
    for edition, by, stand_in in ((2, "Ada <b>", False), (1, "", False), (1, "", True))
]
_PROMPTS = (of_vlm("gemini", _WRITTEN, 1, stand_in=False), of_vlm("gpt", [], 1, stand_in=True))
EXAMPLES = {
    "image/index.html": [
        _page(_HISTORY, 11, 13, GalleryFilter(category="rain"), _PROMPTS),
        _page(_NEW, None, None, GalleryFilter(), _PROMPTS[1:], Typed("gpt", "</textarea>", "It needs a text.")),
        _page(_NEW, None, None, GalleryFilter(), (of_vlm("gemini", _WRITTEN[2:], 1, stand_in=False),)),
    ]
}
