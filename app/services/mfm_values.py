"""What was measured on the two sets of Table 1, read once and kept until something new is there.

A setting's output of an image is its first sample without refinement (paper, Sec. 3.2), by the newest prompt where there are
several. Candidates, scores, verdicts and refusals are only ever added, so the newest ids tell exactly whether a copy in this
process is still right: those of the whole tables at first, which costs nothing, and those on the sets where these moved.
"""

import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from operator import itemgetter
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Engine, Float, String, and_, case, cast, func, literal, null, select, union_all
from sqlmodel import Session, col

from app import db
from app.domain.overall_score import MFM_COLUMNS, Array
from app.models import (
    Candidate,
    Image,
    ImageSet,
    ImageSetItem,
    Method,
    Refusal,
    Score,
    StrategyChoice,
    User,
    Verdict,
)

METRICS = tuple(column.key for column in MFM_COLUMNS if column.aspect != "vlm")
KEPT = 4
"""Pairs of sets held in memory, each some megabytes for 36 settings on 300 images."""
Mark = tuple[Any, ...]
"""What a copy was made of."""


@dataclass(frozen=True)
class SettingKey:
    """A row of a table: a method that has a candidate (or a refusal) on the sets. ``strategy`` is "none" without prompts."""

    method_id: int
    name: str
    generator: str
    strategy: str
    stand_in: bool


@dataclass(frozen=True)
class SetRow:
    """An image set to choose. ``mark`` changes with its images."""

    id: int
    name: str
    kind: str
    images: int
    frozen: bool
    mark: Mark


@dataclass(frozen=True)
class Known:
    """The sets, newest first, and the newest ids of all that tables are made of."""

    sets: tuple[SetRow, ...]
    newest: Mark

    def get(self, set_id: int) -> SetRow | None:
        return next((row for row in self.sets if row.id == set_id), None)


@dataclass(frozen=True, eq=False)
class Part:
    """One set. Arrays are [images, settings]: ``candidates`` ids, 0 for none; ``values`` by metric, NaN where missing.

    ``judged`` has a judge's decisions by :func:`judge_key`: 1 for accepted, 0 for rejected or refused, NaN
    where it was not asked. ``refused`` has reasons by (image, setting), counted from 0. ``versions``: how many of a metric.
    """

    image_ids: tuple[int, ...]
    categories: tuple[str, ...]
    candidates: NDArray[np.int64]
    values: Mapping[str, Array]
    judged: Mapping[str, Array]
    refused: Mapping[tuple[int, int], str]
    versions: Mapping[str, int]


@dataclass(frozen=True, eq=False)
class Measured:
    """Both sets, over the same settings, stand-ins among them. ``on_sets``: the newest ids of what it was made of."""

    settings: tuple[SettingKey, ...]
    fidelity: Part
    perceptual: Part
    on_sets: Mark

    @property
    def judges(self) -> tuple[str, ...]:
        """Who judged outputs of the perceptual set."""
        return tuple(self.perceptual.judged)


@dataclass(frozen=True)
class Choice:
    """Somebody's choice of a generator's strategy."""

    generator: str
    strategy: str
    reason: str
    by: str
    at: Any


_NOTHING = cast(null(), String)
_kept: WeakKeyDictionary[Engine, OrderedDict[Mark, tuple[Mark, Measured]]] = WeakKeyDictionary()
"""The copies of each database, with the newest ids of its whole tables when they were right."""
_turn = threading.Lock()


def known(session: Session) -> Known:
    """The image sets, and what is newest, in one statement."""
    counted = (
        select(
            col(ImageSetItem.set_id), func.count().label("images"), func.sum(col(ImageSetItem.image_id)).label("ids"),
            func.sum(col(ImageSetItem.image_id) * col(ImageSetItem.position)).label("places"),
        )
        .group_by(col(ImageSetItem.set_id))
        .subquery()
    )  # fmt: skip
    newest = [select(func.max(table.id)).scalar_subquery() for table in (Candidate, Refusal, Score, Verdict, Method)]
    rows = session.execute(
        select(ImageSet, counted.c.images, counted.c.ids, counted.c.places, *newest)
        .outerjoin(counted, counted.c.set_id == col(ImageSet.id))
        .order_by(col(ImageSet.id).desc())
    ).all()
    sets = tuple(
        SetRow(s.id or 0, s.name, s.kind, images or 0, s.frozen_at is not None, (images, int(ids or 0), int(places or 0)))
        for s, images, ids, places, *_ in rows
    )
    return Known(sets, tuple(rows[0][4:]) if rows else ())


def choices(session: Session) -> dict[str, Choice]:
    """What people chose, by generator."""
    rows = session.execute(
        select(StrategyChoice, col(User.name)).outerjoin(User, col(User.id) == col(StrategyChoice.chosen_by))
    )
    return {c.generator: Choice(c.generator, c.strategy, c.reason, name or "", c.created_at) for c, name in rows}


def measured(session: Session, found: Known, fidelity_id: int | None, perceptual_id: int | None) -> Measured:
    """What is there of two sets: a kept copy while it is right, else read in three statements."""
    ids = tuple(set_id for set_id in (fidelity_id, perceptual_id) if set_id is not None)
    rows = [found.get(set_id) for set_id in ids]
    place: Mark = (fidelity_id, perceptual_id, *(row.mark for row in rows if row))
    with _turn:
        kept = _kept.setdefault(db.engine(), OrderedDict())
        there = kept.get(place)
    if there and there[0] == found.newest:
        return there[1]
    if there and _on_sets(session, ids) == there[1].on_sets:
        made = there[1]
    else:
        made = _read(session, fidelity_id, perceptual_id, ids)
    with _turn:
        kept[place] = (found.newest, made)
        kept.move_to_end(place)
        while len(kept) > KEPT:
            kept.popitem(last=False)
    return made


def _read(session: Session, fidelity_id: int | None, perceptual_id: int | None, ids: tuple[int, ...]) -> Measured:
    members: dict[int | None, list[tuple[int, str]]] = {fidelity_id: [], perceptual_id: []}
    for set_id, image_id, category in session.execute(_members(ids)):
        members[set_id].append((image_id, category))
    outputs = session.execute(_outputs(ids)).all()
    methods = {row.method_id: row for row in outputs}
    settings = tuple(
        SettingKey(m.method_id, m.name, m.generator, m.strategy, m.stand_in)
        for m in sorted(methods.values(), key=lambda m: str(m.name))
    )
    at_setting = {setting.method_id: at for at, setting in enumerate(settings)}
    # Sorted here, since a database would write all of it to a temporary table first.
    results = sorted(session.execute(_results(ids)), key=itemgetter(5))
    parts = []
    for set_id in (fidelity_id, perceptual_id):
        own = members[set_id] if set_id is not None else []
        parts.append(_part(own, outputs, results, at_setting))
    # Rows come by id, so the newest of a kind is its last one.
    newest = [next((row.id for row in reversed(outputs) if (row.reason is None) is made), None) for made in (True, False)]
    for judged in (False, True):
        newest.append(next((row.id for row in reversed(results) if (row.version is None) is judged), None))
    return Measured(settings, parts[0], parts[1], tuple(newest))


def _part(own: list[tuple[int, str]], outputs: Iterable[Any], results: Iterable[Any], at_setting: Mapping[int, int]) -> Part:
    at_image = {image_id: at for at, (image_id, _) in enumerate(own)}
    shape = (len(own), len(at_setting))
    first: dict[tuple[int, int], int] = {}
    refused: dict[tuple[int, int], str] = {}
    for candidate_id, image_id, method_id, *_, reason in outputs:
        if image_id not in at_image:
            continue
        place = (at_image[image_id], at_setting[method_id])
        if reason is None:
            first[place] = candidate_id
        else:
            refused[place] = reason
    refused = {place: reason for place, reason in refused.items() if place not in first}
    candidates = np.zeros(shape, np.int64)
    for place, candidate_id in first.items():
        candidates[place] = candidate_id
    place_of = {candidate_id: place for place, candidate_id in first.items()}
    told: dict[tuple[str, bool], dict[tuple[int, int], float]] = {}
    versions: dict[str, set[str]] = {metric: set() for metric in METRICS}
    judges: set[tuple[str, bool]] = set()
    for candidate_id, name, stand_in, value, version, _ in results:
        found = place_of.get(candidate_id)
        if found is None:
            continue
        if version is None:
            judges.add((name, stand_in))
        else:
            versions[name].add(version)
        told.setdefault((name, stand_in), {})[found] = np.nan if value is None else value

    def filled(key: tuple[str, bool], otherwise: Iterable[tuple[int, int]] = ()) -> Array:
        made = np.full(shape, np.nan)
        known = dict.fromkeys(otherwise, 0.0) | told.get(key, {})
        if known:
            made[tuple(np.array(list(known)).T)] = list(known.values())
        return made

    return Part(
        tuple(image_id for image_id, _ in own), tuple(category for _, category in own), candidates,
        {metric: filled((metric, False)) for metric in METRICS},
        {judge_key(name, stand_in=stand_in): filled((name, stand_in), refused) for name, stand_in in sorted(judges)},
        refused, {metric: len(names) for metric, names in versions.items()},
    )  # fmt: skip


def _members(ids: tuple[int, ...]) -> Any:
    return (
        select(col(ImageSetItem.set_id), col(Image.id), col(Image.category))
        .join(Image, col(Image.id) == col(ImageSetItem.image_id))
        .where(col(ImageSetItem.set_id).in_(ids))
        .order_by(col(ImageSetItem.set_id), col(ImageSetItem.position))
    )


def _on(ids: tuple[int, ...], image_id: Any) -> Any:
    return image_id.in_(select(col(ImageSetItem.image_id)).where(col(ImageSetItem.set_id).in_(ids)))


def _first(ids: tuple[int, ...]) -> tuple[Any, ...]:
    """First samples without refinement."""
    return _on(ids, col(Candidate.image_id)), col(Candidate.parent_id).is_(None), col(Candidate.sample) == 0


def _outputs(ids: tuple[int, ...]) -> Any:
    """Candidates, and refusals with their reason. Oldest first, so that the newest recipe's is the one that stays."""
    about = (col(Method.name), col(Method.generator), col(Method.strategy), col(Method.stand_in))
    made = (
        select(
            col(Candidate.id), col(Candidate.image_id), col(Candidate.method_id), *about, _NOTHING.label("reason")
        )
        .join(Method, col(Method.id) == col(Candidate.method_id))
        .where(*_first(ids))
    )  # fmt: skip
    refused = (
        select(col(Refusal.id), col(Refusal.image_id), col(Refusal.method_id), *about, col(Refusal.reason))
        .join(Method, col(Method.id) == col(Refusal.method_id))
        .where(_on(ids, col(Refusal.image_id)), col(Refusal.sample) == 0)
    )
    both = union_all(made, refused).subquery()
    return select(both).order_by(both.c.id)


def _scored(ids: tuple[int, ...], *columns: Any) -> Any:
    """Scores of first samples; full-reference metrics against the image's own reference."""
    return (
        select(*columns)
        .select_from(Candidate)
        .join(Image, col(Image.id) == col(Candidate.image_id))
        .join(
            Score,
            and_(
                col(Score.pixel_sha256) == col(Candidate.pixel_sha256),
                col(Score.reference_sha256).in_(("", col(Image.reference_pixel_sha256))),
                col(Score.metric).in_(METRICS),
            ),
        )
        .where(*_first(ids))
    )


def _judged(ids: tuple[int, ...], *columns: Any) -> Any:
    return (
        select(*columns)
        .select_from(Candidate)
        .join(Verdict, col(Verdict.candidate_id) == col(Candidate.id))
        .where(*_first(ids))
    )


def _results(ids: tuple[int, ...]) -> Any:
    """Scores and verdicts, which have no version here, in any order; their id comes last."""
    accepted = cast(case((col(Verdict.decision) == "accept", 1), else_=0), Float)
    scores = _scored(
        ids, col(Candidate.id).label("candidate_id"), col(Score.metric).label("name"), literal(False).label("stand_in"),
        col(Score.value), col(Score.version), col(Score.id),
    )  # fmt: skip
    verdicts = _judged(
        ids, col(Candidate.id).label("candidate_id"), col(Verdict.judge).label("name"), col(Verdict.stand_in),
        accepted.label("value"), _NOTHING.label("version"), col(Verdict.id),
    )  # fmt: skip
    return union_all(scores, verdicts)


def _on_sets(session: Session, ids: tuple[int, ...]) -> Mark:
    """The newest ids on the sets, in one statement: what :class:`Measured` says of the copy."""
    refusals = select(func.max(col(Refusal.id))).where(_on(ids, col(Refusal.image_id)), col(Refusal.sample) == 0)
    asked = (
        select(func.max(col(Candidate.id))).where(*_first(ids)),
        refusals,
        _scored(ids, func.max(col(Score.id))),
        _judged(ids, func.max(col(Verdict.id))),
    )
    return tuple(session.execute(select(*(query.scalar_subquery() for query in asked))).one())


def judge_key(judge: str, *, stand_in: bool) -> str:
    """How a judge is named where decisions are kept by judge: verdicts of its stand-in are another judge's."""
    return f"{judge}:stand-in" if stand_in else judge
