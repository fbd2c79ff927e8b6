"""Saved views. If this fails, people lose the filters they work by, or a view leads somewhere else than to a list."""

import pytest
from sqlmodel import Session, col, select

from app import db
from app.errors import Conflict, GgtError, NotAllowed, NotFound
from app.models import Event, Role, SavedView
from app.services import saved_views
from tests import factories
from tests.conftest import SignInAs

one_engine = pytest.mark.parametrize("engine_url", ["sqlite"], indirect=True)
HERE = "/images?category=rain&niqe_max=5&sort=-psnr"


def people() -> tuple[int, int]:
    with db.unit_of_work() as session:
        return factories.make_user(session, name="Ada"), factories.make_user(session, name="Bo")


def save(user_id: int, name: str, here: str = HERE, *, shared: bool = False) -> str:
    with db.unit_of_work() as session:
        return saved_views.save(session, user_id, here, name, shared=shared)


def names(user_id: int) -> list[tuple[str, bool]]:
    with db.reading() as session:
        return [(view.name, view.mine) for view in saved_views.views(session, user_id)]


def test_everybody_sees_their_own_views_and_what_others_share(database: str) -> None:
    ada, bo = people()
    save(ada, "zebra")
    save(ada, "Doubtful rain", shared=True)
    save(bo, "mine")
    assert names(ada) == [("Doubtful rain", True), ("zebra", True)]
    assert names(bo) == [("mine", True), ("Doubtful rain", False)]
    with db.reading() as session:
        shared = saved_views.views(session, bo, "/images")[1]
    assert (shared.url, shared.by) == (HERE, "Ada")


def test_a_name_stands_for_one_view_of_a_person(database: str) -> None:
    ada, bo = people()
    assert save(ada, " Rain ") == save(ada, "Rain") == save(bo, "Rain") == HERE
    with pytest.raises(Conflict, match="already"):
        save(ada, "Rain", "/images?category=haze")
    save(ada, "Haze", "/images?category=haze")
    with db.unit_of_work() as session, pytest.raises(Conflict, match="already"):
        saved_views.change(session, ada, 3, "Rain", shared=False)
    assert names(ada) == [("Haze", True), ("Rain", True)]


def test_only_their_owner_changes_and_deletes_views(database: str) -> None:
    ada, bo = people()
    save(ada, "Rain", shared=True)
    save(ada, "secret")

    def rename(session: Session, user_id: int, view_id: int) -> None:
        saved_views.change(session, user_id, view_id, "x", shared=True)

    for act in (saved_views.delete, rename):
        with db.unit_of_work() as session, pytest.raises(NotAllowed):
            act(session, bo, 1)
        with db.unit_of_work() as session, pytest.raises(NotFound):
            act(session, bo, 2)
    with db.unit_of_work() as session:
        saved_views.change(session, ada, 1, "Snow?", shared=False)
        saved_views.delete(session, ada, 2)
        saved_views.delete(session, ada, 2)
    assert names(ada) == [("Snow?", True)]
    assert names(bo) == []
    with db.reading() as session:
        done = list(session.exec(select(Event.action).order_by(col(Event.id))))
    assert done == ["view.saved", "view.saved", "view.changed", "view.deleted"]


@one_engine
@pytest.mark.parametrize(
    "here",
    ["https://evil.example/images", "//evil.example/images", "/images/../people", "/people", "images", "", "/images/1",
     "javascript:alert(1)", "/images?category=nowhere", "/\\evil.example"],
)  # fmt: skip
def test_a_view_leads_nowhere_but_to_a_list(database: str, here: str) -> None:
    ada, _ = people()
    with pytest.raises(GgtError):
        save(ada, "x", here)


@one_engine
def test_what_a_page_does_not_know_is_not_kept(database: str) -> None:
    ada, _ = people()
    assert save(ada, "x", "/images?category=rain&after=abc&next=//evil.example&sort=newest#x") == "/images?category=rain"
    with pytest.raises(GgtError, match="name"):
        save(ada, "x" * 81)
    with pytest.raises(GgtError, match="too long"):
        save(ada, "x", "/images?source=" + "%3C" * 800)


@one_engine
def test_the_menu_saves_opens_renames_and_deletes(sign_in_as: SignInAs) -> None:
    ada, bo = sign_in_as(Role.RESEARCHER), sign_in_as(Role.ANNOTATOR)
    assert "/views/menu?here=/images%3Fcategory%3Drain" in ada.get("/images?category=rain&sort=newest").text
    assert ada.post("/views", data={"here": HERE, "name": "R <b>", "shared": "1"}).headers["location"] == HERE
    menu = bo.get("/views/menu", params={"here": "/images?category=haze"}).text
    assert "R &lt;b&gt;" in menu
    assert 'value="/images?category=haze"' in menu
    wrong = ada.post("/views", data={"here": "/images", "name": "R <b>"})
    assert wrong.status_code == 409
    assert "already" in wrong.text
    assert ada.post("/views", data={"here": "//evil.example", "name": "x"}).status_code == 400
    assert bo.post("/views/1/delete").status_code == 403
    assert ada.post("/views/1", data={"name": "Rain"}).headers["location"] == "/views"
    assert "Rain" not in bo.get("/views").text
    assert ada.post("/views/1/delete").status_code == 303
    with db.reading() as session:
        assert session.exec(select(SavedView)).all() == []
