"""The gallery's filters, order and pages, on both engines. A wrong one hides images from the people who look for them."""

import pytest
from sqlmodel import Session

from app import db
from app.errors import GgtError, NotFound
from app.models import CandidateSummary, Image, Stage
from app.services import gallery
from app.services.gallery_filter import GalleryFilter
from tests import factories


def ids(session: Session, **query: str) -> list[int]:
    return [tile.id for tile in gallery.page(session, GalleryFilter.parse(query)).tiles]


def candidate_of(session: Session, niqe: float | None, **more: object) -> int:
    """An image whose current candidate has this NIQE; returns the image's id."""
    candidate = factories.make_candidate(session, metrics={} if niqe is None else {"niqe": niqe, "niqe_lq": 9.0})
    summary = session.get_one(CandidateSummary, candidate.id)
    for name, value in more.items():
        setattr(summary, name, value)
    return candidate.image_id


def test_metric_ranges_include_their_bounds_and_leave_out_what_has_no_value(database: str) -> None:
    with db.unit_of_work() as session:
        low, middle, high, none = (candidate_of(session, value) for value in (3.0, 5.0, 7.25, None))
    with db.reading() as session:
        assert ids(session) == [none, high, middle, low]
        assert ids(session, niqe_max="5") == [middle, low]
        assert ids(session, niqe_min="5", niqe_max="7.25") == [high, middle]
        assert ids(session, niqe_min="7.3") == []


def test_a_metric_sorts_best_first_and_worst_first(database: str) -> None:
    with db.unit_of_work() as session:
        worst, best, same, _ = (candidate_of(session, value) for value in (7.0, 3.0, 7.0, None))
    with db.reading() as session:
        assert ids(session, sort="niqe") == [best, worst, same]  # lower is better
        assert ids(session, sort="-niqe") == [same, worst, best]


@pytest.mark.parametrize("sort", ["newest", "niqe", "-niqe"])
def test_pages_show_every_image_once_whatever_is_added_between(database: str, sort: str) -> None:
    with db.unit_of_work() as session:
        wanted = {candidate_of(session, float(number % 3)) for number in range(11)}
    filters, seen, cursor = GalleryFilter(sort=sort), [], ""
    for _ in range(6):
        with db.unit_of_work() as session:
            found = gallery.page(session, filters, cursor, 3)
            candidate_of(session, 1.0)
        seen += [tile.id for tile in found.tiles]
        if found.next_cursor is None:
            break
        cursor = found.next_cursor
    assert len(seen) == len(set(seen)), "an image was shown twice"
    assert wanted <= set(seen), "an image was never shown"


def test_neighbours_follow_the_filtered_order_to_its_ends(database: str) -> None:
    with db.unit_of_work() as session:
        for value in (4.0, 2.0, 4.0, 8.0, 1.0):
            candidate_of(session, value)
    for sort in ("newest", "niqe", "-niqe"):
        filters = GalleryFilter.parse({"niqe_max": "7", "sort": sort})
        with db.reading() as session:
            order = [tile.id for tile in gallery.page(session, filters).tiles]
            assert len(order) == 4
            for place, image_id in enumerate(order):
                before = order[place - 1] if place else None
                after = order[place + 1] if place + 1 < len(order) else None
                assert gallery.neighbours(session, filters, image_id) == (before, after)


def test_a_method_shows_its_latest_candidate_of_each_image(database: str) -> None:
    with db.unit_of_work() as session:
        image = factories.make_image(session)
        factories.make_candidate(session, image, method="local-nlm", metrics={"niqe": 5.0})
        factories.make_candidate(session, image, method="local-tv", metrics={"niqe": 9.0}, chosen=False)
        newer = factories.make_candidate(session, image, method="local-tv", metrics={"niqe": 3.0}, chosen=False)
        factories.make_candidate(session, method="local-nlm")
    with db.reading() as session:
        tiles = gallery.page(session, GalleryFilter(method="local-tv")).tiles
        assert [(tile.id, tile.candidate_id) for tile in tiles] == [(image.id, newer.id)]
        assert ids(session, method="local-tv", niqe_min="8") == [], "an older candidate's value counted"


@pytest.mark.parametrize("few", [0, 10_000])
@pytest.mark.parametrize("query", [{}, {"niqe_max": "5"}, {"sort": "niqe"}, {"sort": "-niqe", "category": "rain"}])
def test_sorting_what_is_found_and_walking_the_order_show_the_same(
    database: str, monkeypatch: pytest.MonkeyPatch, few: int, query: dict[str, str]
) -> None:
    """Which of the two is done depends on how many match; a person must not see a difference, page by page."""
    monkeypatch.setattr(gallery, "FEW", {"newest": few, "metric": few})
    with db.unit_of_work() as session:
        values = {candidate_of(session, float(number % 4) + 2): float(number % 4) + 2 for number in range(9)}
    wanted = GalleryFilter.parse(query)
    kept = [i for i in values if "niqe_max" not in query or values[i] <= 5]
    sign = -1 if wanted.sort == "-niqe" else 1
    order = sorted(kept, key=lambda i: (sign * values[i], sign * i)) if wanted.sort_metric else sorted(kept, reverse=True)
    seen: list[int] = []
    with db.reading() as session:
        cursor: str | None = ""
        while cursor is not None:
            found = gallery.page(session, wanted, cursor, 4, gallery.count(session, wanted))
            seen, cursor = seen + [tile.id for tile in found.tiles], found.next_cursor
    assert seen == order


def test_plain_filters(database: str) -> None:
    with db.unit_of_work() as session:
        own = factories.make_source(session, "own")
        kept = factories.make_image(session, Stage.COLLECTED, "haze", own)
        accepted = candidate_of(session, 4.0, decision="accept")
        rejected = candidate_of(session, 4.0, decision="reject")
        session.get_one(Image, accepted).undersized = False
    with db.reading() as session:
        assert ids(session, category="haze") == [kept.id]
        assert ids(session, source="own") == [kept.id]
        assert ids(session, source="nobody") == []
        assert ids(session, stage="awaiting_verification") == [rejected, accepted]
        assert ids(session, verdict="accept") == [accepted]
        assert ids(session, verdict="reject") == [rejected]
        assert ids(session, verdict="none") == [kept.id]
        assert ids(session, undersized="1") == [rejected, kept.id]


def test_counts_stop_at_the_cap(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gallery, "COUNT_CAP", 2)
    with db.unit_of_work() as session:
        for _ in range(5):
            factories.make_image(session)
    with db.reading() as session:
        assert gallery.count(session, GalleryFilter()) == 3
        assert gallery.count(session, GalleryFilter(category="snow")) == 0


def test_a_filter_survives_its_own_address() -> None:
    query = {"category": "rain", "source": "a & b", "stage": "verified", "verdict": "none", "niqe_min": "2.5",
             "lpips_max": "0.1", "undersized": "1", "sort": "-psnr"}  # fmt: skip
    assert GalleryFilter.parse(query).query() == query


@pytest.mark.parametrize(
    "query",
    [
        {"niqe_max": "five"},
        {"niqe_min": "nan"},
        {"niqe_min": "1e999"},
        {"sort": "beauty"},
        {"category": "x"},
        {"stage": "'"},
    ],
)
def test_a_wrong_value_says_which(query: dict[str, str]) -> None:
    with pytest.raises(GgtError, match=next(iter(query)) if "sort" not in query else "sort"):
        GalleryFilter.parse(query)


@pytest.mark.parametrize("cursor", ["x", "AAAA", "W10", "WzEsMl0x", "é", "bnVsbA", "WyJhIiwxXQ"])
@pytest.mark.parametrize("engine_url", ["sqlite"], indirect=True)
def test_a_damaged_cursor_is_an_error_a_person_can_read(database: str, cursor: str) -> None:
    with db.reading() as session, pytest.raises(GgtError, match="damaged"):
        gallery.page(session, GalleryFilter(), cursor)


@pytest.mark.parametrize("engine_url", ["sqlite"], indirect=True)
def test_files_of_unknown_rows_are_not_found(database: str) -> None:
    with db.reading() as session:
        with pytest.raises(NotFound, match="image 99"):
            gallery.image_files(session, 99)
        with pytest.raises(NotFound, match="candidate 99"):
            gallery.candidate_files(session, 99)
