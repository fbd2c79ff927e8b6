"""The paper's accounting (Appendix A) of one's own collection: how many photographs and patches became how many pairs.

A photograph is of one source and one category, and so are its patches and images; images that came without screening count
as retained at once.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import select
from sqlmodel import Session, col

from app.catalog.categories import CATEGORIES
from app.catalog.screening import STEPS
from app.domain.sankey import Link, Node
from app.domain.screening import StepCount, funnel_of
from app.domain.shortfall import SoFar
from app.models import PatchState, Source, Stage
from app.services import collection_counts
from app.services.collection_counts import PatchGroup
from app.services.funnel import cumulative

STANDING = (PatchState.HELD, PatchState.WAITING, PatchState.FLAGGED, PatchState.GRADING)
"""States of patches that screening is not done with."""
GIVEN_UP = (Stage.FILTERED_OUT, Stage.JUDGED_OUT, Stage.REJECTED, Stage.FAILED)
"""Stages at which an image ended without becoming a pair."""
SOURCES_DRAWN = 10
"""Sources with a ribbon of their own; the smaller ones share one."""


@dataclass(frozen=True)
class Cell:
    """Counts of one source and category, or a sum of such: ``patches`` by state, those that are ``out`` by step.

    ``images`` by stage; ``direct`` of them came without screening.
    """

    photographs: int = 0
    patches: Mapping[str, int] = field(default_factory=dict)
    out: Mapping[str, int] = field(default_factory=dict)
    images: Mapping[str, int] = field(default_factory=dict)
    direct: int = 0

    @property
    def cut(self) -> int:
        """Patches in all."""
        return sum(self.patches.values())

    @property
    def unscreened(self) -> int:
        """Patches that screening is not done with."""
        return sum(self.patches.get(state, 0) for state in STANDING)

    @property
    def screened(self) -> int:
        return self.cut - self.unscreened

    @property
    def passed(self) -> int:
        return self.patches.get(PatchState.PASSED, 0)

    @property
    def not_drawn(self) -> int:
        return self.patches.get(PatchState.NOT_DRAWN, 0)

    @property
    def retained(self) -> int:
        """Images: patches that were retained, and those that came without screening."""
        return sum(self.images.values())

    @property
    def generated(self) -> int:
        return cumulative(self.images).generated

    @property
    def pairs(self) -> int:
        return self.images.get(Stage.VERIFIED, 0)

    @property
    def given_up(self) -> int:
        return sum(self.images.get(stage, 0) for stage in GIVEN_UP)

    @property
    def set_aside(self) -> int:
        return self.images.get(Stage.SET_ASIDE, 0)

    @property
    def under_way(self) -> int:
        """Images that are neither pairs nor given up nor set aside."""
        return self.retained - self.pairs - self.given_up - self.set_aside

    def so_far(self) -> SoFar:
        """What targets are reckoned from."""
        fit = self.passed + self.not_drawn + self.patches.get(PatchState.RETAINED, 0)
        return SoFar(
            self.photographs, self.cut + self.direct, self.screened + self.direct, fit + self.direct,
            self.pairs + self.given_up, self.pairs, self.unscreened, self.passed + self.not_drawn + self.under_way,
        )  # fmt: skip


@dataclass(frozen=True)
class Row:
    """``category`` is empty where a source has photographs and nothing was made of them."""

    source_id: int
    source: str
    category: str
    cell: Cell


@dataclass(frozen=True)
class Accounting:
    """The whole: a row for each source and category, sums by category in the catalogue's order, and of all.

    ``steps`` are those of screening in their order, as far as any patch was screened out there. ``ways`` are the patches of
    each category through all steps.
    """

    rows: tuple[Row, ...]
    categories: Mapping[str, Cell]
    total: Cell
    steps: tuple[str, ...]
    ways: Mapping[str, tuple[StepCount, ...]]


def accounting(session: Session) -> Accounting:
    """Count everything: four statements."""
    groups = collection_counts.patch_groups(session)
    images = collection_counts.image_stages(session)
    sources = session.execute(select(col(Source.id), col(Source.name), col(Source.held_out))).all()
    names, held_out = {row[0]: row[1] for row in sources}, {row[0] for row in sources if row[2]}
    photographs = collection_counts.photographs_by_category(session)
    patches: dict[tuple[int, str], Counter[str]] = {}
    out: dict[tuple[int, str], Counter[str]] = {}
    for group in groups:
        place = group[:2]
        patches.setdefault(place, Counter())[group.state] += group.number
        if group.state == PatchState.OUT:
            out.setdefault(place, Counter())[group.step] += group.number
    nothing = Counter[str]()
    rows = []
    for place in {*patches, *images, *photographs}:
        if place[0] in held_out and place not in patches and place not in images:
            continue  # clean photographs: benchmark images are made of them, and nothing of the dataset
        of_place = images.get(place, nothing)
        direct = max(0, of_place.total() - patches.get(place, nothing)[PatchState.RETAINED])
        cell = Cell(
            photographs.get(place, 0), patches.get(place, nothing), out.get(place, nothing), of_place, direct
        )  # fmt: skip
        rows.append(Row(place[0], names.get(place[0], ""), place[1], cell))
    order = {key: number for number, key in enumerate(CATEGORIES)}
    rows.sort(key=lambda row: (row.source.lower(), row.source_id, order.get(row.category, len(order))))
    total = summed(row.cell for row in rows)
    return Accounting(
        tuple(rows),
        {key: summed(row.cell for row in rows if row.category == key) for key in CATEGORIES},
        total,
        tuple(sorted(total.out, key=_place)),
        {key: _way(groups, key) for key in CATEGORIES},
    )


def _way(groups: Iterable[PatchGroup], category: str) -> tuple[StepCount, ...]:
    """The patches of a category through all steps; empty where there is none."""
    rows = [(group.state, group.step, group.number) for group in groups if group.category == category]
    return funnel_of(list(STEPS), rows) if rows else ()


def _place(step: str) -> tuple[int, str]:
    keys = list(STEPS)
    return (keys.index(step) if step in keys else len(keys), step)


def summed(cells: Iterable[Cell]) -> Cell:
    """The sum of some cells."""
    photographs = direct = 0
    patches, out, images = Counter[str](), Counter[str](), Counter[str]()
    for cell in cells:
        photographs, direct = photographs + cell.photographs, direct + cell.direct
        for counter, more in ((patches, cell.patches), (out, cell.out), (images, cell.images)):
            counter.update(more)
    return Cell(photographs, patches, out, images, direct)


def record(cell: Cell, steps: Sequence[str]) -> dict[str, int]:
    """A cell as one line of numbers, the same in the table and in both exports; ``out_`` and each of ``steps``."""
    return {
        "photographs": cell.photographs, "patches": cell.cut, "waiting": cell.unscreened, "screened": cell.screened,
        **{f"out_{step}": cell.out.get(step, 0) for step in steps},
        "passed": cell.passed, "not_drawn": cell.not_drawn, "retained": cell.retained, "generated": cell.generated,
        "pairs": cell.pairs,
    }  # fmt: skip


def flows(found: Accounting, *, sources: bool) -> tuple[list[Node], list[Link]]:
    """The accounting as a Sankey: (sources,) categories, what became of their patches, what became of those retained."""
    sizes = Counter[int]()
    for row in found.rows:
        sizes[row.source_id] += row.cell.cut + row.cell.direct
    largest = [source_id for source_id, _ in sizes.most_common(SOURCES_DRAWN if len(sizes) > SOURCES_DRAWN + 1 else None)]
    names = {row.source_id: row.source for row in found.rows}
    nodes = [Node(f"source:{key}", 0, names[key]) for key in largest] if sources else []
    if sources and len(largest) < len(sizes):
        nodes.append(Node("source:", 0, f"{len(sizes) - len(largest)} other sources"))
    nodes += [Node(f"category:{key}", 1, category.title) for key, category in CATEGORIES.items()]
    nodes += [Node("retained", 2, "Retained", "ok"), Node("passed", 2, "Passed", "ok")]
    nodes += [Node("not_drawn", 2, "Not drawn"), Node("unscreened", 2, "Being screened", "open")]
    nodes += [Node(f"out:{step}", 2, f"Out: {step_title(step)}", "out") for step in found.steps]
    nodes += [Node("pairs", 3, "Pairs", "ok"), Node("under_way", 3, "Under way", "open")]
    nodes += [Node("given_up", 3, "Given up", "out"), Node("set_aside", 3, "Set aside")]
    wide = Counter[tuple[str, str]]()
    for row in found.rows if sources else ():
        source = f"source:{row.source_id if row.source_id in largest else ''}"
        wide[source, f"category:{row.category}"] += row.cell.cut + row.cell.direct
    links = [Link(*ends, value) for ends, value in wide.items() if value]
    for key, cell in found.categories.items():
        ends = {
            "retained": cell.retained, "passed": cell.passed, "not_drawn": cell.not_drawn, "unscreened": cell.unscreened,
            **{f"out:{step}": number for step, number in cell.out.items()},
        }  # fmt: skip
        links += [Link(f"category:{key}", end, number) for end, number in ends.items()]
    links += [Link("retained", end, getattr(found.total, end)) for end in ("pairs", "under_way", "given_up", "set_aside")]
    return nodes, links


def step_title(step: str) -> str:
    """A step of screening in words; one that the catalogue no longer has by its key."""
    return STEPS[step].title if step in STEPS else step
