"""What a pipeline run is asked to do: the options, whether they make sense here, and the images they are about."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlmodel import col, select

from app.catalog.categories import CATEGORIES
from app.catalog.generators import GENERATORS, STRATEGIES
from app.catalog.judges import JUDGES
from app.catalog.providers import PROVIDERS
from app.catalog.vlms import VLMS
from app.config import settings
from app.errors import GgtError
from app.models import Image, ImageSetItem, Stage
from app.services import gallery
from app.services.gallery_filter import GalleryFilter
from app.services.recipes import Setting

LOCAL_JUDGE = "local-measure"
REOPENED = (Stage.FILTERED_OUT, Stage.JUDGED_OUT, Stage.REJECTED, Stage.REQUESTED, Stage.FAILED)
"""Stages from which another run may take an image up again, with a recipe that was not tried yet."""


@dataclass(frozen=True)
class PipelineOptions:
    """What a pipeline run does. It is stored as the run's parameters.

    ``method`` with ``strategy`` is the setting whose candidates may reach review (None: each category's local default);
    ``also`` are further settings and ``compare`` all local methods, which make candidates for comparison only.
    ``judge`` decides on chosen candidates, and with ``judge_compared`` gives its opinion on the others.
    ``query`` is a gallery filter; the images chosen are those that pass it and everything else given here. With
    ``replace`` images that wait for a person are taken up too, and recipes already tried are sampled again; ``extra`` is
    appended to every prompt. ``batch`` asks where possible at half price, with answers within a day.
    With ``set_ids`` the run is an evaluation on these image sets: all its settings are compared and none is chosen.
    """

    categories: tuple[str, ...] = ()
    source_id: int | None = None
    image_ids: tuple[int, ...] = ()
    method: str | None = None
    strategy: str = ""
    also: tuple[tuple[str, str], ...] = ()
    compare: bool = True
    judge: str = LOCAL_JUDGE
    judge_compared: bool = False
    batch: bool = False
    query: Mapping[str, str] = field(default_factory=dict)
    replace: bool = False
    extra: str = ""
    set_ids: tuple[int, ...] = ()

    @classmethod
    def of(cls, params: Mapping[str, Any]) -> "PipelineOptions":
        """The options in a run's parameters."""
        known = {name: params[name] for name in cls.__dataclass_fields__ if name in params}
        for name in ("categories", "image_ids", "also", "set_ids"):
            known[name] = tuple(tuple(v) if isinstance(v, list) else v for v in known.get(name, ()))
        return cls(**known)

    def chosen(self, category: str) -> Setting | None:
        """The setting whose candidates of ``category`` may reach review; None in an evaluation."""
        if self.set_ids:
            return None
        if self.method is None:
            return Setting(CATEGORIES[category].default_method)
        return Setting(self.method, self.strategy or "none")  # type: ignore[arg-type]

    def compared(self, category: str) -> list[Setting]:
        """The settings that make candidates of ``category`` for comparison only."""
        chosen = self.chosen(category)
        found = [Setting(generator, strategy) for generator, strategy in self.also]  # type: ignore[arg-type]
        if self.compare:
            found += [Setting(key) for key, spec in GENERATORS.items() if spec.local]
        return [setting for setting in dict.fromkeys(found) if setting != chosen]

    @property
    def settings(self) -> list[Setting]:
        """Every setting the run may use, in any category."""
        found = [s for c in self.categories or CATEGORIES for s in (self.chosen(c), *self.compared(c))]
        return [s for s in dict.fromkeys(found) if s is not None]


def check_options(options: PipelineOptions) -> None:
    """Raise GgtError for anything that does not exist, does not fit together, or has no key here."""
    for category in options.categories:
        if category not in CATEGORIES:
            raise GgtError(f"There is no category {category!r}; choose from {', '.join(CATEGORIES)}.")
    if options.judge and options.judge not in JUDGES:
        raise GgtError(f"There is no judge {options.judge!r}; choose from {', '.join(JUDGES)}.")
    if options.method is None and options.strategy:
        raise GgtError("A prompt strategy needs a method that takes prompts.")
    for setting in options.settings:
        check_setting(setting)
    judge = JUDGES.get(options.judge)
    if judge and judge.vlm:
        check_key(VLMS[judge.vlm].provider, judge.title)


def check_setting(setting: Setting) -> None:
    """Raise GgtError when a generator does not exist, does not go with its strategy, or has no key."""
    if setting.generator not in GENERATORS:
        raise GgtError(f"There is no method {setting.generator!r}; choose from {', '.join(GENERATORS)}.")
    spec = GENERATORS[setting.generator]
    if spec.prompted and setting.strategy not in STRATEGIES:
        raise GgtError(f"{spec.title} needs a prompt strategy; choose from {', '.join(STRATEGIES)}.")
    if not spec.prompted and setting.strategy != "none":
        raise GgtError(f"{spec.title} takes no prompt, so it has no strategy.")
    if spec.provider:
        check_key(spec.provider, spec.title)
    if setting.vlm:
        check_key(VLMS[setting.vlm].provider, VLMS[setting.vlm].title)


def check_key(provider: str, what: str) -> None:
    """Raise GgtError when the provider that ``what`` asks has no key here."""
    if not settings().provider_key(provider):
        name = PROVIDERS[provider].key_setting
        raise GgtError(f"{what} needs a key of {PROVIDERS[provider].title}: set {name} and start GGT Studio again.")


def images_of(options: PipelineOptions) -> Any:
    """The statement that selects the ids of the images a run is about: never of one that was set aside, and of one that
    was made for a benchmark only in an evaluation."""
    if options.set_ids:
        members = select(col(ImageSetItem.image_id)).where(col(ImageSetItem.set_id).in_(options.set_ids))
        return select(col(Image.id)).where(col(Image.id).in_(members))
    query = gallery.matching_ids(GalleryFilter.parse(options.query)) if options.query else select(col(Image.id))
    query = query.where(col(Image.stage).not_in((Stage.SET_ASIDE, Stage.BENCHMARK)))
    if options.categories:
        query = query.where(col(Image.category).in_(options.categories))
    if options.source_id is not None:
        query = query.where(col(Image.source_id) == options.source_id)
    if options.image_ids:
        query = query.where(col(Image.id).in_(options.image_ids))
    return query


def taken_stages(*, replace: bool) -> tuple[Stage, ...]:
    """Stages from which a run may start a new chain; ``replace`` adds images that wait for a person."""
    return (Stage.COLLECTED, *REOPENED, *((Stage.AWAITING,) if replace else ()))
