"""Benchmarks: image sets, and the evaluations that make and measure outputs on them."""

from dataclasses import dataclass

from fastapi import APIRouter, Request, Response

from app.catalog.categories import CATEGORIES
from app.models import utcnow
from app.services import set_views
from app.services.set_views import Evaluation, SetLine
from app.web.deps import AnyViewer, Reader
from app.web.templating import render

router = APIRouter(prefix="/benchmarks")

KIND_TITLES = {"fidelity": "Fidelity", "perceptual": "Perceptual"}
CATEGORY_TITLES = {key: category.title for key, category in CATEGORIES.items()}


@dataclass(frozen=True)
class BenchmarksPage:
    """``names`` are those of sets, by id; one that is not in it was removed."""

    sets: tuple[SetLine, ...]
    evaluations: tuple[Evaluation, ...]
    names: dict[int, str]
    frozen: bool
    kind_titles: dict[str, str]
    category_titles: dict[str, str]


@router.get("")
def index(request: Request, viewer: AnyViewer, session: Reader) -> Response:
    return render(request, viewer, "benchmarks/index.html", _page(set_views.lines(session), set_views.evaluations(session)))


def _page(sets: tuple[SetLine, ...], evaluations: tuple[Evaluation, ...]) -> BenchmarksPage:
    names = {one.id: one.name for one in sets}
    return BenchmarksPage(sets, evaluations, names, any(one.frozen for one in sets), KIND_TITLES, CATEGORY_TITLES)


FIDELITY_EXAMPLE = SetLine(
    3, "fidelity <b>", "fidelity", {"general_mixed": 40},
    {"source_id": 2, "images": 100, "seed": 0, "scale": 1, "pipeline": "Real-ESRGAN"}, "Ada <b>", utcnow(), None, "DIV2K",
    7, True,
)  # fmt: skip
PERCEPTUAL_EXAMPLE = SetLine(
    4, "perceptual", "perceptual", {"rain": 20, "haze": 20},
    {"wanted": {"rain": 20, "haze": 20}, "seed": 1, "source_id": None, "per_photo": 1}, "command line", utcnow(), utcnow(),
)  # fmt: skip
_RUN = Evaluation(9, "Evaluate on <b>", "running", 100, 40, 2, (3, 4, 5), "Ada", utcnow())
EXAMPLES = {
    "benchmarks/index.html": [
        _page((FIDELITY_EXAMPLE, PERCEPTUAL_EXAMPLE), (_RUN,)),
        _page((PERCEPTUAL_EXAMPLE,), ()),
        _page((FIDELITY_EXAMPLE,), ()),
        _page((), ()),
    ]
}
