"""The metric filter's page. A count that is not the filter's own would have an admin throw away good candidates."""

import json
import random
from itertools import pairwise
from urllib.parse import parse_qsl, urlencode

import pytest
from sqlmodel import Session, col, select

from app import db
from app.catalog.metrics import METRICS
from app.catalog.quality import filter_rule
from app.domain.metric_filter import FilterRule, apply_filter
from app.errors import GgtError
from app.models import CandidateSummary, Event, FilterSetting, Json, Method, Role
from app.services import filter_preview, filter_rules
from tests import factories
from tests.conftest import SignedIn, SignInAs
from tests.integration.test_pages_queries import MOST_STATEMENTS, statements

one_engine = pytest.mark.parametrize("engine_url", ["sqlite"], indirect=True)
RULE = FilterRule({"niqe": 0.3, "piqe": 2.0}, 2)
URL = "/filter?category=rain&niqe=0.3&piqe=2&min_passing=2"


def scores(choose: random.Random) -> Json:
    """No-reference scores of LQ and HQ, one in six missing."""
    spread = {"niqe": 2.0, "piqe": 15.0, "brisque": 15.0}
    found: Json = {"psnr": 25.0}
    for key, width in spread.items():
        for name in (key, f"{key}_lq"):
            found[name] = None if choose.random() < 1 / 6 else choose.gauss(3 * width, width)
    return found


def candidates(session: Session, number: int, category: str = "rain", seed: int = 1) -> list[int]:
    """Chosen candidates on one image: their summaries are all that is looked at."""
    choose = random.Random(seed)
    image = factories.make_image(session, category=category)
    return [factories.make_candidate(session, image, metrics=scores(choose)).id or 0 for _ in range(number)]


def expected(session: Session, rule: FilterRule) -> dict[int, tuple[bool, bool]]:
    """What the filter itself makes of every candidate that has an improvement: whether it is excluded, and decided."""
    found = {}
    directions = {key: METRICS[key].better for key in rule.min_improvement}
    for row in session.exec(select(CandidateSummary).where(CandidateSummary.chosen, CandidateSummary.category == "rain")):
        lq = {key: row.metrics.get(f"{key}_lq") for key in filter_preview.FILTER_METRICS}
        if all(lq[key] is None or row.metrics.get(key) is None for key in lq):
            continue
        result = apply_filter(lq, row.metrics, rule, directions)
        found[row.candidate_id] = (not result.passed, result.decided)
    return found


@pytest.mark.parametrize(
    "rule", [RULE, FilterRule({"niqe": 0.1, "piqe": 1.0, "brisque": 1.0}, 1), FilterRule({"brisque": 9.25}, 1)], ids=repr
)
def test_the_preview_counts_what_the_filter_would_do(database: str, rule: FilterRule) -> None:
    with db.unit_of_work() as session:
        candidates(session, 60)
        candidates(session, 3, category="haze")
        other = factories.make_candidate(session, metrics={"niqe": 1.0, "niqe_lq": 9.0}, chosen=False)
        stand_in = Method(name="stand-in", generator="stand-in", stand_in=True)
        session.add(stand_in)
        factories.make_candidate(session, metrics={"niqe": 1.0, "niqe_lq": 9.0}, method="stand-in")
        assert other.id
    with db.reading() as session:
        stand_ins = {
            i for (i,) in session.execute(select(CandidateSummary.candidate_id).join(Method).where(Method.stand_in))
        }
        want = {i: out for i, out in expected(session, rule).items() if i not in stand_ins}
        now = {i: out for i, (out, _) in expected(session, filter_rule("rain")).items()}
        found = filter_preview.sample(session, "rain")
        counts = filter_preview.compare(found, rule, filter_rule("rain"))
    assert list(found.ids) == sorted(want)
    assert (counts.n, found.total) == (len(want), len(want))
    assert counts.excluded == sum(out for out, _ in want.values())
    assert counts.undecided == sum(not decided for _, decided in want.values())
    assert counts.now == sum(now[i] for i in want)
    assert counts.more == sum(out and not now[i] for i, (out, _) in want.items())
    assert counts.fewer == sum(now[i] and not out for i, (out, _) in want.items())


def test_a_sample_is_spread_evenly_and_says_of_how_many(database: str) -> None:
    with db.unit_of_work() as session:
        image = factories.make_image(session)
        ids = [factories.make_candidate(session, image, metrics={"niqe": 1.0, "niqe_lq": 2.0}).id or 0 for _ in range(23)]
    with db.reading() as session:
        found = filter_preview.sample(session, "rain", cap=5)
        whole = filter_preview.sample(session, "rain", cap=23)
    assert (len(found.ids), found.total) == (5, 23)
    places = [ids.index(i) for i in found.ids]
    assert {b - a for a, b in pairwise(places)} <= {4, 5}
    assert list(whole.ids) == ids


def test_examples_lie_nearest_the_boundary_on_both_sides(database: str) -> None:
    gains = {"far below": -3.0, "below": 0.25, "above": 0.35, "far above": 4.0, "newly out": 0.2}
    with db.unit_of_work() as session:
        made = {
            name: factories.make_candidate(
                session,
                metrics={"niqe": 5.0 - gain, "niqe_lq": 5.0, "piqe": 20.0, "piqe_lq": None if gain != 0.25 else 20.0},
            ).id
            for name, gain in gains.items()
        }
    rule, now = FilterRule({"niqe": 0.3}, 1), FilterRule({"niqe": 0.1, "piqe": 1}, 2)
    with db.reading() as session:
        found = filter_preview.sample(session, "rain")
        shown = filter_preview.examples(session, found, rule, now)
    nearest = [example.candidate_id for example in shown.nearest]
    assert nearest == [made[name] for name in ("below", "far below", "above", "far above")]
    assert [(e.candidate_id, e.excluded, e.excluded_now) for e in shown.changed] == [(made["newly out"], True, False)]
    assert shown.changed[0].values[0] == ("niqe", 5.0, 4.8)


@pytest.mark.parametrize("path", [URL, "/filter", URL.replace("?", "/examples?"), "/filter/data?category=rain"])
def test_a_page_takes_at_most_eight_statements(admin: SignedIn, path: str) -> None:
    with db.unit_of_work() as session:
        candidates(session, 20)
        filter_rules.apply(session, admin.user_id, "rain", {"niqe": 0.2}, 1)
    with statements() as seen:
        answer = admin.get(path)
    assert answer.status_code == 200
    assert 1 <= len(seen) <= MOST_STATEMENTS, "\n".join(seen)
    if "/data" in path:
        assert sum("candidate_summary" in statement for statement in seen) == 1


@one_engine
def test_the_data_are_columns_and_are_not_sent_twice(annotator: SignedIn) -> None:
    with db.unit_of_work() as session:
        candidates(session, 20)
    with db.reading() as session:
        found = filter_preview.sample(session, "rain")
    answer = annotator.get("/filter/data?category=rain")
    assert answer.json() == {
        "category": "rain", "total": found.total, "n": len(found.ids),
        "gains": {key: list(column) for key, column in found.gains.items()},
    }  # fmt: skip
    assert None in json.loads(answer.text)["gains"]["niqe"]
    again = annotator.get("/filter/data?category=rain", headers={"If-None-Match": answer.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert annotator.get("/filter/data?category=fog").status_code == 400


@one_engine
def test_without_scripts_the_url_says_everything(annotator: SignedIn) -> None:
    with db.unit_of_work() as session:
        candidates(session, 40)
    with db.reading() as session:
        counts = filter_preview.compare(filter_preview.sample(session, "rain"), RULE, filter_rule("rain"))
    page = annotator.get(URL + "&brisque=").text
    assert f'data-count="excluded">{counts.excluded}<' in page
    assert "BRISQUE 1 → off" in page
    assert 'name="niqe" value="0.3"' in page
    assert 'action="/filter/apply"' not in page, "only an admin may apply"


@one_engine
@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("niqe=much", "must be a number"),
        ("niqe=0", "must be above 0"),
        ("niqe=nan", "must be above 0"),
        ("niqe=1&min_passing=2", "choose from 1 to 1"),
        ("niqe=&piqe=&brisque=&min_passing=1", "at least one metric"),
    ],
)
def test_an_impossible_rule_is_refused_in_words(annotator: SignedIn, query: str, told: str) -> None:
    answer = annotator.get(f"/filter?category=rain&{query}")
    assert answer.status_code == 400
    assert told in answer.text


def test_a_rule_survives_the_url() -> None:
    rule = FilterRule({"niqe": 0.1 + 0.2, "brisque": 12.0}, 1)
    assert filter_preview.parse_rule(filter_preview.rule_query(rule), RULE) == rule
    assert filter_preview.parse_rule({"category": "rain"}, RULE) is RULE
    with pytest.raises(GgtError, match="number"):
        filter_preview.parse_rule({"piqe": "--"}, RULE)


def test_applying_is_recorded_and_can_be_taken_up_again(sign_in_as: SignInAs) -> None:
    admin, other = sign_in_as(Role.ADMIN), sign_in_as(Role.ADMIN)
    form = {"category": "rain", "rule": "niqe=0.3&piqe=2&min_passing=2", "seen": "0"}
    assert admin.post("/filter/apply", data=form).headers["location"] == "/filter?category=rain#history"
    with db.reading() as session:
        assert filter_rules.in_force(session, "rain") == RULE
        assert filter_rules.in_force(session, "haze") == filter_rule("haze")
        event = session.exec(select(Event).where(Event.action == "filter.applied")).one()
        assert (event.user_id, event.subject, event.details["min_passing"]) == (admin.user_id, "filter:rain", 2)
        newest = filter_preview.history(session, "rain")[0]
    assert other.post("/filter/apply", data={**form, "rule": "niqe=1&min_passing=1"}).status_code == 409  # saw the old ones
    assert other.post("/filter/apply", data={**form, "seen": str(newest.id)}).status_code == 409  # nothing would change
    assert other.post("/filter/apply", data={**form, "rule": "niqe=1", "seen": str(newest.id)}).status_code == 303
    page = admin.get("/filter?category=rain").text
    again = "/filter?" + urlencode({"category": "rain", **dict(parse_qsl(form["rule"]))})
    assert again.replace("&", "&amp;") in page
    assert page.count("Use again") == 2
    with db.reading() as session:
        assert session.exec(select(FilterSetting.min_passing).order_by(col(FilterSetting.id))).all() == [2, 1]
