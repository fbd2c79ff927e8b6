"""Table 1 of one's own images: a number on the page that is not what was measured leads a lab to the wrong generator."""

import csv
import io
import json
import math
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from html import unescape

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from sqlmodel import Session, col, select
from typer.testing import CliRunner

from app import db
from app.cli_table import table as table_command
from app.domain.overall_score import MFM_COLUMNS, Array
from app.models import Candidate, ImageSet, ImageSetItem, Method, Refusal, Role, Score, StrategyChoice, Verdict, utcnow
from app.services import mfm_chart, mfm_scores, mfm_values
from app.services.mfm_chart import Point
from app.services.mfm_scores import Wanted
from app.services.mfm_values import Measured, Part, SettingKey
from tests import factories
from tests.conftest import SignedIn, SignInAs
from tests.integration.test_pages_queries import MOST_STATEMENTS, statements

one_engine = pytest.mark.parametrize("engine_url", ["sqlite"], indirect=True)
SETTINGS = (("nano-banana-2", "fix"), ("nano-banana-2", "vlm-gemini"), ("firered-1.1", "fix"))
BETTER = {column.key: column.better for column in MFM_COLUMNS}
PAGE = "/benchmarks/mfm"
Values = dict[tuple[str, int], list[float]]
"""By metric and setting, an image each."""


def method(session: Session, generator: str, strategy: str, *, stand_in: bool = False) -> Method:
    name = f"{generator} / {strategy}" + (" (stand-in)" if stand_in else "")
    made = Method(name=name, generator=generator, strategy=strategy, stand_in=stand_in)
    session.add(made)
    session.flush()
    return made


def image_set(session: Session, name: str, kind: str, images: Sequence[int], *, frozen: bool = True) -> int:
    made = ImageSet(name=name, kind=kind, frozen_at=utcnow() if frozen else None)
    session.add(made)
    session.flush()
    for place, image_id in enumerate(images):
        session.add(ImageSetItem(set_id=made.id or 0, image_id=image_id, position=place))
    session.flush()
    return made.id or 0


def fill(
    number: int = 4, *, stand_in: bool = False, name: str = "real", judge: str = "gemini-3.1-pro"
) -> tuple[Values, list[int]]:
    """Two sets of ``number`` images with every metric of three settings. Returns the values, and the methods' ids.

    Half of the perceptual images are of rain, half of haze.
    """
    random = np.random.default_rng(1)
    values: Values = {}
    with db.unit_of_work() as session:
        methods = [method(session, *setting, stand_in=stand_in and at == 2) for at, setting in enumerate(SETTINGS)]
        for kind in ("fidelity", "perceptual"):
            images = [factories.make_image(session, category="rain" if place % 2 else "haze") for place in range(number)]
            for image in images if kind == "fidelity" else ():
                image.reference_pixel_sha256 = image.pixel_sha256[::-1]
                image.reference_master_sha256 = image.master_sha256
            image_set(session, kind if kind == "fidelity" else name, kind, [image.id or 0 for image in images])
            for at, made in enumerate(methods):
                for image in images:
                    candidate = factories.make_candidate(session, image, method=made.name, chosen=False)
                    for column in MFM_COLUMNS:
                        if (column.aspect == "fid") != (kind == "fidelity"):
                            continue
                        value = float(random.uniform(0.1, 0.9))
                        if column.aspect == "vlm":
                            value = float(value > 0.3 + 0.1 * at)
                            session.add(verdict(candidate, judge, accepted=bool(value)))
                        else:
                            reference = image.reference_pixel_sha256 if column.aspect == "fid" else ""
                            session.add(score(candidate, column.key, value, reference))
                        values.setdefault((column.key, at), []).append(value)
        ids = [made.id or 0 for made in methods]
    return values, ids


def score(candidate: Candidate, metric: str, value: float | None, reference: str = "", note: str = "") -> Score:
    return Score(
        pixel_sha256=candidate.pixel_sha256, reference_sha256=reference, metric=metric, version="1", value=value, note=note
    )  # fmt: skip


def verdict(candidate: Candidate, judge: str, *, accepted: bool, stand_in: bool = False) -> Verdict:
    decision = "accept" if accepted else "reject"
    return Verdict(
        candidate_id=candidate.id or 0, judge=judge, version="1", raw="", decision=decision, rule_decision=decision,
        stand_in=stand_in,
    )  # fmt: skip


def eq1(values: Values, weights: dict[str, float] | None = None) -> list[float]:
    """Avg. of each setting, written again from the paper, with nothing of ours."""
    aspects: dict[str, list[list[float]]] = {}
    for column in MFM_COLUMNS:
        means = [sum(values[column.key, at]) / len(values[column.key, at]) for at in range(3)]
        low, high = min(means), max(means)
        if high > low:
            up = [(m - low) / (high - low) if column.better == "higher" else (high - m) / (high - low) for m in means]
            aspects.setdefault(column.aspect, []).append(up)
    weights = weights or dict.fromkeys(aspects, 1.0)
    return [
        sum(weights.get(aspect, 0) * sum(up[at] for up in ups) / len(ups) for aspect, ups in aspects.items())
        / sum(weights.values())
        for at in range(3)
    ]


def rows(page: str, table: str = "table") -> list[list[str]]:
    """The texts of a table's cells, without what is only heard."""
    body = re.search(rf'<table class="mfm" id="{table}">.*?<tbody>(.*?)</tbody>', page, re.DOTALL)
    assert body, page
    found = []
    for row in re.findall(r"<tr.*?</tr>", body[1], re.DOTALL):
        cells = re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL)
        cells = [re.sub(r'<span class="sr">.*?</span>|<small.*?</small>', "", cell) for cell in cells]
        found.append([unescape(re.sub(r"<[^>]+>", "", cell)).strip() for cell in cells])
    return found


def expected(values: Values, at: int) -> list[str]:
    shown = []
    for column in MFM_COLUMNS:
        mean = sum(values[column.key, at]) / len(values[column.key, at])
        shown.append(f"{100 * mean:.1f}%" if column.key == "vlm_r" else f"{mean:.4f}")
    return [*shown, f"{eq1(values)[at]:.4f}"]


def test_the_page_shows_what_was_measured(researcher: SignedIn) -> None:
    values, _ = fill()
    with statements() as seen:
        page = researcher.get(PAGE)
    assert page.status_code == 200
    assert len(seen) <= MOST_STATEMENTS, "\n".join(seen)
    found = rows(page.text)
    assert [row[:2] for row in found] == [["Nano-Banana-2", "Fix"], ["Nano-Banana-2", "Gemini"], ["FireRed-1.1", "Fix"]]
    for at, row in enumerate(found):
        assert row[2:13] == expected(values, at)
    assert "VLM-R ↑" in re.sub(r"<[^>]+>", "", page.text)
    with statements() as again:
        assert rows(researcher.get(PAGE).text) == found
    assert len(again) <= 4, "what was computed is computed again"


@one_engine
def test_exports_are_what_the_page_shows(researcher: SignedIn) -> None:
    fill(12)
    for query in ("", "?sort=-niqe", "?category=rain&intervals=1", "?fid=2&vlm=0"):
        shown = rows(researcher.get(PAGE + query).text)
        lines = list(csv.DictReader(io.StringIO(researcher.get(f"{PAGE}.csv{query}").text)))
        assert [[line["model"], line["prompt"]] for line in lines] == [row[:2] for row in shown]
        for line, row in zip(lines, shown, strict=True):
            assert [line["psnr"], line["afine_nr"], line["avg"]] == [row[2], row[10], row[12]]
            assert f"{100 * float(line['vlm_r']):.1f}%" == row[11]
            assert ("psnr_low" in line) == ("intervals" in query)
        made = json.loads(researcher.get(f"{PAGE}.json{query}").text)
        assert [f"{row['cells']['avg']['value']:.4f}" for row in made["rows"]] == [row[12] for row in shown]
        assert researcher.get(f"{PAGE}.md{query}").text.count("| Nano-Banana-2 |") == 2
        assert r"\toprule" in researcher.get(f"{PAGE}.tex{query}").text
    with db.reading() as session:
        names = {row.kind: row.name for row in mfm_values.known(session).sets}
    told = CliRunner().invoke(
        table_command, ["mfm", "--fidelity", names["fidelity"], "--perceptual", names["perceptual"], "--format", "csv"]
    )  # fmt: skip
    assert told.exit_code == 0, told.output
    assert told.stdout == researcher.get(f"{PAGE}.csv").text


@one_engine
def test_rows_are_sorted_best_first_then_worst_first(researcher: SignedIn) -> None:
    values, _ = fill()
    for key, better in BETTER.items():
        at = 2 + list(BETTER).index(key)
        for sort, best in ((key, True), (f"-{key}", False)):
            column = [float(row[at].rstrip("%")) for row in rows(researcher.get(f"{PAGE}?sort={sort}").text)]
            assert column == sorted(column, reverse=(better == "higher") == best), (sort, values)
    assert researcher.get(f"{PAGE}?sort=nonsense").status_code == 400


@one_engine
def test_aspects_are_chosen_and_weighed(researcher: SignedIn) -> None:
    values, _ = fill()
    found = rows(researcher.get(f"{PAGE}?fid=3&per=1&vlm=0").text)
    assert [row[12] for row in found] == [f"{avg:.4f}" for avg in eq1(values, {"fid": 3, "per": 1})]
    for wrong in ("fid=x", "fid=-1", "fid=nan", "fid=0&per=0&vlm=0"):
        assert researcher.get(f"{PAGE}?{wrong}").status_code == 400, wrong


@one_engine
def test_a_category_narrows_the_perceptual_images_alone(researcher: SignedIn) -> None:
    values, _ = fill()
    rain = {key: own if full_reference(key[0]) else own[1::2] for key, own in values.items()}
    found = rows(researcher.get(f"{PAGE}?category=rain").text)
    assert [row[2:13] for row in found] == [expected(rain, at) for at in range(3)]
    assert researcher.get(f"{PAGE}?category=fog").status_code == 400


def full_reference(key: str) -> bool:
    return key in ("psnr", "ssim", "lpips", "dists")


@one_engine
def test_stand_ins_are_hidden_beside_real_ones(researcher: SignedIn) -> None:
    fill(stand_in=True)
    page = researcher.get(PAGE).text
    assert len(rows(page)) == 2
    assert "1 settings of stand-ins are hidden" in page
    assert "stand_ins=1" in page
    shown = researcher.get(f"{PAGE}?stand_ins=1").text
    assert rows(shown)[2][0] == "FireRed-1.1 (stand-in)"
    assert "they are no MFM" in shown


@one_engine
def test_what_is_missing_is_blank_and_never_0(researcher: SignedIn) -> None:
    """And an Avg. over two aspects instead of three would rank a setting by what was not looked at."""
    with db.unit_of_work() as session:
        for kind in ("fidelity", "perceptual"):
            image = factories.make_image(session)
            image_set(session, kind, kind, [image.id or 0])
            for at, setting in enumerate(SETTINGS[:2] if kind == "fidelity" else ()):
                made = method(session, *setting)
                candidate = factories.make_candidate(session, image, method=made.name, chosen=False)
                for column in MFM_COLUMNS[: 4 if at else 3]:
                    session.add(score(candidate, column.key, 0.5 + at))
        gone = method(session, *SETTINGS[2])
        session.add(
            Refusal(image_id=image.id or 0, method_id=gone.id or 0, recipe_hash="r", reason="IMAGE_<SAFETY>", message="")
        )  # fmt: skip
        gone_id = gone.id
    page = researcher.get(PAGE).text
    found = rows(page)
    assert [row[2:6] for row in found] == [["0.5000"] * 3 + ["–"], ["1.5000"] * 4, ["–"] * 4]
    assert {cell for row in found for cell in row[6:13]} == {"–"}
    assert [row[13] for row in found] == ["0", "0", "1"]
    assert "MUSIQ has no values" in page
    assert "ggt weights fetch" in page
    refused = researcher.get(f"{PAGE}/images?method={gone_id}&metric=refused").text
    assert "refused: IMAGE_&lt;SAFETY&gt;" in refused
    listed = researcher.get(f"{PAGE}/images?method={gone_id}&metric=niqe").text
    assert "refused: IMAGE_&lt;SAFETY&gt;" in listed


@one_engine
def test_without_a_judge_there_is_no_avg_unless_the_aspect_is_left_out(researcher: SignedIn) -> None:
    fill()
    assert [row[11:13] for row in rows(researcher.get(f"{PAGE}?judge=none").text)] == [["–", "–"]] * 3
    assert all(row[12] != "–" for row in rows(researcher.get(f"{PAGE}?judge=none&vlm=0").text))


@one_engine
@pytest.mark.parametrize(("judge", "named"), [("local-measure", "Local measurement"), ("gone", "gone")])
def test_another_judge_is_not_called_vlm_r(researcher: SignedIn, judge: str, named: str) -> None:
    fill(judge=judge)
    page = researcher.get(PAGE).text
    assert f"Success rate ({named}, not VLM-R)" in page
    assert not re.search(r">\s*VLM-R\s*<", page)


def test_the_images_behind_a_cell_come_worst_first(researcher: SignedIn) -> None:
    values, methods = fill()
    for metric in BETTER:
        shown = {}
        for order in ("", "&order=best"):
            with statements() as seen:
                page = researcher.get(f"{PAGE}/images?method={methods[1]}&metric={metric}{order}")
            assert page.status_code == 200
            assert len(seen) <= MOST_STATEMENTS
            shown[order] = re.findall(r"<figcaption><span><b[^>]*>(.*?)</b>", page.text)
        own = sorted(values[metric, 1], reverse=BETTER[metric] == "lower")
        words = [("accepted" if value else "rejected") if metric == "vlm_r" else f"{value:.4f}" for value in own]
        assert shown[""] == words
        assert shown["&order=best"] == words[::-1]
        assert ("/reference-thumbnail" in page.text) == full_reference(metric)
    assert researcher.get(f"{PAGE}/images?method={methods[1]}&metric=avg").status_code == 200
    assert researcher.get(f"{PAGE}/images?method={methods[1]}&metric=x").status_code == 400
    assert researcher.get(f"{PAGE}/images?method=999&metric=psnr").status_code == 404


@one_engine
def test_missing_ones_are_listed_with_their_reason(researcher: SignedIn) -> None:
    _, methods = fill()
    with db.unit_of_work() as session:
        one = session.exec(select(Candidate).where(col(Candidate.method_id) == methods[0])).all()[-1]
        row = session.exec(select(Score).where(Score.pixel_sha256 == one.pixel_sha256, Score.metric == "niqe")).one()
        row.value, row.note = None, "too <small>"
        session.add(row)
        again = factories.make_candidate(session, method="local-nlm", chosen=False)
        assert again.id
    page = researcher.get(f"{PAGE}/images?method={methods[0]}&metric=niqe").text
    assert "3 of 4 images have a value" in page
    assert page.index("too &lt;small&gt;") > page.index("<b>")
    assert "n = 3" in researcher.get(PAGE).text


@one_engine
def test_a_refinement_and_a_second_sample_do_not_count(researcher: SignedIn) -> None:
    fill()
    before = rows(researcher.get(PAGE).text)
    with db.unit_of_work() as session:
        first = session.exec(select(Candidate)).all()[-1]
        for sample, parent in ((1, None), (0, first)):
            image = factories.make_image(session)
            other = factories.make_candidate(session, image, method="nano-banana-2 / fix", chosen=False, parent=parent)
            other.image_id, other.sample = first.image_id, sample
            session.add(other)
            for column in MFM_COLUMNS[4:9]:
                session.add(score(other, column.key, 99.0))
    assert rows(researcher.get(PAGE).text) == before


def test_a_new_score_is_seen_at_once(researcher: SignedIn) -> None:
    """A table kept too long would show yesterday's ranking."""
    fill()
    before = rows(researcher.get(PAGE).text)
    with db.unit_of_work() as session:
        one = session.exec(select(Candidate)).all()[-1]
        newer = score(one, "niqe", 50.0)
        newer.version = "2"
        session.add(newer)
    page = researcher.get(PAGE).text
    assert rows(page) != before
    assert "more than one version are mixed in NIQE" in page


@pytest.mark.usefixtures("database")
def test_work_elsewhere_computes_nothing_again() -> None:
    """While a long run goes on, the page must not take seconds each time."""
    fill()

    def there() -> Measured:
        with db.reading() as session:
            known = mfm_values.known(session)
            sets = [mfm_scores.usual_set(known, kind) for kind in ("fidelity", "perceptual")]
            return mfm_values.measured(session, known, *sets)

    before = there()
    with db.unit_of_work() as session:
        candidate = factories.make_candidate(session)
        session.add(score(candidate, "niqe", 1.0))
        session.add(verdict(candidate, "gemini-3.1-pro", accepted=True))
    assert there() is before
    with db.unit_of_work() as session:
        image = session.exec(select(ImageSetItem)).all()[-1].image_id
        made = method(session, "flux.2-dev", "fix")
        session.add(Refusal(image_id=image, method_id=made.id or 0, recipe_hash="r", reason="NO"))
    assert len(there().settings) == len(before.settings) + 1


@one_engine
def test_somebody_chooses_a_best_prompt_and_lets_avg_decide_again(researcher: SignedIn) -> None:
    values, _ = fill()
    by_avg = ["Fix", "Gemini"][eq1(values)[1] > eq1(values)[0]]
    other, key = ("Gemini", "vlm-gemini") if by_avg == "Fix" else ("Fix", "fix")
    assert f"<b>{by_avg}</b>" in researcher.get(PAGE).text
    refused = researcher.post(f"{PAGE}/best", data={"generator": "nano-banana-2", "strategy": key, "reason": " "})
    assert refused.status_code == 400
    assert "Say why" in refused.text
    given = {"generator": "nano-banana-2", "strategy": key, "reason": "<b>faces</b>"}
    answer = researcher.post(f"{PAGE}/best?sort=avg", data=given)
    assert (answer.status_code, answer.headers["location"]) == (303, f"{PAGE}?sort=avg#best")
    page = researcher.get(PAGE).text
    assert f"<b>{other}</b>" in page
    assert "&lt;b&gt;faces&lt;/b&gt;" in page
    assert researcher.post(f"{PAGE}/best", data={"generator": "nano-banana-2"}).status_code == 303
    assert f"<b>{by_avg}</b>" in researcher.get(PAGE).text
    for wrong in ({"generator": "x"}, {"generator": "local-nlm", "strategy": "fix", "reason": "x"}):
        assert researcher.post(f"{PAGE}/best", data=wrong).status_code in (400, 404)
    with db.reading() as session:
        assert session.exec(select(StrategyChoice)).all() == []


@one_engine
@pytest.mark.parametrize("role", [Role.RESEARCHER, Role.ADMIN, Role.ANNOTATOR])
def test_who_sees_it_and_who_chooses(sign_in_as: SignInAs, role: Role) -> None:
    fill()
    person = sign_in_as(role)
    allowed = role != Role.ANNOTATOR
    for path in (PAGE, f"{PAGE}.csv", f"{PAGE}/typical", f"{PAGE}/chart.svg", f"{PAGE}/images?method=1&metric=psnr"):
        assert (person.get(path).status_code == 200) == allowed, path
    given = {"generator": "nano-banana-2", "strategy": "fix", "reason": "cheap"}
    assert person.post(f"{PAGE}/best", data=given).status_code == (303 if allowed else 403)
    person.headers.pop("X-CSRF-Token")
    assert person.post(f"{PAGE}/best", data=given).status_code == 403


@one_engine
def test_names_are_never_read_as_markup(researcher: SignedIn) -> None:
    fill(name="<script>alert(1)</script>")
    for path in (PAGE, f"{PAGE}/images?method=1&metric=niqe", f"{PAGE}/typical", f"{PAGE}?judge=<b>x"):
        page = researcher.get(path).text
        assert "<script>alert" not in page
        assert "<b>x" not in page
    assert "&lt;script&gt;alert" in researcher.get(PAGE).text


@one_engine
def test_first_steps_are_told_where_there_is_nothing(researcher: SignedIn) -> None:
    assert "There is no image set" in researcher.get(PAGE).text
    with db.unit_of_work() as session:
        image_set(session, "real", "perceptual", [factories.make_image(session).id or 0], frozen=False)
    assert "Nothing was made of these images" in researcher.get(PAGE).text
    assert researcher.get(f"{PAGE}/typical").status_code == 200
    assert researcher.get(f"{PAGE}/chart.png").status_code == 200
    assert researcher.get(f"{PAGE}.json").json()["rows"] == []
    assert researcher.get(f"{PAGE}?fidelity=99").status_code == 404
    assert researcher.get(f"{PAGE}?fidelity=1").status_code == 400


@one_engine
def test_a_frozen_set_is_taken_before_a_newer_open_one(researcher: SignedIn) -> None:
    fill()
    with db.unit_of_work() as session:
        image_set(session, "newer", "perceptual", [factories.make_image(session).id or 0], frozen=False)
        known = mfm_values.known(session)
    assert known.sets[0].name == "newer"
    assert mfm_scores.usual_set(known, "perceptual") == next(row.id for row in known.sets if row.name == "real")


@one_engine
def test_first_and_second_are_compared_in_words(researcher: SignedIn) -> None:
    values, _ = fill(12)
    page = researcher.get(PAGE).text
    order = sorted(range(3), key=lambda at: -eq1(values)[at])
    names = ["Nano-Banana-2 Fix", "Nano-Banana-2 Gemini", "FireRed-1.1 Fix"]
    told = re.search(rf"{names[order[0]]} leads {names[order[1]]} in (\d+) % of resamples", page)
    assert told
    assert 50 <= int(told[1]) <= 100
    gap = np.mean(values["psnr", order[0]]) - np.mean(values["psnr", order[1]])
    assert f"{gap:+.4f}" in page


@one_engine
def test_few_images_are_not_taken_for_certainty(researcher: SignedIn) -> None:
    fill(4)
    page = researcher.get(PAGE).text
    assert "too few images say how surely" in page
    assert "of resamples" not in page


@one_engine
def test_figures_are_of_their_type_and_the_same_each_time(researcher: SignedIn) -> None:
    fill()
    starts = {"svg": b"<?xml", "png": b"\x89PNG", "pdf": b"%PDF"}
    for kind, start in starts.items():
        answer = researcher.get(f"{PAGE}/chart.{kind}?download=1")
        assert answer.content.startswith(start)
        assert answer.headers["content-type"].startswith(mfm_chart.MEDIA_TYPES[kind])  # type: ignore[index]
        assert "attachment" in answer.headers["content-disposition"]
    assert b"<text" not in researcher.get(f"{PAGE}/chart.svg").content
    sheets = [researcher.get(f"{PAGE}/typical.png").content for _ in range(2)]
    assert sheets[0] == sheets[1]
    assert sheets[0].startswith(starts["png"])


def test_figures_drawn_at_once_by_several_threads_are_alike() -> None:
    points = tuple(Point(f"M{at % 4} $x^2$", "Fix-NC", at / 20, (at * 7 % 20) / 20) for at in range(20))
    for kind in ("svg", "png", "pdf"):
        mfm_chart.draw.cache_clear()
        with ThreadPoolExecutor(3) as pool:
            made = list(pool.map(lambda _: mfm_chart.draw.__wrapped__(points, kind), range(3)))  # noqa: B023
        assert len(set(made)) == 1, kind
        assert b"2026" not in made[0][:2000]


@one_engine
def test_typical_outputs_show_each_generators_best(researcher: SignedIn) -> None:
    fill(8)
    with statements() as seen:
        page = researcher.get(f"{PAGE}/typical").text
    assert len(seen) <= MOST_STATEMENTS
    assert page.count('alt="LQ of image') == 6
    assert page.count('alt="Nano-Banana-2"') == page.count('alt="FireRed-1.1"') == 6
    assert {"Rain", "Haze"} <= set(re.findall(r"#\d+ (\w+)", page))
    one = re.findall(r"#(\d+) ", page)[0]
    assert researcher.get(f"{PAGE}/typical?images={one}").text.count('alt="LQ of image') == 1
    assert researcher.get(f"{PAGE}/typical?images=99999").status_code == 400
    assert researcher.get(f"{PAGE}/typical?images=x").status_code == 400


@one_engine
def test_the_published_table_stands_beside_ones_own(researcher: SignedIn) -> None:
    fill()
    page = researcher.get(f"{PAGE}?published=1").text
    found = rows(page, "published-table")
    assert len(found) == 36
    assert found[-1][:3] == ["Nano-Banana-2", "Gemini", "27.1701"]
    assert found[-1][11:13] == ["70.0%", "0.8427"]
    assert found[-4][11:] == ["52.0%", "0.7564", "32.5%"], "the share of people stands where the paper has it"
    assert "cannot be compared" in page


@examples(max_examples=40)
@given(st.data())
def test_numbers_of_categories_add_up_to_those_of_all(data: st.DataObject) -> None:
    """The sum over a category's images, over all categories, is the sum over all."""
    images = data.draw(st.integers(1, 8))
    categories = tuple(data.draw(st.sampled_from(["rain", "haze", "snow"])) for _ in range(images))
    shape = (images, 2)
    value = st.one_of(st.just(math.nan), st.floats(-100, 100))
    drawn = np.array(data.draw(st.lists(value, min_size=2 * images, max_size=2 * images))).reshape(shape)
    there = measured(drawn, categories)
    whole = mfm_scores.computed(there, Wanted(1, 2)).lines
    for at in range(2):
        parts = [mfm_scores.computed(there, Wanted(1, 2, category=c)).lines[at].means["niqe"] for c in set(categories)]
        mean = whole[at].means["niqe"]
        known = [part for part in parts if part]
        assert sum(part.n for part in known) == (mean.n if mean else 0)
        assert sum(part.value * part.n for part in known) == pytest.approx(mean.value * mean.n if mean else 0, abs=1e-6)


def measured(niqe: Array, categories: tuple[str, ...]) -> Measured:
    shape = niqe.shape
    values = {metric: np.full(shape, np.nan) for metric in mfm_values.METRICS}
    ids = tuple(range(1, shape[0] + 1))
    versions = dict.fromkeys(values, 1)
    part = Part(ids, categories, np.ones(shape, np.int64), values | {"niqe": niqe}, {}, {}, versions)
    settings = tuple(SettingKey(at, f"m{at}", "nano-banana-2", ("fix", "fix-nc")[at], False) for at in range(2))
    return Measured(settings, replace(part, values=values), part, ())
