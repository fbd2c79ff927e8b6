"""What a run will cost is told before it starts: people agree to this figure, so it may neither shrink nor surprise."""

import pytest
from sqlalchemy import insert, select
from sqlmodel import Session

from app import accounts
from app.catalog.quality import MAX_ATTEMPTS
from app.db import reading, unit_of_work
from app.models import Image, Stage
from app.services.estimate import Estimate, dollars, estimate
from app.services.options import PipelineOptions
from tests import factories
from tests.conftest import forget
from tests.integration.test_pages_queries import statements

pytestmark = pytest.mark.usefixtures("database")
on_sqlite = pytest.mark.parametrize("engine_url", ["sqlite"], indirect=True)

NB2, SEEDREAM, KLING, GPT = 67_000, 35_000, 28_000, 211_000
"""Catalogue prices of a call of Nano-Banana-2, Seedream-5.0, Kling-Image-O1 and GPT-Image-2 (docs/FACTS, Table 1)."""
WRITING, JUDGING = 15_000, 18_000
"""What Gemini-3.1-Pro takes for a prompt and for a verdict."""


def add(session: Session, count: int, stage: Stage = Stage.COLLECTED, category: str = "rain") -> None:
    """``count`` images that share one master. The database copies rows by itself: 120,000 through Python take minutes."""
    file_id = factories.make_image(session, stage, category).source_file_id
    rows = Image.__table__  # type: ignore[attr-defined]
    names = [column.name for column in rows.columns if column.name != "id"]
    there = 1
    while there < count:
        step = min(there, count - there)
        copied = [rows.c.box_x + there if name == "box_x" else rows.c[name] for name in names]
        query = select(*copied).where(rows.c.source_file_id == file_id, rows.c.box_x < step)
        session.execute(insert(rows).from_select(names, query))
        there += step


def images(count: int, stage: Stage = Stage.COLLECTED, category: str = "rain") -> None:
    with unit_of_work() as session:
        add(session, count, stage, category)


def price(**options: object) -> Estimate:
    given = {"method": "nano-banana-2", "strategy": "fix", "compare": False, "judge": "", **options}
    with reading() as session:
        return estimate(session, PipelineOptions(**given))  # type: ignore[arg-type]


def calls(told: Estimate) -> dict[str, tuple[int, int]]:
    """Calls and price of one, by what they are for."""
    return {line.what: (line.calls, line.each_micros) for line in told.lines}


def test_the_whole_collection_is_priced_in_four_statements() -> None:
    images(100_000)
    images(20_000, category="haze")
    with statements() as seen:
        told = price()
    assert told.sentence() == "120,000 images, about $8,040; batch $4,020"
    assert (told.images, told.full_micros, told.batch_micros) == (120_000, 120_000 * NB2, 120_000 * NB2 // 2)
    assert len(seen) <= 4
    with statements() as seen:
        told = price(strategy="vlm-gemini", judge="gemini-3.1-pro", also=(("gpt-image-2", "vlm-gpt"),), categories=("haze",))
    assert told.images == 20_000
    assert len(seen) <= 4


def test_what_is_to_be_confirmed_is_the_price_of_the_way_that_was_chosen() -> None:
    images(10)
    assert price().micros == 10 * NB2
    assert price(batch=True).micros == 10 * NB2 // 2
    assert price(batch=True).sentence() == price().sentence() == "10 images, about $0.67; batch $0.34"


def test_local_work_costs_nothing_and_says_so() -> None:
    images(3)
    told = price(method=None, strategy="", compare=True, judge="local-measure")
    assert (told.micros, told.most_micros, told.batch_micros) == (0, 0, 0)
    assert told.sentence() == "3 images, about $0.00"


def test_no_images_cost_nothing() -> None:
    told = price(judge="gemini-3.1-pro", strategy="vlm-gemini")
    assert (told.images, told.micros, told.most_micros, told.lines) == (0, 0, 0, ())


def test_a_provider_without_batches_has_one_price() -> None:
    images(1)
    told = price(method="kling-image-o1", batch=True)
    assert told.micros == told.full_micros == KLING
    assert told.sentence() == "1 image, about $0.028"


def test_a_prompt_that_a_vlm_writes_is_paid_once_for_all_who_use_it() -> None:
    images(5)
    also = (("seedream-5.0", "vlm-gemini"), ("kling-image-o1", "vlm-gemini"), ("gpt-image-2", "fix-nc"))
    told = calls(price(strategy="vlm-gemini", also=also))
    assert told == {
        "Nano-Banana-2, written by Gemini for each image": (5, NB2),
        "Seedream-5.0, written by Gemini for each image": (5, SEEDREAM),
        "Kling-Image-O1, written by Gemini for each image": (5, KLING),
        "GPT-Image-2, fixed prompt, no change of content": (5, GPT),
        "Prompts by Gemini-3.1-Pro": (5, WRITING),
    }


def test_a_batch_halves_the_images_but_neither_prompts_nor_verdicts() -> None:
    images(4)
    told = price(strategy="vlm-gemini", judge="gemini-3.1-pro", batch=True)
    assert told.micros == 4 * (NB2 // 2 + WRITING + JUDGING)
    assert told.full_micros == 4 * (NB2 + WRITING + JUDGING)


def test_the_judge_is_paid_for_chosen_candidates_and_for_others_only_where_asked() -> None:
    images(6)
    also = (("seedream-5.0", "fix"), ("kling-image-o1", "fix"))
    assert calls(price(also=also, judge="gemini-3.1-pro"))["Judging by Gemini-3.1-Pro"] == (6, JUDGING)
    asked = price(also=also, judge="gemini-3.1-pro", judge_compared=True)
    assert calls(asked)["Judging by Gemini-3.1-Pro"] == (18, JUDGING)
    assert "Judging" not in str(calls(price(also=also, judge="local-measure", judge_compared=True)))


def test_a_vlm_also_judges_what_was_made_here() -> None:
    images(2)
    told = price(method=None, strategy="", judge="gemini-3.1-pro")
    assert calls(told) == {"Judging by Gemini-3.1-Pro": (2, JUDGING)}


def test_a_setting_named_twice_is_paid_once() -> None:
    images(2)
    also = (("nano-banana-2", "fix"), ("seedream-5.0", "fix"), ("seedream-5.0", "fix"))
    assert price(also=also).micros == 2 * (NB2 + SEEDREAM)


def test_only_images_a_run_would_take_up_are_paid_for() -> None:
    """Comparisons are made of every image; a new chain starts only where none is under way or done."""
    for stage in Stage:
        images(2, stage)
    taken = 6  # collected, four in which a chain has ended badly, and one where a person wants another try
    assert calls(price())["Nano-Banana-2, fixed prompt"] == (2 * taken, NB2)
    assert calls(price(replace=True))["Nano-Banana-2, fixed prompt"] == (2 * taken + 2, NB2)
    told = calls(price(also=(("seedream-5.0", "fix"),)))
    assert told["Seedream-5.0, fixed prompt"] == (2 * len(Stage) - 4, SEEDREAM), "not of what was set aside"


@on_sqlite
@pytest.mark.parametrize("stage", [Stage.VERIFIED, Stage.GENERATED, Stage.SCORED, Stage.REFINING, Stage.AWAITING])
def test_images_that_are_done_or_under_way_cost_nothing(stage: Stage) -> None:
    images(3, stage)
    told = price(judge="gemini-3.1-pro", strategy="vlm-gemini")
    assert (told.micros, told.most_micros, told.lines) == (0, 0, ())


def test_a_choice_of_images_is_priced_and_nothing_else() -> None:
    with unit_of_work() as session:
        source = factories.make_source(session)
        mine = [factories.make_image(session, source=source, category=c).id or 0 for c in ("rain", "haze", "haze")]
        factories.make_image(session, category="haze")
    assert price(image_ids=tuple(mine)).images == 3
    assert price(image_ids=tuple(mine), categories=("haze",)).micros == 2 * NB2
    assert price(source_id=source.id).images == 3
    assert price(query={"category": "haze"}).micros == 3 * NB2
    assert price(image_ids=(10**9,)).images == 0


def test_an_admins_corrections_of_prices_hold_for_images_prompts_and_verdicts() -> None:
    """The bill is right and the catalogue is a guess."""
    images(4)
    with unit_of_work() as session:
        prices = {"gemini-3.1-flash-image": 0.04, "gemini-3.1-pro-preview": 0.002, "no-such-model": 9.0}
        accounts.ensure(session, "gemini").prices = prices
    told = price(strategy="vlm-gemini", judge="gemini-3.1-pro", also=(("seedream-5.0", "fix"),))
    assert calls(told) == {
        "Nano-Banana-2, written by Gemini for each image": (4, 40_000),
        "Seedream-5.0, fixed prompt": (4, SEEDREAM),
        "Prompts by Gemini-3.1-Pro": (4, 2_000),
        "Judging by Gemini-3.1-Pro": (4, 2_000),
    }
    assert price(batch=True).micros == 4 * 20_000


def test_a_price_of_nothing_is_a_price() -> None:
    """A free quota is entered as 0."""
    images(2)
    with unit_of_work() as session:
        accounts.ensure(session, "gemini").prices = {"gemini-3.1-flash-image": 0.0}
    assert price().micros == 0


def test_the_most_it_can_cost_counts_every_attempt_of_chosen_candidates_alone() -> None:
    images(2)
    told = price(judge="gemini-3.1-pro", also=(("seedream-5.0", "fix"),))
    assert told.most_micros == 2 * (MAX_ATTEMPTS * (NB2 + JUDGING) + SEEDREAM)
    batched = price(judge="gemini-3.1-pro", also=(("seedream-5.0", "fix"),), batch=True)
    assert batched.most_micros == 2 * (MAX_ATTEMPTS * (NB2 // 2 + JUDGING) + SEEDREAM)
    assert told.most_micros >= told.micros


def test_the_most_it_can_cost_has_each_prompt_written_once() -> None:
    """A refinement appends to the prompt that is there (Fig. C.2): nothing is written anew."""
    images(2)
    assert price(strategy="vlm-gemini").most_micros == 2 * (MAX_ATTEMPTS * NB2 + WRITING)


@on_sqlite
def test_a_stand_in_is_told_apart_from_what_costs_money(monkeypatch: pytest.MonkeyPatch) -> None:
    images(1)
    assert price().stand_in is False
    monkeypatch.setenv("GGT_GEMINI_BASE_URL", "http://127.0.0.1:8900")
    forget()
    assert price().stand_in is True
    assert price(method="seedream-5.0").stand_in is False


@on_sqlite
@pytest.mark.parametrize(
    ("micros", "told"),
    [
        (0, "$0.00"),
        (6, "$6e-06"),
        (28_000, "$0.028"),
        (99_999, "$0.1"),
        (100_000, "$0.10"),
        (1_234_567, "$1.23"),
        (99_990_000, "$99.99"),
        (100_000_000, "$100"),
        (8_040_000_000, "$8,040"),
        (1_234_567_890_000, "$1,234,568"),
    ],
)
def test_amounts_as_people_read_them(micros: int, told: str) -> None:
    assert dollars(micros) == told
