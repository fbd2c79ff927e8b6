"""Which prompt strategy stands for a generator: the one of highest Avg., or the one that somebody chose."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlmodel import Session

from app.catalog.generators import GENERATORS
from app.domain.overall_score import Overall
from app.errors import GgtError, NotFound
from app.models import StrategyChoice, utcnow
from app.services import events
from app.services.mfm_names import PROMPTED, title
from app.services.mfm_values import Choice, SettingKey


@dataclass(frozen=True)
class Best:
    """The prompt strategy that stands for a generator: that of highest Avg., or the one that somebody chose.

    ``of`` are its settings by strategy, ``setting`` the one that stands for it, None where nothing decides. ``elsewhere``:
    the chosen strategy has no output on these sets, so Avg. decides here.
    """

    generator: str
    title: str
    stand_in: bool
    of: Mapping[str, int]
    setting: int | None
    by_avg: int | None
    runner_up: int | None
    chosen: Choice | None
    elsewhere: bool

    @property
    def prompted(self) -> bool:
        return "none" not in self.of


def choose_strategy(session: Session, generator: str, strategy: str, reason: str, user_id: int) -> None:
    """Let a strategy speak for a generator whatever its Avg.; without a strategy Avg. decides again."""
    spec = GENERATORS.get(generator)
    if spec is None:
        raise NotFound(f"There is no method {generator[:100]!r}.")
    if strategy and strategy not in PROMPTED:
        raise GgtError(f"There is no prompt strategy {strategy[:40]!r}.")
    if strategy and not spec.prompted:
        raise GgtError(f"{spec.title} takes no prompt, so there is nothing to choose.")
    if strategy and not reason.strip():
        raise GgtError("Say why: readers of the table will ask.")
    before = session.get(StrategyChoice, generator)
    if before is None and not strategy:
        return
    if before:
        session.delete(before)
        session.flush()
    if strategy:
        session.add(
            StrategyChoice(
                generator=generator, strategy=strategy, reason=reason.strip()[:500], chosen_by=user_id, created_at=utcnow()
            )
        )
    events.record(session, user_id, "strategy.chosen", f"generator:{generator}"[:60], reason, {"strategy": strategy})


def best_prompts(choices: Mapping[str, Choice], settings: Sequence[SettingKey], scored: Overall) -> tuple[Best, ...]:
    groups: dict[tuple[str, bool], dict[str, int]] = {}
    for at, setting in enumerate(settings):
        groups.setdefault((setting.generator, setting.stand_in), {})[setting.strategy] = at
    found = []
    for (generator, stand_in), of in groups.items():
        by_avg, runner_up = (*ranked(scored, list(of.values())), None, None)[:2]
        choice = choices.get(generator)
        picked = of.get(choice.strategy) if choice else None
        only = next(iter(of.values())) if len(of) == 1 else None
        stands = next((at for at in (picked, by_avg, only) if at is not None), None)
        name = title(settings[next(iter(of.values()))])
        elsewhere = choice is not None and picked is None
        found.append(Best(generator, name, stand_in, of, stands, by_avg, runner_up, choice, elsewhere))
    return tuple(found)


def ranked(scored: Overall, places: Sequence[int]) -> list[int]:
    """Those of ``places`` with an Avg., best first."""
    found = {at: avg for at in places if (avg := scored.rows[at].avg) is not None}
    return sorted(found, key=lambda at: -found[at])
