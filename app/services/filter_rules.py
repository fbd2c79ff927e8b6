"""The metric filter's thresholds in force: the catalogue's, until an admin applies others for a category."""

from sqlmodel import Session, col, select

from app.catalog.categories import CATEGORIES
from app.catalog.metrics import METRICS
from app.catalog.quality import filter_rule
from app.domain.metric_filter import FilterRule
from app.errors import GgtError
from app.models import FilterSetting
from app.services import events


def in_force(session: Session, category: str) -> FilterRule:
    """The rule that decides on new candidates of ``category``."""
    found = session.exec(
        select(FilterSetting).where(col(FilterSetting.category) == category).order_by(col(FilterSetting.id).desc()).limit(1)
    ).first()
    return FilterRule(found.min_improvement, found.min_passing) if found else filter_rule(category)


def all_in_force(session: Session) -> dict[str, FilterRule]:
    """The rule of every category, in one statement."""
    rows = session.exec(select(FilterSetting).order_by(col(FilterSetting.id))).all()
    applied = {row.category: FilterRule(row.min_improvement, row.min_passing) for row in rows}
    return {category: applied.get(category) or filter_rule(category) for category in CATEGORIES}


def apply(
    session: Session, user_id: int | None, category: str, min_improvement: dict[str, float], min_passing: int
) -> FilterRule:
    """Put new thresholds in force for candidates that are scored from now on. Raises GgtError for an impossible rule."""
    if category not in CATEGORIES:
        raise GgtError(f"There is no category {category!r}; choose from {', '.join(CATEGORIES)}.")
    for metric in min_improvement:
        if metric not in METRICS or not METRICS[metric].filters:
            raise GgtError(
                f"{metric!r} is no metric of the filter; choose from {', '.join(k for k in METRICS if METRICS[k].filters)}."
            )
    try:
        rule = FilterRule(min_improvement, min_passing)
    except ValueError as error:
        raise GgtError(f"These thresholds make no filter: {error}.") from None
    session.add(
        FilterSetting(
            category=category, min_improvement=dict(min_improvement), min_passing=min_passing, created_by=user_id
        )
    )  # fmt: skip
    details = {"min_improvement": dict(min_improvement), "min_passing": min_passing}
    events.record(session, user_id, "filter.applied", f"filter:{category}", details=details)
    return rule
