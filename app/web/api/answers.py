"""What the API answers with: typed models, built from the services' dataclasses and rows."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from app.models import Json
from app.services.options import LOCAL_JUDGE


class Answer(BaseModel):
    """Reads its fields from the attributes of what a service returned."""

    model_config = ConfigDict(from_attributes=True)


class ImageItem(Answer):
    """One image of a list, with the candidate shown beside it."""

    id: int
    category: str
    stage: str
    undersized: bool
    width: int
    height: int
    source: str
    candidate_id: int | None
    method: str | None
    attempt: int | None
    decision: str | None = Field(description="The judge's decision about the candidate.")
    metrics: dict[str, float | None] | None = Field(description="Of the HQ; <metric>_lq of the LQ.")


class ImageList(Answer):
    items: list[ImageItem]
    total: int = Field(description="Images that match, counted up to 10,000.")
    capped: bool = Field(description="Whether more match than were counted.")
    next_cursor: str | None = Field(description="Give it as `after` to get the next images; null at the end.")


class SourceItem(Answer):
    id: int
    name: str
    kind: str
    licence: str
    author: str
    url: str


class FileItem(Answer):
    id: int
    name: str
    file_sha256: str
    size: int
    format: str
    width: int
    height: int
    phash: str | None
    notes: list[str]
    exif: Json


class ImageFacts(Answer):
    id: int
    category: str
    stage: str
    stage_reason: str
    resized_width: int | None
    resized_height: int | None
    box_x: int
    box_y: int
    box_width: int
    box_height: int
    undersized: bool
    master_sha256: str
    pixel_sha256: str
    current_candidate_id: int | None
    created_at: datetime


class ScoreItem(Answer):
    metric: str
    better: str
    reference: bool = Field(description="Whether the metric compares the HQ with the LQ.")
    hq: float | None
    lq: float | None
    change: str
    note: str
    version: str


class AspectItem(Answer):
    name: str
    score: float | None
    minimum: int
    failed: bool
    reason: str


class VerdictItem(Answer):
    judge: str
    local: bool
    version: str
    decision: str
    rule_decision: str
    aspects: list[AspectItem]
    created_at: datetime


class ReviewItem(Answer):
    who: str
    decision: str
    reasons: list[str]
    note: str
    created_at: datetime
    undone_at: datetime | None


class CandidateItem(Answer):
    """One candidate with its recipe."""

    id: int
    image_id: int
    parent_id: int | None
    run_id: int | None
    recipe: Json
    recipe_hash: str
    sample: int
    file_sha256: str
    media_type: str
    width: int
    height: int
    seconds: float
    created_at: datetime


class AttemptItem(Answer):
    candidate: CandidateItem
    attempt: int
    stage: str
    why: str
    filter_passed: bool | None
    filter_reason: str
    scores: list[ScoreItem]
    verdicts: list[VerdictItem]
    reviews: list[ReviewItem]


class ChainItem(Answer):
    name: str
    title: str
    local: bool
    chosen: bool
    attempts: list[AttemptItem]


class EventItem(Answer):
    at: datetime
    who: str
    action: str
    why: str


class ImageDetail(Answer):
    """An image with its whole history."""

    image: ImageFacts
    source: SourceItem
    file: FileItem
    chains: list[ChainItem]
    events: list[EventItem]


class RunItem(Answer):
    id: int
    kind: str
    title: str
    state: str
    total: int
    done: int
    failed: int
    cancelled: int
    unknown: int = Field(description="Items whose paid call has an unknown outcome.")
    spent_micros: int = Field(description="Spent so far, in millionths of a US dollar.")
    rate: float = Field(description="Items per second over the last minute.")
    seconds_left: float | None
    created_at: datetime
    finished_at: datetime | None
    by: str


class RunList(Answer):
    items: list[RunItem]
    next_cursor: int | None = Field(description="Give it as `before` to get older runs; null at the end.")


class WorkItemItem(Answer):
    id: int
    key: str
    kind: str
    state: str
    attempts: int
    error: str
    what_to_do: str


class RunDetailItem(Answer):
    progress: RunItem
    params: Json
    failed: list[WorkItemItem]


class StartRun(BaseModel):
    """A pipeline run: over categories, over images, or over everything when both are empty."""

    model_config = ConfigDict(extra="forbid")

    categories: list[str] = Field(default=[], max_length=20)
    image_ids: list[int] = Field(default=[], max_length=10_000)
    method: str | None = Field(default=None, description="Whose candidates may reach review; null: each category's own.")
    strategy: str = Field(default="", max_length=20, description="Prompt strategy, for a method that takes prompts.")
    also: list[tuple[str, str]] = Field(
        default=[], max_length=40, description="Further settings, (method, strategy), that make candidates for comparison."
    )
    compare: bool = Field(default=True, description="Let the other local methods make candidates for comparison.")
    judge: str = Field(default=LOCAL_JUDGE, max_length=40, description="Who judges; empty: nobody.")
    judge_compared: bool = Field(default=False, description="Have candidates made for comparison judged too.")
    batch: bool = Field(default=False, description="Ask in batches at half price where there are any.")
    confirm_usd: float = Field(default=0, ge=0, description="US dollars that the run may cost by its estimate.")


class Moved(Answer):
    """How many items of a run went back to waiting."""

    items: int


class CountsItem(Answer):
    """Cumulative: an image that waits for verification was also generated, scored and judged in."""

    collected: int
    generated: int
    scored: int
    filter_passed: int
    filtered_out: int
    judged_in: int
    judged_out: int
    refining: int
    waiting: int
    verified: int
    pairs: int
    failed: int
    set_aside: int


class CategoryItem(Answer):
    key: str
    title: str
    sources: list[str]
    counts: CountsItem


class FunnelAnswer(Answer):
    total: CountsItem
    categories: list[CategoryItem]
    later_attempts: dict[int, int] = Field(description="Images judged in at the second attempt, at the third, ...")


class MethodItem(Answer):
    """A method that can be chosen. ``local`` ones are restorers on this machine, not MFMs."""

    key: str
    title: str
    reference: str
    local: bool
    version: str
    params: dict[str, float]


class MetricItem(Answer):
    key: str
    title: str
    better: str
    reference: bool
    paper: str
    implementation: str
    version: str


def attributes(thing: Any, **more: Any) -> dict[str, Any]:
    """The public attributes of a dataclass instance, and ``more``, for a model that adds to it."""
    return {**{name: getattr(thing, name) for name in thing.__dataclass_fields__}, **more}
