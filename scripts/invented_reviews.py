"""Fills an empty data folder with invented pairs and decisions, for the pictures of pages that need hundreds of them.

    GGT_DATA_DIR=FOLDER .venv/bin/python scripts/invented_reviews.py

Nothing here was measured, and nobody decided anything: the pictures that are taken of it say so.
"""

from datetime import timedelta
from random import Random
from uuid import uuid4

from app import migrate
from app.db import unit_of_work
from app.domain.aspects import ASPECTS
from app.domain.review import Reason
from app.models import Candidate, Image, Pair, Review, Stage, Verdict, utcnow
from tests import factories

PAIRS = 360
PEOPLE = ("Noor", "Mika", "Ada")
CATEGORIES = ("general_mixed", "rain", "haze", "low_light", "old_photo")
DISPUTED = 6
"""So many pairs are left to be settled."""


def main() -> None:
    migrate.upgrade()
    random = Random(100_000)  # noqa: S311
    with unit_of_work() as session:
        people = [factories.make_user(session, name=name) for name in PEOPLE]
        began = utcnow() - timedelta(days=20)
        disputed = 0
        for number in range(PAIRS):
            quality = min(99.0, max(5.0, random.gauss(78, 16)))
            image = factories.make_image(session, Stage.AWAITING, random.choice(CATEGORIES))
            image.decisions_wanted = 2
            gain = {"niqe": 5.2 - quality / 40 + random.gauss(0, 0.3), "niqe_lq": 5.2}
            candidate = factories.make_candidate(session, image, metrics=gain)
            scores = {aspect: round(min(100.0, max(0.0, quality + random.gauss(8, 9)))) for aspect in ASPECTS}
            decision = "accept" if min(scores.values()) >= 60 else "reject"
            session.add(
                Verdict(
                    candidate_id=candidate.id or 0, judge="gemini-3.1-pro", version="1", decision=decision,
                    rule_decision=decision, scores=scores, reasons={}, raw="", stand_in=True,
                )
            )  # fmt: skip
            at = began + timedelta(hours=number * 480 / PAIRS)
            said = [
                _said(random, candidate, user, slot, quality, at)
                for slot, user in enumerate(random.sample(people, 2))
            ]  # fmt: skip
            session.add_all(said)
            session.flush()
            split = said[0].decision != said[1].decision
            disputed += split
            _closed(image, said, settled=split and disputed > DISPUTED)
            if split and disputed > DISPUTED:
                final = _said(random, candidate, people[0], None, quality, at + timedelta(hours=2))
                session.add(final)
                said = [final]
            if image.stage == Stage.VERIFIED:
                session.flush()
                session.add(Pair(image_id=image.id or 0, candidate_id=candidate.id or 0, review_id=said[-1].id or 0))


def _said(random: Random, candidate: Candidate, user: int, slot: int | None, quality: float, at: object) -> Review:
    """What somebody says of a pair: what they see of its quality, and each a little otherwise."""
    seen = quality + random.gauss(0, 6)
    return Review(
        key=uuid4().hex, candidate_id=candidate.id or 0, image_id=candidate.image_id, user_id=user, slot=slot,
        kind="own" if slot is not None else "final", decision="accept" if seen >= 66 else "reject",
        reasons=[] if seen >= 66 else [random.choice([r.value for r in Reason][:4])],
        scores={aspect: float(round(min(100.0, max(0.0, seen + random.gauss(5, 6))) / 10) * 10) for aspect in ASPECTS},
        created_at=at,
    )  # fmt: skip


def _closed(image: Image, said: list[Review], *, settled: bool) -> None:
    split = said[0].decision != said[1].decision
    if split and not settled:
        image.stage = Stage.DISPUTED
    else:
        image.stage = Stage.VERIFIED if said[0].decision == "accept" else Stage.REJECTED


if __name__ == "__main__":
    main()
