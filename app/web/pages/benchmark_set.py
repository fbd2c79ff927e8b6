"""One image set: its images in order, what it was made by, and what can be done with it until it is frozen."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import RedirectResponse

from app.catalog.categories import CATEGORIES
from app.domain.degradation_recipe import Recipe, sample_recipe
from app.domain.degradation_words import in_words
from app.models import RunState, utcnow
from app.services import image_sets, run_views, set_views
from app.services.run_views import RunProgress
from app.services.set_views import PAGE_SIZE, SetImage, SetLine
from app.web.deps import AnyViewer, Reader, Researcher, Writer
from app.web.pages.benchmarks import FIDELITY_EXAMPLE, KIND_TITLES, PERCEPTUAL_EXAMPLE
from app.web.pages.run_settings import SCALES
from app.web.templating import render

router = APIRouter(prefix="/benchmarks/sets")

Page = Annotated[int, Query(ge=1, le=1000)]
Seed = Annotated[int, Form(ge=0, le=2**31 - 1)]


@dataclass(frozen=True)
class SetTile:
    """An image with its category's title and, where it was made of a clean one, what was done to it."""

    image: SetImage
    category: str
    done: tuple[str, ...]


@dataclass(frozen=True)
class SetPage:
    """``making`` is the run that makes its images. ``missing``: so many of those asked for are not in it."""

    line: SetLine
    kind: str
    facts: tuple[tuple[str, str], ...]
    tiles: tuple[SetTile, ...]
    number: int
    pages: int
    making: RunProgress | None
    missing: int


@dataclass(frozen=True)
class MakingPart:
    line: SetLine
    making: RunProgress


@router.get("/{set_id}")
def show(request: Request, viewer: AnyViewer, session: Reader, set_id: int, page: Page = 1) -> Response:
    line = set_views.line(session, set_id)
    making = run_views.run_progress(session, line.run)[0] if line.run and line.making else None
    context = _page(line, set_views.page(session, set_id, page), page, making)
    return render(request, viewer, "benchmarks/set.html", context)


@router.get("/{set_id}/making")
def making_part(request: Request, viewer: AnyViewer, session: Reader, set_id: int) -> Response:
    """How far its images are. When they are made, the page is told to load itself again."""
    line = set_views.line(session, set_id)
    if not line.run or not line.making:
        return Response(status_code=200, headers={"HX-Refresh": "true"})
    part = MakingPart(line, run_views.run_progress(session, line.run)[0])
    return render(request, viewer, "benchmarks/_making.html", part)


@router.get("/{set_id}/images.csv")
def as_csv(_viewer: Researcher, session: Reader, set_id: int) -> Response:
    image_sets.get(session, set_id)
    name = {"Content-Disposition": f'attachment; filename="set-{set_id}.csv"'}
    return Response(set_views.as_csv(session, set_id), media_type="text/csv; charset=utf-8", headers=name)


@router.post("/{set_id}/take-out")
def take_out(
    viewer: Researcher, session: Writer, set_id: int, image_id: Annotated[int, Form()], page: Annotated[int, Form(ge=1)] = 1
) -> Response:
    image_sets.take_out(session, set_id, image_id, viewer.user_id)
    return _back(set_id, f"?page={page}" if page > 1 else "")


@router.post("/{set_id}/draw")
def draw_again(viewer: Researcher, session: Writer, set_id: int, seed: Seed) -> Response:
    image_sets.draw_again(session, set_id, seed, viewer.user_id)
    return _back(set_id)


@router.post("/{set_id}/freeze")
def freeze(viewer: Researcher, session: Writer, set_id: int) -> Response:
    image_sets.freeze(session, set_id, viewer.user_id)
    return _back(set_id)


@router.post("/{set_id}/remove")
def remove(viewer: Researcher, session: Writer, set_id: int) -> Response:
    image_sets.remove(session, set_id, viewer.user_id)
    return RedirectResponse("/benchmarks", 303)


def _back(set_id: int, query: str = "") -> Response:
    return RedirectResponse(f"/benchmarks/sets/{set_id}{query}", 303)


def _page(line: SetLine, images: tuple[SetImage, ...], number: int, making: RunProgress | None) -> SetPage:
    tiles = tuple(SetTile(image, CATEGORIES[image.category].title, _done(image)) for image in images)
    asked = line.recipe["images"] if line.kind == image_sets.FIDELITY else sum(line.recipe["wanted"].values())
    return SetPage(
        line, KIND_TITLES[line.kind], tuple(_facts(line)), tiles, number, max(1, -(-line.images // PAGE_SIZE)), making,
        0 if making else asked - line.images,
    )  # fmt: skip


def _done(image: SetImage) -> tuple[str, ...]:
    return in_words(Recipe.from_json(json.dumps(image.degradation))) if image.degradation else ()


def _facts(line: SetLine) -> Iterator[tuple[str, str]]:
    recipe = line.recipe
    yield "images", f"{line.images:,}"
    if line.kind == image_sets.FIDELITY:
        yield "clean photographs of", line.source
        yield "degraded by", f"{recipe['pipeline']}, second order"
        yield "size", SCALES[recipe["scale"]]
    else:
        yield "by category", ", ".join(f"{CATEGORIES[key].title} {n:,}" for key, n in line.by_category.items())
        yield "source", line.source or "all"
        yield "of one photograph", "one"
    yield "seed", str(recipe["seed"])


_RECIPE = json.loads(sample_recipe(5).to_json())
_IMAGES = (
    SetImage(0, 12, "general_mixed", "ab" * 32, 1024, 1024, "cd" * 32, _RECIPE),
    SetImage(3, 13, "rain", "ab" * 32, 640, 480, "", {}),
)
_GOING = RunProgress(7, "degrade", "Make <b>", RunState.RUNNING, 100, 40, 2, 0, utcnow(), None, "Ada", 0.5)
_OPEN = SetLine(
    5, "open", "perceptual", {"rain": 1}, {"wanted": {"rain": 2}, "seed": 1, "source_id": None, "per_photo": 1}, "Ada",
    utcnow(),
)  # fmt: skip
_EMPTY = SetLine(
    6, "empty", "fidelity", {}, {"source_id": 2, "images": 9, "seed": 0, "scale": 4, "pipeline": "Real-ESRGAN"}, "Ada",
    utcnow(), None, "DIV2K", 7,
)  # fmt: skip
EXAMPLES = {
    "benchmarks/set.html": [
        _page(FIDELITY_EXAMPLE, _IMAGES, 1, _GOING),
        _page(PERCEPTUAL_EXAMPLE, _IMAGES, 1, None),
        _page(_OPEN, _IMAGES, 2, None),
        _page(_EMPTY, (), 1, None),
    ],
    "benchmarks/_making.html": [MakingPart(FIDELITY_EXAMPLE, _GOING)],
}
