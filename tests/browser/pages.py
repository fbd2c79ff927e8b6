"""Every page of the application, found from its routes, so that a new one cannot be forgotten."""

from collections.abc import Iterator
from dataclasses import dataclass

import httpx

from app.models import Role
from app.services import people
from app.web.deps import COOKIE
from tests.browser.collection import Collection
from tests.contract.test_routes import ROUTES

NO_PAGES = ("/api/", "/files/")
"""What browsers show no page of."""
QUERIES = {
    "/filter/examples": "?category=rain", "/filter/data": "?category=rain", "/views/menu": "?here=/images",
    "/agreement/gold": "?person=1", "/benchmarks/mfm/images": "?metric=niqe&method=1",
}  # fmt: skip
"""For routes that need a query."""
NEED_DATA = ("/benchmarks/mfm/images",)
"""Pages of something that an empty collection has not."""


@dataclass(frozen=True)
class Visit:
    """A page as somebody sees it. ``who`` is None for a stranger; ``status`` is what the server answers."""

    path: str
    who: Role | None = Role.ADMIN
    status: int = 200

    def __str__(self) -> str:
        return f"{self.path} ({self.who or 'stranger'})"


def every_page(address: str, made: Collection) -> list[Visit]:
    """All GET routes that answer with a whole page, as an admin, who is offered most; those for strangers as a stranger."""
    with httpx.Client(base_url=address) as client:
        visits = [Visit(filled(path, made), who) for path, who in _routes()]
        return [visit for visit in visits if is_page(client, visit, made)]


def every_page_without_data(address: str, made: Collection, who: Role) -> list[Visit]:
    """Those of them that are there from the start and that ``who`` may see."""
    seen = {route.path for route in ROUTES if route.role and people.may(who, route.role)} - set(NEED_DATA)
    with httpx.Client(base_url=address) as client:
        visits = [Visit(path + QUERIES.get(path, ""), who) for path, _ in _routes() if path in seen and "{" not in path]
        return [visit for visit in visits if is_page(client, visit, made)]


def _routes() -> Iterator[tuple[str, Role | None]]:
    for route in ROUTES:
        is_file = "." in route.path.rsplit("/", 1)[-1]
        if route.method == "GET" and not is_file and not route.path.startswith(NO_PAGES):
            yield route.path, Role.ADMIN if route.role else None


def filled(path: str, made: Collection) -> str:
    """A route's path with something of the collection in it. A new parameter has to be given an example here."""
    examples = {
        "image_id": made.image_id, "run_id": made.run_id, "token": made.invitation, "kind": "fix", "category": "rain",
        "key": "gemini", "source_id": made.source_id, "photo_id": made.photo_id, "patch_id": made.patch_id,
        "set_id": made.set_id,
    }  # fmt: skip
    if path.startswith("/adjudicate/"):
        examples["image_id"] = made.disputed_id
    return path.format(**examples) + QUERIES.get(path, "")


def is_page(client: httpx.Client, visit: Visit, made: Collection) -> bool:
    """Whether a whole page comes; not a fragment, which stands in a page that is looked at, nor data nor a stream."""
    headers = {"Accept": "text/html"} | ({"Cookie": f"{COOKIE}={made.tokens[visit.who]}"} if visit.who else {})
    with client.stream("GET", visit.path, headers=headers) as answer:
        if answer.is_redirect:
            return False
        assert answer.status_code == 200, f"{visit} answers {answer.status_code}: give it an example above"
        if not answer.headers.get("content-type", "").startswith("text/html"):
            return False
        return "<html" in answer.read().decode()


def more_pages(made: Collection) -> Iterator[Visit]:
    """What the same pages look like with other data, and what goes wrong."""
    yield Visit(f"/invite/{made.sign_in_link}", None)
    yield Visit("/invite/none", None, 404)
    yield Visit("/nothing", None, 404)
    yield Visit("/nothing", Role.ANNOTATOR, 404)
    yield Visit("/images/999", Role.ADMIN, 404)
    yield Visit("/people", Role.ANNOTATOR, 403)
    yield Visit("/images?stage=failed&category=snow")
    yield Visit("/images?category=rain&niqe_max=5&sort=niqe&verdict=reject")
    yield Visit("/images/regenerate?category=rain")
    yield Visit(f"/images/{made.bare_image_id}", Role.ANNOTATOR)
    yield Visit("/review?category=snow", Role.ANNOTATOR)
    yield Visit("/filter?category=haze")
    yield Visit("/filter?category=rain&niqe=2&min_passing=1")
    yield Visit("/judges?a=gpt-5.4-pro&b=local-measure")
    yield Visit("/judges?a=people&b=people")
    yield Visit("/prompts/fix/rain?version=1&with=2")
    yield Visit("/prompts/meta/rain", Role.ANNOTATOR)
    yield Visit(f"/runs/{made.ingest_id}")
    yield Visit(f"/runs/{made.finished_id}", Role.ANNOTATOR)
    yield Visit("/runs?before=1")
    yield Visit("/sources?q=nothing")
    yield Visit(f"/sources/{made.source_id}?author=Bob", Role.RESEARCHER)
    yield Visit("/licences", Role.RESEARCHER)
    yield Visit("/licences?choice=paper")
    yield Visit("/looks?state=discarded", Role.ANNOTATOR)
    yield Visit("/looks?did=keep&ids=1,2&late=1", Role.ANNOTATOR)
    yield Visit("/patches?state=out&category=rain")
    yield Visit("/patches?state=grading", Role.ANNOTATOR)
    yield Visit("/patches?state=waiting&category=snow")
    yield Visit("/patches/screen?category=rain")
