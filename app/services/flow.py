"""The flow of Fig. 3 after collection: generate, score, metric filter, judge, up to three attempts, then a person.

A pipeline run plans itself in windows of images. Each finished item adds the next one of its image in the same unit of
work, so the chain of an image can neither stall nor fork, whatever dies in between.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlmodel import Session, col, select

from app import jobs
from app.catalog.categories import CATEGORIES
from app.catalog.generators import GENERATORS
from app.catalog.judges import JUDGES
from app.catalog.metrics import METRICS
from app.catalog.quality import ACCEPT_RULE, REFINEMENT_RULE, filter_rule
from app.domain.aspects import ASPECTS
from app.domain.metric_filter import apply_filter
from app.domain.refinement import next_attempt
from app.domain.verdict import failed_aspects
from app.errors import GgtError
from app.jobs import NewItem
from app.models import Candidate, CandidateSummary, Image, Method, Run, Score, Stage, Verdict
from app.services.recipes import first_recipe, generate_item, recipe_hash

PLAN_WINDOW = 200
LOCAL_JUDGE = "local-measure"
REOPENED = (Stage.FILTERED_OUT, Stage.JUDGED_OUT, Stage.REJECTED, Stage.FAILED)
"""Stages from which another run may take an image up again, with a recipe that was not tried yet."""


def start_pipeline(
    session: Session,
    *,
    user_id: int | None,
    categories: tuple[str, ...] = (),
    source_id: int | None = None,
    image_ids: tuple[int, ...] = (),
    method: str | None = None,
    compare: bool = True,
) -> Run:
    """Start a run over the images chosen by category, source or id (all when none is given).

    ``method`` is the generator whose candidates may reach review (None: each category's default); with ``compare`` the
    other generators make candidates too, for comparison only.
    """
    check_choice(categories, method)
    what = ", ".join(CATEGORIES[c].title for c in categories) or (f"{len(image_ids)} images" if image_ids else "all images")
    params = {
        "categories": list(categories),
        "source_id": source_id,
        "image_ids": list(image_ids),
        "method": method,
        "compare": compare,
        "judge": LOCAL_JUDGE,
    }
    run = jobs.start_run(session, "pipeline", f"Pipeline: {what}, {method or 'default method'}", params, user_id)
    assert run.id is not None
    jobs.add_items(session, run.id, [_plan_item(0)])
    return run


def check_choice(categories: Sequence[str], method: str | None) -> None:
    """Raise GgtError, with what there is, for a category or method that does not exist."""
    for category in categories:
        if category not in CATEGORIES:
            raise GgtError(f"There is no category {category!r}; choose from {', '.join(CATEGORIES)}.")
    if method is not None and method not in GENERATORS:
        raise GgtError(f"There is no method {method!r}; choose from {', '.join(GENERATORS)}.")


def _plan_item(after: int) -> NewItem:
    return NewItem("plan", f"plan:{after}", priority=1, payload={"after": after})


def plan_window(session: Session, run_id: int, after: int) -> int:
    """Add the work of the next window of images to a run, and the item that plans the window after it.

    Returns how many images the window held.
    """
    run = session.get_one(Run, run_id)
    query = select(Image).where(col(Image.id) > after).order_by(col(Image.id)).limit(PLAN_WINDOW)
    if run.params["categories"]:
        query = query.where(col(Image.category).in_(run.params["categories"]))
    if run.params["source_id"] is not None:
        query = query.where(col(Image.source_id) == run.params["source_id"])
    if run.params["image_ids"]:
        query = query.where(col(Image.id).in_(run.params["image_ids"]))
    images = session.exec(query).all()
    if not images:
        return 0
    tried = _tried(session, [i.id for i in images], chosen_only=False)
    chosen_before = _tried(session, [i.id for i in images], chosen_only=True)
    items: list[NewItem] = []
    for image in images:
        chosen = run.params["method"] or CATEGORIES[image.category].default_method
        fresh = (chosen, recipe_hash(first_recipe(chosen, image.category))) not in chosen_before.get(image.id, set())
        if image.stage == Stage.COLLECTED or (image.stage in REOPENED and fresh):
            items.append(generate_item(image, chosen, first_recipe(chosen, image.category), chosen=True))
        if run.params["compare"]:
            done = {method for method, _ in tried.get(image.id, set())}
            items += [
                generate_item(image, key, first_recipe(key, image.category), chosen=False)
                for key, spec in GENERATORS.items()
                if key != chosen and key not in done and spec.local
            ]
    items.append(_plan_item(max(i.id or 0 for i in images)))
    jobs.add_items(session, run_id, items)
    return len(images)


def _tried(
    session: Session, image_ids: Sequence[int | None], *, chosen_only: bool
) -> dict[int | None, set[tuple[str, str]]]:
    """Per image, the (generator, recipe hash) of every candidate it already has, or only of those chosen for review."""
    query = (
        select(Candidate.image_id, Method.generator, Candidate.recipe_hash)
        .join(Method, col(Method.id) == col(Candidate.method_id))
        .where(col(Candidate.image_id).in_(image_ids))
    )
    if chosen_only:
        query = query.join(CandidateSummary, col(CandidateSummary.candidate_id) == col(Candidate.id))
        query = query.where(col(CandidateSummary.chosen).is_(True))
    tried: dict[int | None, set[tuple[str, str]]] = {}
    for image_id, generator, digest in session.exec(query):
        tried.setdefault(image_id, set()).add((generator, digest))
    return tried


# --- steps ----------------------------------------------------------------------------------------------------------


def candidate_made(session: Session, run_id: int, candidate: Candidate, payload: Mapping[str, Any]) -> None:
    """A candidate is there (new, or found again): move its image on and ask for its scores."""
    image = _locked_image(session, candidate.image_id)
    if candidate.id is None:
        session.add(candidate)
        session.flush()
    assert candidate.id is not None
    summary = session.get(CandidateSummary, candidate.id)
    if summary is None:
        summary = CandidateSummary(
            candidate_id=candidate.id,
            image_id=candidate.image_id,
            method_id=candidate.method_id,
            source_id=image.source_id,
            category=image.category,
            stage=Stage.GENERATED,
        )
    chosen = payload["chosen"] and _may_take(image, payload["parent_id"])
    if chosen:
        summary.chosen, summary.attempt, summary.stage = True, payload["attempt"], Stage.GENERATED
        image.current_candidate_id, image.stage, image.stage_reason = candidate.id, Stage.GENERATED, ""
    session.add(summary)
    session.add(image)
    jobs.add_items(session, run_id, _score_items(candidate, chosen=chosen))


def _locked_image(session: Session, image_id: int) -> Image:
    """The image, held until the end of this unit of work: two runs, or a run and a reviewer, take turns on it."""
    return session.get_one(Image, image_id, with_for_update={"key_share": True}, populate_existing=True)


def _may_take(image: Image, parent_id: int | None) -> bool:
    """Whether a new candidate may become an image's current one: not when another run or a person was faster."""
    if parent_id is None:
        return image.stage == Stage.COLLECTED or image.stage in REOPENED
    return image.current_candidate_id == parent_id and image.stage in (Stage.REFINING, Stage.FAILED)


def _score_items(candidate: Candidate, *, chosen: bool) -> list[NewItem]:
    """For the chosen chain first what the filter needs (the no-reference metrics), so that a verdict comes soon."""
    no_reference = [key for key, spec in METRICS.items() if not spec.reference]
    full_reference = [key for key, spec in METRICS.items() if spec.reference]
    if not chosen:
        return [_score_item(candidate, "compared", [*full_reference, *no_reference], 300, filters=False)]
    return [
        _score_item(candidate, "no-reference", no_reference, 10, filters=True),
        _score_item(candidate, "full-reference", full_reference, 150, filters=False),
    ]


def _score_item(candidate: Candidate, name: str, metrics: list[str], priority: int, *, filters: bool) -> NewItem:
    return NewItem(
        "score",
        f"score:{candidate.id}:{name}",
        queue="gpu",
        shape=f"{candidate.width}x{candidate.height}",
        priority=priority,
        payload={"candidate_id": candidate.id, "metrics": metrics, "filters": filters},
    )


def generation_failed(session: Session, payload: Mapping[str, Any], error: str) -> None:
    """A chosen generator gave no image: the image says so, and a later run may take it up again."""
    image = _locked_image(session, payload["image_id"])
    if payload["chosen"] and _may_take(image, payload["parent_id"]):
        image.stage, image.stage_reason = Stage.FAILED, error[:500]
        session.add(image)


def step_failed(session: Session, candidate_id: int, error: str) -> None:
    """Scoring or judging a candidate of a chosen chain was given up: its image says so."""
    candidate = session.get_one(Candidate, candidate_id)
    image = _locked_image(session, candidate.image_id)
    if image.current_candidate_id == candidate_id:
        image.stage, image.stage_reason = Stage.FAILED, error[:500]
        session.add(image)


def scored(session: Session, run_id: int, candidate_id: int, *, filters: bool) -> None:
    """Scores of a candidate are stored: summarise them and, where the item says so, filter by them."""
    candidate = session.get_one(Candidate, candidate_id)
    image = _locked_image(session, candidate.image_id)
    summary = session.get_one(CandidateSummary, candidate_id)
    hq = _latest(session, candidate.pixel_sha256, {"", image.pixel_sha256})
    lq = _latest(session, image.pixel_sha256, {""})
    summary.metrics = {**hq, **{f"{metric}_lq": value for metric, value in lq.items()}}
    if summary.stage == Stage.GENERATED and (filters or not summary.chosen):
        summary.stage = Stage.SCORED
    session.add(summary)
    if not filters or image.current_candidate_id != candidate_id:
        return
    rule = filter_rule(image.category)
    directions = {key: METRICS[key].better for key in rule.min_improvement if key in METRICS}
    result = apply_filter(lq, hq, rule, directions)
    summary.filter_passed, summary.filter_reason = result.passed, result.reason[:500]
    if not result.passed:
        _set_stage(session, image, summary, Stage.FILTERED_OUT, result.reason)
        return
    _set_stage(session, image, summary, Stage.SCORED, result.reason)
    judge = JUDGES[LOCAL_JUDGE]
    item = NewItem(
        "judge",
        f"judge:{candidate_id}:{judge.key}",
        queue=judge.queue,
        shape=judge.key,
        priority=5,
        payload={"candidate_id": candidate_id, "judge": judge.key},
        paid=not judge.local,
    )
    jobs.add_items(session, run_id, [item])


def _latest(session: Session, pixel_sha256: str, references: set[str]) -> dict[str, float | None]:
    """The newest value per metric of an image's pixels. A metric that is not defined for them is None."""
    rows = session.exec(
        select(Score)
        .where(col(Score.pixel_sha256) == pixel_sha256, col(Score.reference_sha256).in_(references))
        .order_by(col(Score.id))
    )
    wanted = {True: references - {""}, False: {""}}
    return {
        s.metric: s.value for s in rows if s.metric in METRICS and s.reference_sha256 in wanted[METRICS[s.metric].reference]
    }


def judged(session: Session, run_id: int, verdict: Verdict) -> None:
    """A verdict came in: on to a person, to another attempt, or out (Fig. C.2)."""
    session.add(verdict)
    candidate = session.get_one(Candidate, verdict.candidate_id)
    image = _locked_image(session, candidate.image_id)
    summary = session.get_one(CandidateSummary, verdict.candidate_id)
    summary.decision, summary.rule_decision = verdict.decision, verdict.rule_decision
    if image.current_candidate_id != candidate.id:
        session.add(summary)
        return
    if verdict.decision == "accept":
        _set_stage(session, image, summary, Stage.AWAITING, "")
        return
    failed = failed_aspects({aspect: verdict.scores[aspect] for aspect in ASPECTS}, ACCEPT_RULE)
    generator = candidate.recipe["generator"]
    following = next_attempt(
        summary.attempt, candidate.recipe["params"], failed, GENERATORS[generator].stochastic, REFINEMENT_RULE
    )
    names = ", ".join(aspect.replace("_", " ") for aspect in failed) or "the judge's own decision"
    if following is None:
        _set_stage(session, image, summary, Stage.JUDGED_OUT, f"Rejected at attempt {summary.attempt}: {names}.")
        return
    _set_stage(session, image, summary, Stage.JUDGED_OUT, f"Attempt {summary.attempt} rejected: {names}.")
    image.stage = Stage.REFINING
    prompt = " ".join((candidate.recipe["prompt"], *following.appended_instructions)).strip()
    recipe = {**candidate.recipe, "params": dict(following.params), "prompt": prompt}
    item = generate_item(
        image,
        generator,
        recipe,
        chosen=True,
        sample=following.sample,
        parent_id=candidate.id,
        attempt=summary.attempt + 1,
        why=following.why,
    )
    jobs.add_items(session, run_id, [item])


def _set_stage(session: Session, image: Image, summary: CandidateSummary, stage: Stage, reason: str) -> None:
    image.stage, image.stage_reason, summary.stage = stage, reason[:500], stage
    session.add(image)
    session.add(summary)


def counts_of_run(session: Session, run_id: int) -> dict[str, int]:
    """How many candidates a run generated, how many its filter excluded, judged, and made as second or third attempts."""
    rows = session.exec(
        select(CandidateSummary)
        .join(Candidate, col(Candidate.id) == col(CandidateSummary.candidate_id))
        .where(col(Candidate.run_id) == run_id)
    ).all()
    return {
        "generated": len(rows),
        "filtered": sum(r.filter_passed is False for r in rows),
        "judged": sum(r.decision is not None for r in rows),
        "regenerated": sum(r.attempt > 1 for r in rows),
    }
