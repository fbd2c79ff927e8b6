"""Starting pipeline runs, and planning them in windows of images: what is to be made of each, by which setting."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlmodel import Session, col, select

from app import jobs
from app.catalog.categories import CATEGORIES
from app.catalog.generators import GENERATORS
from app.catalog.vlms import VLMS
from app.config import settings
from app.errors import Conflict
from app.jobs import NewItem
from app.models import Candidate, CandidateSummary, Image, Method, Refusal, Review, Run, Stage
from app.services import benchmark_gaps, estimate, prompts
from app.services.options import PipelineOptions, check_options, images_of, taken_stages
from app.services.prompts import PromptSet
from app.services.recipes import Chain, Prompt, Setting, first_recipe, generate_item, recipe_hash, stand_in_mark


class NotConfirmed(Conflict):
    """The run costs money that nobody has agreed to."""


PLAN_WINDOW = 200


def start_pipeline(
    session: Session, options: PipelineOptions, *, user_id: int | None, title: str = "", confirmed: int = 0
) -> Run:
    """Start a run, or with image sets an evaluation.

    ``confirmed`` is the price, in millionths of a dollar, that somebody has seen and agreed to. Raises GgtError, with what
    there is, where a choice does not exist or lacks its key, and NotConfirmed where it would cost more than was confirmed.
    """
    check_options(options)
    price = estimate.estimate(session, options)
    if price.micros > confirmed:
        raise NotConfirmed(f"This run costs money: {price.sentence()}. Confirm it to start.")
    what = ", ".join(CATEGORIES[c].title for c in options.categories) or (
        f"{len(options.image_ids)} images" if options.image_ids else "all images"
    )
    how = f"{options.method} / {options.strategy}" if options.strategy else options.method or "default method"
    kind = "evaluation" if options.set_ids else "pipeline"
    params = {**asdict(options), "query": dict(options.query)}
    run = jobs.start_run(session, kind, title or f"Pipeline: {what}, {how}", params, user_id)
    assert run.id is not None
    jobs.add_items(session, run.id, [_plan_item(0)])
    return run


def _plan_item(after: int) -> NewItem:
    return NewItem("plan", f"plan:{after}", priority=1, payload={"after": after})


def plan_window(session: Session, run_id: int, after: int) -> int:
    """Add the work of the next window of images to a run, and the item that plans the window after it.

    Returns how many images the window held.
    """
    options = PipelineOptions.of(session.get_one(Run, run_id).params)
    ids = session.execute(
        images_of(options).where(col(Image.id) > after).order_by(None).order_by(col(Image.id)).limit(PLAN_WINDOW)
    ).scalars()
    images = session.exec(select(Image).where(col(Image.id).in_(ids.all())).order_by(col(Image.id))).all()
    if not images:
        return 0
    window = _Window.read(session, options, images)
    items = [item for image in images for item in window.items(image)]
    if options.set_ids:
        items += benchmark_gaps.missing(session, options, images)
    items.append(_plan_item(max(i.id or 0 for i in images)))
    jobs.add_items(session, run_id, items)
    return len(images)


def _instructions(session: Session, images: Sequence[Image]) -> dict[int, str]:
    """The instruction of whoever asked for another try on each image that waits for one. No statement where none does."""
    asked = [image.current_candidate_id for image in images if image.stage == Stage.REQUESTED]
    if not asked:
        return {}
    rows = session.execute(
        select(col(Review.image_id), col(Review.note))
        .where(col(Review.candidate_id).in_(asked), col(Review.decision) == "regenerate", col(Review.undone_at).is_(None))
        .order_by(col(Review.id))
    )
    return {row.image_id: row.note for row in rows}


@dataclass(frozen=True)
class _Tried:
    """A candidate that an image already has."""

    generator: str
    recipe_hash: str
    sample: int
    chosen: bool


@dataclass
class _Window:
    """What planning a window of images needs to know, read in a few statements however many images it holds."""

    options: PipelineOptions
    texts: PromptSet
    written: Mapping[tuple[str, int, int], Any]
    tried: Mapping[int | None, list[_Tried]]
    refused: Mapping[tuple[int | None, str, str], int]
    """The last refused sample by image, generator and recipe: to sample again is to ask for another than that one."""
    instructions: Mapping[int, str]
    """What a reviewer who asked for another try said, by image."""

    @classmethod
    def read(cls, session: Session, options: PipelineOptions, images: Sequence[Image]) -> "_Window":
        ids = [image.id for image in images]
        made: Any = (Candidate.image_id, Method.generator, Candidate.recipe_hash, Candidate.sample, CandidateSummary.chosen)
        rows = session.execute(
            select(*made)
            .join(Method, col(Method.id) == col(Candidate.method_id))
            .join(CandidateSummary, col(CandidateSummary.candidate_id) == col(Candidate.id))
            .where(col(Candidate.image_id).in_(ids))
        )
        tried: dict[int | None, list[_Tried]] = {}
        for image_id, *rest in rows:
            tried.setdefault(image_id, []).append(_Tried(*rest))
        vlms = {setting.vlm for setting in options.settings} - {""}
        written = {
            (vlm, *key): row
            for vlm in sorted(vlms)
            for key, row in prompts.written(session, ids, vlm, stand_in=settings().stand_in(VLMS[vlm].provider)).items()
        }
        refusals: Any = (Refusal.image_id, Method.generator, Refusal.recipe_hash, Refusal.sample)
        refused: dict[tuple[int | None, str, str], int] = {}
        if options.replace or options.set_ids:
            refused_rows = session.execute(
                select(*refusals)
                .join(Method, col(Method.id) == col(Refusal.method_id))
                .where(col(Refusal.image_id).in_(ids))
                .order_by(col(Refusal.sample))
            )
            refused = {(image_id, generator, digest): sample for image_id, generator, digest, sample in refused_rows}
        return cls(options, prompts.in_use(session), written, tried, refused, _instructions(session, images))

    def items(self, image: Image) -> list[NewItem]:
        """The items that start what a run does to one image; a prompt that has to be written first is one for all."""
        wanted: list[tuple[Setting, bool]] = []
        chosen_setting = self.options.chosen(image.category)
        if chosen_setting and self._takes(image):
            wanted.append((chosen_setting, True))
        wanted += [(setting, False) for setting in self.options.compared(image.category)]
        found: list[NewItem] = []
        waiting: dict[str, list[dict[str, Any]]] = {}
        for setting, chosen in wanted:
            prompt = self._prompt(setting, image)
            if prompt is None:
                waiting.setdefault(setting.vlm, []).append({**asdict(setting), "chosen": chosen})
                continue
            item = self.generation(image, setting, prompt, chosen=chosen)
            found += [item] if item else []
        return found + [self._writing(image, vlm, then) for vlm, then in waiting.items()]

    def _takes(self, image: Image) -> bool:
        return image.stage in taken_stages(replace=self.options.replace)

    def _prompt(self, setting: Setting, image: Image) -> Prompt | None:
        """The prompt of a setting for an image; None when its VLM has yet to write it."""
        if setting.strategy == "none":
            return Prompt("", "")
        if not setting.vlm:
            used = self.texts[setting.strategy, image.category]
            return Prompt(used.user, f"{setting.strategy}/{used.version}")
        meta = self.texts["meta", image.category].version
        row = self.written.get((setting.vlm, image.id or 0, meta))
        return Prompt(row.text, written_version(setting.vlm, meta, row.edition)) if row else None

    def generation(self, image: Image, setting: Setting, prompt: Prompt, *, chosen: bool) -> NewItem | None:
        """The item that makes a candidate, or None when the run has nothing new to ask for."""
        said = self.instructions.get(image.id or 0, "") if chosen else ""
        extra = " ".join(text for text in (self.options.extra, said) if text)
        recipe = first_recipe(setting, image.category, prompt, extra)
        digest, before = recipe_hash(recipe), self.tried.get(image.id, [])
        same = [t for t in before if (t.generator, t.recipe_hash) == (setting.generator, digest)]
        sample = 0
        if chosen and self.options.replace and GENERATORS[setting.generator].stochastic:
            refused = self.refused.get((image.id, setting.generator, digest), -1)
            sample = max((t.sample for t in same), default=-1)
            sample = 1 + max(sample, refused)
        elif not chosen and self.options.set_ids and (image.id, setting.generator, digest) in self.refused:
            return None  # an outcome that counts against the method; asking again would cost again and prove nothing
        elif (chosen and image.stage != Stage.COLLECTED and any(t.chosen for t in same)) or (
            not chosen and (same or (setting.strategy == "none" and any(t.generator == setting.generator for t in before)))
        ):
            return None
        return generate_item(image, recipe, chain_of(self.options, image, chosen=chosen), sample=sample)

    def _writing(self, image: Image, vlm: str, then: list[dict[str, Any]]) -> NewItem:
        meta = self.texts["meta", image.category].version
        return NewItem(
            kind="prompt",
            key=f"prompt:{image.id}:{vlm}:{meta}" + stand_in_mark(VLMS[vlm].provider),
            queue="api",
            shape=vlm,
            lane=VLMS[vlm].provider,
            priority=15 if any(t["chosen"] for t in then) else 180,
            payload={"image_id": image.id, "vlm": vlm, "meta_version": meta, "then": then},
        )


def written_version(vlm: str, meta_version: int, edition: int) -> str:
    """How a recipe names a prompt that a VLM wrote."""
    return f"meta/{meta_version} {vlm}/{edition}"


def chain_of(options: PipelineOptions, image: Image, *, chosen: bool) -> Chain:
    """How a candidate goes on after it was made. VLM-R is about real LQ images: those made of clean ones are not judged."""
    return Chain(
        chosen=chosen,
        judge=options.judge if chosen or (options.judge_compared and not image.reference_pixel_sha256) else "",
        replaces=chosen and options.replace,
        batch=options.batch,
    )


def prompt_written(session: Session, run_id: int, image_id: int, row: Any, then: Sequence[Mapping[str, Any]]) -> None:
    """A VLM's prompt is there: ask for everything that waited for it."""
    options = PipelineOptions.of(session.get_one(Run, run_id).params)
    image = session.get_one(Image, image_id)
    window = _Window.read(session, options, [image])
    prompt = Prompt(row.text, written_version(row.vlm, row.meta_version, row.edition))
    found = []
    for wanted in then:
        setting = Setting(wanted["generator"], wanted["strategy"])
        item = window.generation(image, setting, prompt, chosen=wanted["chosen"])
        found += [item] if item else []
    jobs.add_items(session, run_id, found)
