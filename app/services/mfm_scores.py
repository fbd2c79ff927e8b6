"""Table 1 of one's own images: settings with their means, Eq. 1, intervals, and the best prompt of each generator."""

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from weakref import WeakKeyDictionary

import numpy as np
from sqlmodel import Session

from app.catalog.categories import CATEGORIES
from app.catalog.generators import GENERATORS
from app.catalog.judges import JUDGES
from app.domain.agreement import wilson
from app.domain.bootstrap import LEAST_IMAGES, TAILS, AvgBootstrap, Mean, Paired, Sheet, avg_intervals, compare, means
from app.domain.overall_score import MFM_COLUMNS, Array, Overall, overall
from app.domain.table_format import Cell, Head, Row, Table
from app.errors import GgtError, NotFound
from app.services import image_sets, mfm_values
from app.services.mfm_best import Best, best_prompts, ranked
from app.services.mfm_names import SHORT_STRATEGY, column_title, is_vlm_r, judge_name, judge_title, title
from app.services.mfm_values import Choice, Known, Measured, Part, SetRow, SettingKey
from app.services.table_export import AVG, LABELS, mfm_heads, recipe

FIDELITY = tuple(column for column in MFM_COLUMNS if column.aspect == "fid")
PERCEPTUAL = tuple(column for column in MFM_COLUMNS if column.aspect == "per")
VLM = tuple(column for column in MFM_COLUMNS if column.aspect == "vlm")
KEPT = 16
"""Tables held in memory for one pair of sets."""


@dataclass(frozen=True)
class Wanted:
    """Which sets, judge and aspects a table is made of. ``category`` narrows the perceptual set; ``judge`` is as in
    ``mfm_values.judge_key``, empty for none. ``weights`` chooses and weighs aspects, all alike where None.
    """

    fidelity_id: int | None = None
    perceptual_id: int | None = None
    judge: str = ""
    category: str = ""
    weights: Mapping[str, float] | None = None
    stand_ins: bool = False
    seed: int = 0

    @property
    def key(self) -> tuple[object, ...]:
        """What the numbers depend on besides the sets."""
        weights = None if self.weights is None else tuple(sorted(self.weights.items()))
        return self.judge, self.category, weights, self.stand_ins, self.seed


@dataclass(frozen=True)
class Line:
    """A setting with the mean of each metric by key (None where it has no value), Avg. with its interval, and refusals."""

    setting: SettingKey
    model: str
    prompt: str
    means: Mapping[str, Mean | None]
    avg: Mean | None
    refused: int


@dataclass(frozen=True)
class FirstTwo:
    """The two settings of highest Avg.: each metric's difference, first less second, Avg.'s with its interval, and in how
    many resamples the first leads. None where there are too few images to say.
    """

    first: int
    second: int
    leads: float | None
    avg: Mean
    differences: Mapping[str, Paired | None]


@dataclass(frozen=True)
class MfmTable:
    """All that the page of Table 1 shows. ``lines`` in the order of ``scored.rows``; ``hidden`` stand-ins are left out.

    ``images`` are the numbers of the sets' images by kind, the perceptual ones of the category where one is chosen.
    """

    wanted: Wanted
    lines: tuple[Line, ...]
    scored: Overall
    first_two: FirstTwo | None
    best: tuple[Best, ...]
    images: Mapping[str, int]
    hidden: int
    judges: tuple[str, ...]
    notes: tuple[str, ...]
    sets: tuple[SetRow | None, SetRow | None] = (None, None)


_made: WeakKeyDictionary[Measured, OrderedDict[tuple[object, ...], MfmTable]] = WeakKeyDictionary()
_turn = threading.Lock()


def usual_set(found: Known, kind: str) -> int | None:
    """The newest frozen set of a kind, else the newest."""
    own = [row for row in found.sets if row.kind == kind]
    return next((row.id for row in own if row.frozen), own[0].id if own else None)


def usual_judge(there: Measured) -> str:
    """A real VLM if one has judged, else whoever has."""

    def rank(judge: str) -> tuple[bool, bool, int]:
        name, _, mark = judge.partition(":")
        spec = JUDGES.get(name)
        return bool(mark), spec is None or spec.local, list(JUDGES).index(name) if spec else len(JUDGES)

    return min(there.judges, key=rank, default="")


def usual_stand_ins(there: Measured) -> bool:
    """Stand-ins are shown where there is nothing else."""
    return all(setting.stand_in for setting in there.settings)


def read(session: Session, wanted: Wanted, found: Known | None = None) -> MfmTable:
    """The table of the sets. Raises NotFound for a set that is not there, GgtError for another kind or weights."""
    found = found or mfm_values.known(session)
    sets = check_sets(found, wanted.fidelity_id, wanted.perceptual_id)
    there = mfm_values.measured(session, found, wanted.fidelity_id, wanted.perceptual_id)
    return finished(there, wanted, sets, mfm_values.choices(session))


def finished(
    there: Measured, wanted: Wanted, sets: tuple[SetRow | None, SetRow | None], choices: Mapping[str, Choice]
) -> MfmTable:
    """The numbers with what people chose and what must be known of them."""
    made = replace(computed(there, wanted), wanted=wanted, sets=sets)
    made = replace(made, best=best_prompts(choices, [line.setting for line in made.lines], made.scored))
    return replace(made, notes=_notes(made, there))


def check_sets(found: Known, fidelity: int | None, perceptual: int | None) -> tuple[SetRow | None, SetRow | None]:
    """The rows of two sets. Raises NotFound, and GgtError for a set of another kind."""

    def row(set_id: int | None, kind: str) -> SetRow | None:
        if set_id is None:
            return None
        known = found.get(set_id)
        if known is None:
            raise NotFound(f"There is no image set {set_id}.")
        if known.kind != kind:
            raise GgtError(f"{known.name} is a {known.kind} set, and a {kind} set is asked for here.")
        return known

    return row(fidelity, image_sets.FIDELITY), row(perceptual, image_sets.PERCEPTUAL)


def computed(there: Measured, wanted: Wanted) -> MfmTable:
    """The numbers, without what people chose: those kept in this process, or made anew."""
    with _turn:
        kept = _made.setdefault(there, OrderedDict())
        if wanted.key in kept:
            kept.move_to_end(wanted.key)
            return kept[wanted.key]
    made = _compute(there, wanted)
    with _turn:
        kept[wanted.key] = made
        while len(kept) > KEPT:
            kept.popitem(last=False)
    return made


def of_category(part: Part, category: str) -> list[int]:
    """The places of a set's images of a category, of all where it is empty."""
    return [at for at, own in enumerate(part.categories) if not category or own == category]


def _compute(there: Measured, wanted: Wanted) -> MfmTable:
    chosen = [at for at, setting in enumerate(there.settings) if wanted.stand_ins or not setting.stand_in]
    chosen.sort(key=lambda at: _order(there.settings[at]))
    images = of_category(there.perceptual, wanted.category)
    judged = there.perceptual.judged.get(wanted.judge)
    if judged is None:
        judged = np.full(there.perceptual.candidates.shape, np.nan)
    fidelity = np.stack([there.fidelity.values[c.key][:, chosen] for c in FIDELITY], axis=-1)
    perceptual = np.stack(
        [found[images][:, chosen] for found in (*(there.perceptual.values[c.key] for c in PERCEPTUAL), judged)], axis=-1
    )
    sheets = [Sheet(FIDELITY, fidelity), Sheet((*PERCEPTUAL, *VLM), perceptual)]
    told = {c.key: m for sheet in sheets for c, m in zip(sheet.columns, _means(sheet, wanted.seed), strict=True)}
    rows = [{key: m.value if (m := found[at]) else None for key, found in told.items()} for at in range(len(chosen))]
    try:
        scored = overall(rows, MFM_COLUMNS, wanted.weights)
        drawn = avg_intervals(sheets, wanted.weights, seed=wanted.seed) if chosen else None
    except ValueError as error:
        raise GgtError(f"This cannot be averaged: {error}.") from error
    lines = []
    for at, place in enumerate(chosen):
        setting = there.settings[place]
        refused = sum(own == place for _, own in there.fidelity.refused)
        refused += sum(own == place and image in images for image, own in there.perceptual.refused)
        told_here = {key: found[at] for key, found in told.items()}
        prompt = SHORT_STRATEGY.get(setting.strategy, setting.strategy)
        lines.append(Line(setting, title(setting), prompt, told_here, _avg(scored, drawn, at), refused))
    numbers = {image_sets.FIDELITY: len(fidelity), image_sets.PERCEPTUAL: len(perceptual)}
    return MfmTable(
        wanted, tuple(lines), scored, _first_two(scored, sheets, drawn, wanted.seed), (), numbers,
        len(there.settings) - len(chosen), there.judges, (),
    )  # fmt: skip


def heads(found: MfmTable) -> tuple[Head, ...]:
    """The table's heads: the paper's, with the sets' names and numbers of images, and the judge's where it is no VLM."""
    titles = {"vlm_r": judge_title(found.wanted.judge)}
    groups = {}
    for aspect, word, row in zip(("fid", "per"), ("Fidelity", "Perceptual"), found.sets, strict=True):
        number = found.images[image_sets.FIDELITY if aspect == "fid" else image_sets.PERCEPTUAL]
        chosen = found.wanted.category if aspect == "per" else ""
        category = f" of {CATEGORIES[chosen].title.lower()}" if chosen in CATEGORIES else ""
        groups[aspect] = f"{word}: {number:,} images{category}, {row.name}" if row else f"{word}: no set"
    made = mfm_heads(MFM_COLUMNS)
    named = [
        replace(head, title=titles.get(head.key, head.title), group=groups.get(column.aspect, ""))
        for head, column in zip(made, MFM_COLUMNS, strict=True)
    ]
    return (*named, AVG)


def order(found: MfmTable, sort: str = "") -> list[int]:
    """The rows by a column's key, best first, or worst first with a minus before it; the paper's order without one.

    Missing values come last either way. Raises GgtError for a column that is not there.
    """
    rows = list(range(len(found.lines)))
    key, worst = sort.removeprefix("-"), sort.startswith("-")
    columns = {column.key: column.better for column in MFM_COLUMNS} | {"avg": "higher", "refused": "lower"}
    if not key:
        return rows
    if key not in columns:
        raise GgtError(f"There is no column {key[:40]!r} to sort by.")
    up = (columns[key] == "higher") == worst

    def place(at: int) -> tuple[bool, float]:
        line = found.lines[at]
        mean = line.avg if key == "avg" else line.means.get(key)
        value = float(line.refused) if key == "refused" else mean.value if mean else None
        return value is None, 0.0 if value is None else value if up else -value

    return sorted(rows, key=place)


def table(found: MfmTable, sort: str = "") -> Table:
    """Table 1 as exports write it, with n and intervals."""
    rows = []
    for at in order(found, sort):
        line, scored = found.lines[at], found.scored.rows[at]
        cells = [_cell(line.means[c.key], scored.marks[c.key]) for c in MFM_COLUMNS]
        rows.append(Row((line.model, line.prompt), (*cells, _cell(line.avg, scored.marks["avg"], counted=False))))
    return Table("MFMs and prompt strategies", LABELS, heads(found), tuple(rows), found.notes)


def _order(setting: SettingKey) -> tuple[int, int, int, bool]:
    """MFMs as in the catalogue, local methods behind them."""
    keys, strategies = list(GENERATORS), list(SHORT_STRATEGY)
    spec = GENERATORS.get(setting.generator)
    return (
        0 if spec and spec.prompted else 1,
        keys.index(setting.generator) if spec else len(keys),
        strategies.index(setting.strategy) if setting.strategy in strategies else len(strategies),
        setting.stand_in,
    )


def _means(sheet: Sheet, seed: int) -> list[list[Mean | None]]:
    """By column, by setting; Wilson's interval for shares, whose bootstrap has none where all images agree."""
    images, settings, wide = sheet.values.shape
    flat = means(sheet.values.reshape(images, settings * wide), seed=seed)
    found = [[flat[at * wide + k] for at in range(settings)] for k in range(wide)]
    for k, column in enumerate(sheet.columns):
        if column.aspect == "vlm":
            found[k] = [_share(sheet.values[:, at, k]) for at in range(settings)]
    return found


def _share(values: Array) -> Mean | None:
    known = values[~np.isnan(values)]
    share = wilson(int(known.sum()), len(known))
    return Mean(share.value, len(known), share.low, share.high) if share else None


def _avg(scored: Overall, drawn: AvgBootstrap | None, at: int) -> Mean | None:
    value = scored.rows[at].avg
    if value is None or drawn is None:
        return None
    return drawn.settings[at] or Mean(value, 0)


def _first_two(scored: Overall, sheets: Sequence[Sheet], drawn: AvgBootstrap | None, seed: int) -> FirstTwo | None:
    order_by_avg = ranked(scored, range(len(scored.rows)))
    if len(order_by_avg) < 2 or drawn is None:
        return None
    first, second = order_by_avg[:2]
    differences = {
        column.key: compare(sheet.values[:, first, k], sheet.values[:, second, k], seed=seed)
        for sheet in sheets
        for k, column in enumerate(sheet.columns)
    }
    counted = {column.aspect for column in MFM_COLUMNS if scored.shares.get(column.aspect)}
    enough = all(len(sheet.values) >= LEAST_IMAGES for sheet in sheets if counted & {c.aspect for c in sheet.columns})
    gap = (scored.rows[first].avg or 0.0) - (scored.rows[second].avg or 0.0)
    apart = drawn.draws[:, first] - drawn.draws[:, second]
    apart = apart[~np.isnan(apart)]
    if not enough or not len(apart):
        return FirstTwo(first, second, None, Mean(gap, len(apart)), differences)
    low, high = np.quantile(apart, TAILS)
    return FirstTwo(first, second, drawn.beats(first, second), Mean(gap, len(apart), low, high), differences)


def _cell(mean: Mean | None, place: int | None, *, counted: bool = True) -> Cell:
    return Cell(mean.value, mean.n if counted else None, mean.low, mean.high, place) if mean else Cell(None)


def _notes(found: MfmTable, there: Measured) -> tuple[str, ...]:
    """What must be known before a number is believed."""
    judge, scored = found.wanted.judge, found.scored
    notes = list(recipe(scored))
    if judge and is_vlm_r(judge):
        notes.append(f"VLM-R is judged by {judge_name(judge)}.")
    elif judge:
        notes.append(f"The success rate is that of the {judge_name(judge)}: it is not VLM-R.")
    if len(found.lines) == 1:
        notes.append("There is one setting only: Eq. 1 compares settings, so it has no Avg.")
    elif found.lines:
        notes += [
            column_title(scale.column.key) + scale.note.removeprefix(scale.column.key)
            for scale in scored.scales
            if scale.note and scale.state != "empty"
        ]
        if empty := [column_title(scale.column.key) for scale in scored.scales if scale.state == "empty"]:
            notes.append(f"There are no values of {', '.join(empty)}, so the aspects they belong to have no score.")
        notes += [f"The aspect {aspect} tells no settings apart and is left out of Avg." for aspect in scored.left_out]
        lacking = [row for row in scored.rows if row.avg is None]
        columns = [column_title(c.key) for c in MFM_COLUMNS if any(c.key in row.missing for row in lacking)]
        if columns:
            notes.append(f"{len(lacking)} of {len(scored.rows)} settings have no Avg. for lack of {', '.join(columns)}.")
    if any(line.setting.stand_in for line in found.lines):
        notes.append("Rows marked stand-in were answered by a local server: they are no MFM's.")
    if refused := sum(line.refused for line in found.lines):
        notes.append(f"Refused or unusable outputs ({refused:,}) have no metrics and count as failures for the judge.")
    mixed = [
        column_title(column.key)
        for part, columns_of in ((there.fidelity, FIDELITY), (there.perceptual, PERCEPTUAL))
        for column in columns_of
        if part.versions[column.key] > 1
    ]
    if mixed:
        notes.append(f"Values of more than one version are mixed in {', '.join(mixed)}: score the older outputs again.")
    return tuple(notes)
