"""The funnel by API, and what can be chosen: sources, methods, metrics."""

from fastapi import APIRouter

from app.catalog.generators import GENERATORS
from app.catalog.metrics import METRICS
from app.services import funnel as funnels
from app.services import gallery
from app.web.api.answers import FunnelAnswer, MethodItem, MetricItem, SourceItem
from app.web.deps import AnyViewer, Reader

router = APIRouter(prefix="/api/v1", tags=["overview"])


@router.get("/funnel")
def funnel(_viewer: AnyViewer, session: Reader) -> FunnelAnswer:
    """Images by how far they have come, in total and per category (Fig. 3)."""
    return FunnelAnswer.model_validate(funnels.funnel(session))


@router.get("/sources")
def sources(_viewer: AnyViewer, session: Reader) -> list[SourceItem]:
    """Where photographs come from."""
    return [SourceItem.model_validate(source) for source in gallery.sources(session)]


@router.get("/methods")
def methods(_viewer: AnyViewer) -> list[MethodItem]:
    """Generators of the catalogue."""
    return [MethodItem.model_validate(spec) for spec in GENERATORS.values()]


@router.get("/metrics")
def metrics(_viewer: AnyViewer) -> list[MetricItem]:
    """Metrics of the catalogue, with their direction."""
    return [MetricItem.model_validate(spec) for spec in METRICS.values()]
