"""What a run will cost, told before it starts."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

from sqlalchemy import distinct, func, select
from sqlmodel import Session, col

from app import accounts
from app.accounts import MICROS
from app.catalog.generators import GENERATORS, STRATEGIES
from app.catalog.judges import JUDGES
from app.catalog.providers import PROVIDERS
from app.catalog.quality import MAX_ATTEMPTS
from app.catalog.vlms import VLMS
from app.config import settings
from app.models import Candidate, Image, Method, Verdict
from app.services.options import PipelineOptions, images_of, taken_stages
from app.services.recipes import Setting, is_stand_in


@dataclass(frozen=True)
class Line:
    """One kind of call of a run. Money is in millionths of a US dollar; ``half_price`` is what it costs as a batch.

    ``once``: it is made once for an image, however many attempts follow.
    """

    what: str
    provider: str
    calls: int
    each_micros: int
    batch: bool
    once: bool = False

    @property
    def micros(self) -> int:
        return self.calls * self.each_micros

    @property
    def half_price(self) -> int:
        return self.micros // 2 if self.batch else self.micros


@dataclass(frozen=True)
class Estimate:
    """The price of a run over ``images`` images, if each first attempt is accepted.

    ``most_micros`` is the price if each is rejected until its last attempt. ``stand_in``: some of it goes to a local server,
    which costs nothing whatever is written here. ``there``: of an evaluation, the outputs that are here already.
    """

    images: int
    lines: tuple[Line, ...]
    most_micros: int
    batch: bool
    stand_in: bool
    there: int = 0

    @property
    def full_micros(self) -> int:
        return sum(line.micros for line in self.lines)

    @property
    def batch_micros(self) -> int:
        return sum(line.half_price for line in self.lines)

    @property
    def micros(self) -> int:
        """What is to be confirmed."""
        return self.batch_micros if self.batch else self.full_micros

    def sentence(self) -> str:
        """As "120,000 images, about $8,040; batch $4,020"."""
        told = f"{self.images:,} image{'' if self.images == 1 else 's'}, about {dollars(self.full_micros)}"
        return told + (f"; batch {dollars(self.batch_micros)}" if self.batch_micros != self.full_micros else "")


def dollars(micros: int) -> str:
    """1_234_567 -> "$1.23"; whole dollars from a hundred on; fractions of a cent keep two digits."""
    amount = micros / MICROS
    if abs(amount) >= 100:
        return f"${amount:,.0f}"
    return f"${amount:,.2f}" if abs(amount) >= 0.1 or not micros else f"${amount:.2g}"


def estimate(session: Session, options: PipelineOptions) -> Estimate:
    """Count what a run would ask for: a few statements, however many images there are.

    Of an evaluation only what is missing; where prompts have changed since, that is more than is told here.
    """
    ids = images_of(options).subquery()
    referenced = (col(Image.reference_pixel_sha256) != "").label("referenced")
    rows = session.execute(
        select(col(Image.category), col(Image.stage), referenced, func.count())
        .where(col(Image.id).in_(select(ids.c.id)))
        .group_by(col(Image.category), col(Image.stage), referenced)
    ).all()
    prices = {row.provider: row.prices for row in accounts.all_accounts(session)}
    taken = taken_stages(replace=options.replace)
    made: Counter[tuple[Setting, bool]] = Counter()
    images = opinions = 0
    for category, stage, has_reference, number in rows:
        images += number
        chosen = options.chosen(category)
        if chosen and stage in taken:
            made[chosen, True] += number
        compared = options.compared(category)
        for setting in compared:
            made[setting, False] += number
        opinions += number * len(compared) if options.judge_compared and not has_reference else 0
    there = 0
    if options.set_ids:
        outputs = _there(session, ids)
        there = sum(min(outputs[key], number) for key, number in made.items())
        made -= outputs
        opinions -= _judged(session, ids, options.judge) if opinions else 0
    lines = _lines(made, opinions, options, prices)
    worst = Counter({key: number * (MAX_ATTEMPTS if key[1] else 1) for key, number in made.items()})
    # A refinement appends to the prompt that is there (Fig. C.2), so however many attempts, each is written once.
    repeated = [line for line in _lines(worst, opinions, options, prices) if not line.once]
    repeated += [line for line in lines if line.once]
    most = sum(line.half_price if options.batch else line.micros for line in repeated)
    local = any(settings().stand_in(line.provider) for line in lines)
    return Estimate(images, tuple(lines), most, options.batch, local, there)


def _there(session: Session, ids: Any) -> Counter[tuple[Setting, bool]]:
    """First samples of images that are there already, by setting, as this installation would make them."""
    rows = session.execute(
        select(
            col(Method.generator), col(Method.strategy), col(Method.stand_in), func.count(distinct(col(Candidate.image_id)))
        )
        .join(Candidate, col(Candidate.method_id) == col(Method.id))
        .where(col(Candidate.image_id).in_(select(ids.c.id)), col(Candidate.parent_id).is_(None))
        .group_by(col(Method.generator), col(Method.strategy), col(Method.stand_in))
    )
    found: Counter[tuple[Setting, bool]] = Counter()
    for generator, strategy, stand_in, number in rows:
        setting = Setting(generator, strategy)
        if generator in GENERATORS and is_stand_in(setting) == stand_in:
            found[setting, False] += number
    return found


def _judged(session: Session, ids: Any, judge: str) -> int:
    """Opinions of a judge that are there already about candidates of images without a reference."""
    vlm = JUDGES[judge].vlm if judge in JUDGES else ""
    theirs = col(Verdict.judge) == judge, col(Verdict.stand_in).is_(bool(vlm) and settings().stand_in(VLMS[vlm].provider))
    number: int = session.execute(
        select(func.count(distinct(col(Candidate.id))))
        .join(Verdict, col(Verdict.candidate_id) == col(Candidate.id))
        .join(Image, col(Image.id) == col(Candidate.image_id))
        .where(*theirs, col(Candidate.image_id).in_(select(ids.c.id)), col(Image.reference_pixel_sha256) == "")
    ).scalar_one()
    return number


def _lines(
    made: Counter[tuple[Setting, bool]], opinions: int, options: PipelineOptions, prices: dict[str, dict[str, float]]
) -> list[Line]:
    lines = []
    written: Counter[str] = Counter()
    judged = max(opinions, 0)
    for (setting, chosen), number in made.items():
        spec = GENERATORS[setting.generator]
        judged += number if chosen else 0
        if setting.vlm:
            written[setting.vlm] = max(written[setting.vlm], number)
        if spec.provider:
            each = prices.get(spec.provider, {}).get(spec.model, spec.price.call)
            how = STRATEGIES[setting.strategy]
            name = f"{spec.title}, {how[0].lower()}{how[1:]}"
            lines.append(Line(name, spec.provider, number, round(each * MICROS), PROVIDERS[spec.provider].batch))
    for vlm, number in written.items():
        each = prices.get(VLMS[vlm].provider, {}).get(VLMS[vlm].model, VLMS[vlm].prompt_price.call)
        lines.append(
            Line(f"Prompts by {VLMS[vlm].title}", VLMS[vlm].provider, number, round(each * MICROS), False, once=True)
        )
    judge = JUDGES.get(options.judge)
    if judge and judge.vlm and judged:
        vlm_spec = VLMS[judge.vlm]
        each = prices.get(vlm_spec.provider, {}).get(vlm_spec.model, vlm_spec.judge_price.call)
        lines.append(Line(f"Judging by {judge.title}", vlm_spec.provider, judged, round(each * MICROS), False))
    return [line for line in lines if line.calls]
