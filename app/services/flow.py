"""The flow of Fig. 3 after planning: generate, score, metric filter, judge, up to three attempts, then a person.

Each finished item adds the next one of its image in the same unit of work, so the chain of an image can neither stall nor
fork, whatever dies in between.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import update
from sqlmodel import Session, col, select

from app import jobs
from app.catalog.generators import GENERATORS
from app.catalog.judges import JUDGES
from app.catalog.metrics import METRICS
from app.catalog.quality import ACCEPT_RULE, REFINEMENT_RULE
from app.catalog.vlms import VLMS
from app.db import insert_ignore
from app.domain.aspects import ASPECTS, Aspect
from app.domain.metric_filter import apply_filter
from app.domain.prompting import fit_prompt
from app.domain.refinement import NextAttempt, next_attempt, weakest
from app.domain.verdict import failed_aspects
from app.jobs import NewItem
from app.models import Candidate, CandidateSummary, Image, Refusal, Run, Score, Stage, Verdict, utcnow
from app.services import filter_rules, prompts, queues
from app.services.options import taken_stages
from app.services.recipes import Chain, generate_item, method_for, stand_in_mark


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
            is_latest=True,
        )
        _unmark(session, col(CandidateSummary.is_latest), candidate, col(CandidateSummary.method_id) == candidate.method_id)
    chosen = payload["chosen"] and _may_take(image, payload)
    if chosen:
        _unmark(session, col(CandidateSummary.is_current), candidate, col(CandidateSummary.is_current))
        summary.chosen, summary.attempt, summary.stage = True, payload["attempt"], Stage.GENERATED
        summary.is_current = True
        image.current_candidate_id, image.stage, image.stage_reason = candidate.id, Stage.GENERATED, ""
    session.add(summary)
    session.add(image)
    judge = payload.get("judge", "")
    scores = _score_items(candidate, judge) if chosen else [comparison(candidate, image)]
    jobs.add_items(session, run_id, scores)
    if judge and not chosen:
        jobs.add_items(session, run_id, [_judge(session, image, candidate.id, judge, decides=False)])


def _unmark(session: Session, flag: Any, candidate: Candidate, among: Any) -> None:
    """Take a flag from the image's other candidates: one of them has it, and ``candidate`` gets it now."""
    others = col(CandidateSummary.image_id) == candidate.image_id, col(CandidateSummary.candidate_id) != candidate.id
    session.execute(
        update(CandidateSummary).where(*others, among).values({flag: False}),
        execution_options={"synchronize_session": False},
    )


def _locked_image(session: Session, image_id: int) -> Image:
    """The image, held until the end of this unit of work: two runs, or a run and a reviewer, take turns on it."""
    return session.get_one(Image, image_id, with_for_update={"key_share": True}, populate_existing=True)


def _may_take(image: Image, payload: Mapping[str, Any]) -> bool:
    """Whether a new candidate may become an image's current one: not when another run or a person was faster."""
    parent_id = payload["parent_id"]
    if parent_id is None:
        return image.stage in taken_stages(replace=payload.get("replaces", False))
    return image.current_candidate_id == parent_id and image.stage in (Stage.REFINING, Stage.FAILED)


def _goes_on(image: Image, candidate_id: int) -> bool:
    """Whether what became of a candidate moves its image: not when it has a newer one, or was set aside."""
    return image.current_candidate_id == candidate_id and image.stage != Stage.SET_ASIDE


def _score_items(candidate: Candidate, judge: str) -> list[NewItem]:
    """For the chosen chain first what the filter can be set on, so that a verdict comes soon; then the other metrics."""
    first = [key for key, spec in METRICS.items() if spec.filters]
    then = [key for key in (*metrics_of(reference=True), *metrics_of(reference=False)) if key not in first]
    return [
        _score_item(candidate, "no-reference", first, 10, judge=judge, filters=True),
        _score_item(candidate, "full-reference", then, 150, judge=judge, filters=False),
    ]


def comparison(candidate: Candidate, image: Image) -> NewItem:
    """The item that scores a candidate which is only compared; of an image made of a clean one, its fidelity to that."""
    if image.reference_pixel_sha256:
        return _score_item(candidate, "fidelity", metrics_of(reference=True), 300, judge="", filters=False)
    metrics = [*metrics_of(reference=True), *metrics_of(reference=False)]
    return _score_item(candidate, "compared", metrics, 300, judge="", filters=False)


def metrics_of(*, reference: bool) -> list[str]:
    """The catalogue's full-reference or no-reference metrics."""
    return [key for key, spec in METRICS.items() if spec.reference == reference]


def _score_item(candidate: Candidate, name: str, metrics: list[str], priority: int, *, judge: str, filters: bool) -> NewItem:
    return NewItem(
        "score",
        f"score:{candidate.id}:{name}",
        queue="gpu",
        shape=f"{candidate.width}x{candidate.height}",
        priority=priority,
        payload={"candidate_id": candidate.id, "metrics": metrics, "filters": filters, "judge": judge},
    )


def judge_item(candidate_id: int, judge: str, evaluator: int, *, decides: bool) -> NewItem:
    """The work item that judges a candidate, a VLM with version ``evaluator`` of its prompt.

    Where it does not decide it moves nothing: it is an opinion to compare. The key holds what makes a reply another one, so
    that a stand-in's, or one to an earlier evaluator, is never taken for an answer to this question.
    """
    spec = JUDGES[judge]
    provider = VLMS[spec.vlm].provider if spec.vlm else ""
    key = f"judge:{candidate_id}:{judge}"
    if provider:
        key += f":{evaluator}" + stand_in_mark(provider)
    return NewItem(
        "judge",
        key,
        queue=spec.queue,
        shape=judge,
        lane=provider,
        priority=5 if decides else 250,
        payload={"candidate_id": candidate_id, "judge": judge, "evaluator": evaluator, "decides": decides},
    )


def _judge(session: Session, image: Image, candidate_id: int, judge: str, *, decides: bool) -> NewItem:
    """The judge item for a candidate of an image, with the evaluator in use."""
    evaluator = prompts.in_use(session)["evaluator", image.category].version if JUDGES[judge].vlm else 0
    return judge_item(candidate_id, judge, evaluator, decides=decides)


def refused(session: Session, run_id: int, payload: Mapping[str, Any], reason: str, message: str, raw: str = "") -> None:
    """A generator gave no usable image, for good: an outcome that counts against its method, and not an error."""
    method = method_for(session, payload["recipe"])
    row = {
        "image_id": payload["image_id"], "method_id": method.id, "recipe_hash": payload["recipe_hash"],
        "recipe": payload["recipe"], "sample": payload["sample"], "run_id": run_id, "reason": reason[:80],
        "message": message[:1000], "raw_sha256": raw, "created_at": utcnow(),
    }  # fmt: skip
    insert_ignore(session, Refusal, [row])
    generation_failed(session, payload, f"{method.name} gave no usable image ({reason}): {message}")


def generation_failed(session: Session, payload: Mapping[str, Any], error: str) -> None:
    """A chosen generator gave no image: the image says so, and a later run may take it up again."""
    image = _locked_image(session, payload["image_id"])
    if payload["chosen"] and _may_take(image, payload):
        image.stage, image.stage_reason = Stage.FAILED, error[:500]
        session.add(image)


def step_failed(session: Session, candidate_id: int, error: str) -> None:
    """Scoring or judging a candidate of a chosen chain was given up: its image says so."""
    candidate = session.get_one(Candidate, candidate_id)
    image = _locked_image(session, candidate.image_id)
    if _goes_on(image, candidate_id):
        image.stage, image.stage_reason = Stage.FAILED, error[:500]
        session.add(image)


def scored(session: Session, run_id: int, candidate_id: int, *, filters: bool, judge: str) -> None:
    """Scores of a candidate are stored: summarise them and, where the item says so, filter by them and go on to a judge.

    Without a judge what the filter passes goes to a person.
    """
    candidate = session.get_one(Candidate, candidate_id)
    image = _locked_image(session, candidate.image_id)
    summary = session.get_one(CandidateSummary, candidate_id)
    hq = _latest(session, candidate.pixel_sha256, {"", image.pixel_sha256})
    lq = _latest(session, image.pixel_sha256, {""})
    summary.metrics = {**hq, **{f"{metric}_lq": value for metric, value in lq.items()}}
    if summary.stage == Stage.GENERATED and (filters or not summary.chosen):
        summary.stage = Stage.SCORED
    session.add(summary)
    if not filters or not _goes_on(image, candidate_id):
        return
    rule = filter_rules.in_force(session, image.category)
    directions = {key: METRICS[key].better for key in rule.min_improvement if key in METRICS}
    result = apply_filter(lq, hq, rule, directions)
    summary.filter_passed, summary.filter_reason = result.passed, result.reason[:500]
    if not result.passed:
        _set_stage(session, image, summary, Stage.FILTERED_OUT, result.reason)
        return
    _set_stage(session, image, summary, Stage.SCORED if judge else Stage.AWAITING, result.reason)
    if judge:
        jobs.add_items(session, run_id, [_judge(session, image, candidate_id, judge, decides=True)])


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


def judged(session: Session, run_id: int, verdict: Verdict, *, decides: bool) -> None:
    """A verdict came in: on to a person, to another attempt, or out (Fig. C.2). An opinion is only kept."""
    row = verdict.model_dump(exclude={"id"})
    insert_ignore(session, Verdict, [row])
    if not decides:
        return
    candidate = session.get_one(Candidate, verdict.candidate_id)
    image = _locked_image(session, candidate.image_id)
    summary = session.get_one(CandidateSummary, verdict.candidate_id)
    summary.decision, summary.rule_decision = verdict.decision, verdict.rule_decision
    if not _goes_on(image, verdict.candidate_id):
        session.add(summary)
        return
    if verdict.decision == "accept":
        _set_stage(session, image, summary, Stage.AWAITING, "")
        return
    following, names = _following(candidate, summary.attempt, verdict)
    if following is None:
        _set_stage(session, image, summary, Stage.JUDGED_OUT, f"Rejected at attempt {summary.attempt}: {names}.")
        return
    _set_stage(session, image, summary, Stage.JUDGED_OUT, f"Attempt {summary.attempt} rejected: {names}.")
    image.stage = Stage.REFINING
    item = generate_item(
        image,
        {**candidate.recipe, "params": dict(following.params), **_strengthened(candidate, following)},
        Chain(chosen=True, judge=verdict.judge, batch=bool(session.get_one(Run, run_id).params.get("batch"))),
        sample=following.sample,
        parent_id=candidate.id,
        attempt=summary.attempt + 1,
        why=following.why,
    )
    jobs.add_items(session, run_id, [item])


def _following(candidate: Candidate, attempt: int, verdict: Verdict) -> tuple[NextAttempt | None, str]:
    """The next attempt after a rejection, None when there is none, and what was wrong, in words."""
    scores: dict[Aspect, float] = {aspect: verdict.scores[aspect] for aspect in ASPECTS}
    reasons: dict[Aspect, str] = {aspect: str(verdict.reasons.get(aspect, "")) for aspect in ASPECTS}
    failed = failed_aspects(scores, ACCEPT_RULE)
    spec = GENERATORS[candidate.recipe["generator"]]
    following = next_attempt(
        attempt, candidate.recipe["params"], failed or weakest(scores), spec.stochastic, REFINEMENT_RULE, reasons
    )
    if following is not None and spec.stochastic:
        # Samples count within a recipe: one that is new starts at its own first, a repeated one goes on from its parent's.
        sample = 0 if following.appended_instructions else candidate.sample + 1
        following = replace(following, sample=sample)
    return following, ", ".join(aspect.replace("_", " ") for aspect in failed) or "the judge's own decision"


def _strengthened(candidate: Candidate, following: NextAttempt) -> dict[str, Any]:
    """The prompt of the next attempt, within what its model takes, and a note in the recipe where something was cut."""
    spec = GENERATORS[candidate.recipe["generator"]]
    text, cut = fit_prompt(candidate.recipe["prompt"], spec.prompt_limit, following.appended_instructions)
    return {"prompt": text} | ({"prompt_cut": True} if cut else {})


def _set_stage(session: Session, image: Image, summary: CandidateSummary, stage: Stage, reason: str) -> None:
    image.stage, image.stage_reason, summary.stage = stage, reason[:500], stage
    session.add(image)
    session.add(summary)
    if stage == Stage.AWAITING:
        queues.admit(session, image.id or 0)


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
