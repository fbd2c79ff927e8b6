"""A collection with one of everything that pages show, for tests that look at every page."""

from dataclasses import dataclass
from datetime import timedelta

from sqlmodel import Session

from app.domain.aspects import ASPECTS
from app.models import (
    ApiCall,
    ApiToken,
    CallState,
    Candidate,
    CandidateSummary,
    FilterSetting,
    GoldAnswer,
    Image,
    ImageSet,
    ImageSetItem,
    ItemState,
    PatchState,
    ProviderAccount,
    Refusal,
    Review,
    Role,
    Run,
    RunState,
    Score,
    Source,
    Stage,
    Verdict,
    WorkItem,
    WrittenPrompt,
    utcnow,
)  # fmt: skip
from app.services import events, invitations, look_list, people, prompts
from tests import factories

LONG_PROMPT = "Remove the rain and keep every line of the lamp, the sign and the people in front of it. " * 5


@dataclass(frozen=True)
class Collection:
    """What addresses need: session tokens of people by role, an invitation's token, and ids."""

    tokens: dict[Role, str]
    invitation: str = ""
    sign_in_link: str = ""
    image_id: int = 0
    bare_image_id: int = 0
    disputed_id: int = 0
    run_id: int = 0
    ingest_id: int = 0
    finished_id: int = 0
    source_id: int = 0
    photo_id: int = 0
    patch_id: int = 0
    set_id: int = 0


def make_empty(session: Session) -> Collection:
    """People, and nothing that they could work on."""
    return Collection({role: people.sign_in(session, factories.make_user(session, role), "test") for role in Role})


def make_collection(session: Session) -> Collection:
    """An image with two attempts and all that can be said of them, pairs to verify, runs in every state, spending."""
    users = {role: factories.make_user(session, role) for role in Role}
    admin = users[Role.ADMIN]
    source = factories.make_source(session)
    source.url, source.author = "https://example.org/photographs", "Ada"
    run, finished, ingest = _runs(session, admin)
    image = _image(session, source, users[Role.ANNOTATOR], run.id)
    bare = factories.make_image(session, Stage.FAILED, "haze", source)
    bare.stage_reason = "The provider refused it."
    for _ in range(3):
        metrics = {"niqe": 3.0, "niqe_lq": 5.0, "piqe": 30.0, "piqe_lq": 50.0, "brisque": 20.0, "brisque_lq": 18.0}
        waiting = factories.make_image(session, Stage.AWAITING, "rain", source, side=96)
        for judge in ("local-measure", "gpt-5.4-pro"):
            _verdict(session, factories.make_candidate(session, waiting, metrics=metrics), judge, "accept", 88)
    _gold(session, image, admin)
    photo_id, patch_id = _screened(session, source, admin)
    _settings(session, admin)
    deactivated = factories.make_user(session, Role.ANNOTATOR)
    people.deactivate(session, admin, deactivated)
    return Collection(
        tokens={role: people.sign_in(session, user_id, "test") for role, user_id in users.items()},
        invitation=invitations.invite(session, admin, Role.ANNOTATOR, "new@example.org"),
        sign_in_link=invitations.sign_in_link(session, admin, users[Role.RESEARCHER]),
        image_id=image.id or 0, bare_image_id=bare.id or 0, disputed_id=_disputed(session, source, users),
        run_id=run.id or 0, ingest_id=ingest.id or 0, finished_id=finished.id or 0, source_id=source.id or 0,
        photo_id=photo_id, patch_id=patch_id, set_id=_set(session, [image.id or 0, bare.id or 0]),
    )  # fmt: skip


def _set(session: Session, image_ids: list[int]) -> int:
    """A frozen perceptual set."""
    made = ImageSet(name="real-2", kind="perceptual", recipe={"wanted": {"rain": 1, "haze": 1}, "seed": 0, "source_id": None,
                    "per_photo": 1}, frozen_at=utcnow())  # fmt: skip
    session.add(made)
    session.flush()
    session.add_all(
        ImageSetItem(set_id=made.id or 0, image_id=image_id, position=place) for place, image_id in enumerate(image_ids)
    )
    session.flush()
    return made.id or 0


def _image(session: Session, source: Source, user_id: int, run_id: int | None) -> Image:
    """An image whose second attempt, of another prompt, waits for a person; a first one was rejected by judge and person."""
    image = factories.make_image(session, Stage.AWAITING, "rain", source, side=96)
    parent: Candidate | None = None
    for stage, prompt in ((Stage.JUDGED_OUT, LONG_PROMPT), (Stage.AWAITING, "Remove the rain.")):
        metrics = {"niqe": 4.0, "niqe_lq": 5.0, "piqe": 33.0, "piqe_lq": 31.0, "brisque": 20.0, "brisque_lq": 28.0}
        candidate = factories.make_candidate(session, image, metrics=metrics, stage=stage, parent=parent)
        candidate.recipe = {"params": {"strength": 1.0 if parent else 0.6}, "prompt": prompt, "extra": "Keep the sign."}
        candidate.run_id, candidate.raw_sha256 = run_id, image.master_sha256
        candidate.checks = {"width": 1024, "height": 1024, "resized": True, "shift": [9.0, 0.0], "likeness": 0.5}
        summary = session.get_one(CandidateSummary, candidate.id)
        summary.filter_passed, summary.filter_reason = True, "NIQE gained 1.0."
        for metric, value in (("niqe", 4.0), ("lpips", 0.2), ("musiq", None)):
            session.add(
                Score(pixel_sha256=candidate.pixel_sha256, metric=metric, version="1", value=value, note="too small")
            )
        session.add(Score(pixel_sha256=image.pixel_sha256, metric="niqe", version=f"1{stage}", value=5.0))
        _verdict(session, candidate, "local-measure", "reject", 40)
        _verdict(session, candidate, "gpt-5.4-pro", "accept", 91, rule="reject")
        parent = candidate
    assert parent is not None
    refused = Refusal(
        image_id=image.id or 0, method_id=parent.method_id, recipe_hash="r" * 64, reason="IMAGE_SAFETY", message="Blocked."
    )
    review = Review(
        key="k" * 8, candidate_id=parent.id or 0, image_id=image.id or 0, user_id=user_id, decision="reject",
        reasons=["artifact"], note="a halo", undone_at=utcnow(),
    )  # fmt: skip
    written = WrittenPrompt(image_id=image.id or 0, vlm="gemini-3.1-pro", meta_version=1, text="Clear the rain.")
    session.add_all([refused, review, written])
    events.record(session, user_id, "review.rejected", f"image:{image.id}", why="a halo")
    return image


def _disputed(session: Session, source: Source, users: dict[Role, int]) -> int:
    """A pair of which two people say different things; returns its image's id."""
    image = factories.make_image(session, Stage.DISPUTED, "rain", source, side=96)
    image.decisions_wanted = 2
    candidate = factories.make_candidate(session, image, metrics={"niqe": 3.0, "niqe_lq": 5.0}, stage=Stage.DISPUTED)
    _verdict(session, candidate, "gpt-5.4-pro", "accept", 80)
    for slot, (role, decision) in enumerate(((Role.ANNOTATOR, "accept"), (Role.RESEARCHER, "reject"))):
        session.add(
            Review(
                key=f"disputed-{slot}", candidate_id=candidate.id or 0, image_id=image.id or 0, user_id=users[role],
                decision=decision, slot=slot, reasons=["structure"] if slot else [], note="a bent lamp" if slot else "",
            )
        )  # fmt: skip
    session.flush()
    return image.id or 0


def _gold(session: Session, image: Image, user_id: int) -> None:
    """A question whose answer is known, and somebody who knew better."""
    session.add_all([
        GoldAnswer(
            candidate_id=image.current_candidate_id or 0, image_id=image.id or 0, decision="accept", note="It is a mirror."
        ),
        Review(
            key="gold-key", candidate_id=image.current_candidate_id or 0, image_id=image.id or 0, user_id=user_id,
            kind="gold", decision="reject", reasons=["structure"], note="a lamp",
        ),
    ])  # fmt: skip
    session.flush()


def _screened(session: Session, source: Source, user_id: int) -> tuple[int, int]:
    """Photographs that wait for a look or had one, patches in every state; ids of a photograph and a patch that is out."""
    photo = factories.make_photograph(
        session, source=source, patches=2, url="https://example.org/photographs/1", keywords=["rain", "street"],
        licence="CC-BY-2.0", author="Bob",
        exif={"make": "NIKON CORPORATION", "model": "NIKON D850", "datetime": "2019:01:31 10:00:00"},
    )  # fmt: skip
    factories.make_photograph(session, source=source)
    factories.make_photograph(session, source=factories.make_source(session, "scans", ""))
    for answer in ("keep", "duplicate"):
        seen = factories.make_photograph(session, source=source)
        look_list.decide(session, user_id, [seen.id or 0], answer)
    measures = {"artifact": 12.4, "structure": 0.6, "asked_by": "gemini/1", "why": {"artifact_visible": "It is dry."}}
    out = None
    for state in PatchState:
        step, level = {"out": ("artifact", ""), "passed": ("", "low"), "retained": ("", "high")}.get(state, ("", ""))
        patch = factories.make_patch(session, state, source=source, step=step, level=level)
        patch.measures, patch.reason = {**patch.measures, **measures}, "artifact 12.4 is below 25, as measured"
        out = patch.id if state == PatchState.OUT else out
    session.flush()
    return photo.id or 0, out or 0


def _verdict(session: Session, candidate: Candidate, judge: str, decision: str, score: float, rule: str = "") -> None:
    reasons = {"object_consistency": "A lamp is missing."}
    session.add(
        Verdict(
            candidate_id=candidate.id or 0, judge=judge, version="1", raw="", decision=decision, reasons=reasons,
            rule_decision=rule or decision, scores=dict.fromkeys(ASPECTS, score),
        )
    )  # fmt: skip
    session.flush()


def _runs(session: Session, admin: int) -> tuple[Run, Run, Run]:
    """A run under way with items in every state, one that has finished, and an ingest with its report."""
    report = {
        "ingested": 2, "known": 1, "rejected": [{"file": "three.png", "reason": "It is cut off."}],
        "duplicates": [{"file": "two.png", "of": "one.png", "kind": "near", "distance": 3}],
    }  # fmt: skip
    states = [ItemState.DONE, ItemState.FAILED, ItemState.UNKNOWN, ItemState.CANCELLED, ItemState.WAITING, ItemState.REMOTE]
    run = Run(kind="pipeline", title="All images", total=len(states), done=1, failed=1, unknown=1, cancelled=1,
              spent_micros=1_230_000, created_by=admin)  # fmt: skip
    ended = utcnow() + timedelta(seconds=90)
    finished = Run(
        kind="pipeline", title="Rain", total=9, done=9, state=RunState.FINISHED, created_by=admin, finished_at=ended
    )
    ingest = Run(
        kind="ingest", title="own-2026", total=4, done=3, failed=1, state=RunState.FINISHED, params={"report": report},
        created_by=admin, finished_at=ended,
    )  # fmt: skip
    session.add_all([run, finished, ingest])
    session.flush()
    for number, state in enumerate(states):
        error = "No answer came." if state in (ItemState.FAILED, ItemState.UNKNOWN) else ""
        session.add(
            WorkItem(
                run_id=run.id or 0, key=f"generate:{number}", kind="generate", queue="api", shape="nano-banana-2",
                lane="gemini", state=state, error=error, seconds=1.5, attempts=2, finished_at=utcnow(),
            )
        )  # fmt: skip
    session.flush()
    return run, finished, ingest


def _settings(session: Session, admin: int) -> None:
    """What admins and researchers set: prompts, thresholds, budgets, tokens."""
    prompts.edit(session, admin, "fix", "rain", system="", user="Remove all of the rain.", note="shorter")
    session.add(FilterSetting(category="rain", min_improvement={"niqe": 0.2, "piqe": 1.0}, min_passing=1, created_by=admin))
    session.add(
        ProviderAccount(
            provider="gemini", daily_budget_micros=5_000_000, spent_micros=2_000_000, reserved_micros=100_000,
            day=utcnow().date(), spent_today_micros=1_000_000, paused="Paused for a test.",
        )
    )  # fmt: skip
    for number, state in enumerate((CallState.ANSWERED, CallState.REFUSED, CallState.FAILED, CallState.UNKNOWN)):
        failure = "No answer came." if state in (CallState.FAILED, CallState.UNKNOWN) else ""
        session.add(
            ApiCall(provider="gemini", model="m", purpose="judge", request_key=f"k{number}", state=state, error=failure,
                    reason="timeout" if failure else "", cost_micros=1000, finished_at=utcnow())
        )  # fmt: skip
    session.add(ApiToken(user_id=admin, name="export script", token_hash="t" * 64))
    invitations.invite(session, admin, Role.RESEARCHER)
