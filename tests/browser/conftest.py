"""A real browser, and the application on a free port for it."""

from collections.abc import Callable, Iterator
from threading import Thread

import pytest
import uvicorn
from fastapi import FastAPI
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from app import db
from app.models import Stage
from app.services import people
from tests import factories
from tests.browser.review_page import shows, until

OpenPage = Callable[[str], tuple[Page, list[str]]]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        yield made
        made.close()


@pytest.fixture
def address(web: FastAPI) -> Iterator[str]:
    """The application on a free port."""
    config = uvicorn.Config(web, host="127.0.0.1", port=0, log_level="error", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = Thread(target=server.run)
    thread.start()
    while not server.started:
        thread.join(0.02)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join(10)


@pytest.fixture
def open_page(browser: Browser, address: str) -> Iterator[OpenPage]:
    """Opens a page for whoever holds a session token; the list gathers script errors and what the policy blocked."""
    contexts = []

    def make(token: str) -> tuple[Page, list[str]]:
        context = browser.new_context(base_url=address, viewport={"width": 1366, "height": 768})
        contexts.append(context)
        context.add_cookies([{"name": "ggt_session", "value": token, "url": address}])
        page, problems = context.new_page(), list[str]()
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
        return page, problems

    yield make
    for context in contexts:
        context.close()


@pytest.fixture
def pairs(database: str) -> list[tuple[int, int]]:
    """Eight waiting pairs as (image id, candidate id); one HQ is twice as large as its LQ would be elsewhere."""
    with db.unit_of_work() as session:
        source = factories.make_source(session)
        images = [factories.make_image(session, Stage.AWAITING, "rain", source, side=256) for _ in range(8)]
        made = [factories.make_candidate(session, image, metrics={"niqe": 3.0, "niqe_lq": 5.0}) for image in images]
        return [(c.image_id, c.id or 0) for c in made]


@pytest.fixture
def context(browser: Browser, address: str, database: str) -> Iterator[BrowserContext]:
    """A browser in which an annotator is signed in."""
    made = browser.new_context(base_url=address, viewport={"width": 1366, "height": 768})
    with db.unit_of_work() as session:
        token = people.sign_in(session, factories.make_user(session), "test")
    made.add_cookies([{"name": "ggt_session", "value": token, "url": address}])
    made.set_default_timeout(8000)
    yield made
    made.close()


@pytest.fixture
def page(context: BrowserContext, pairs: list[tuple[int, int]]) -> Iterator[Page]:
    """The review page with the first pair painted; an error in the console fails the test."""
    made = context.new_page()
    problems: list[str] = []
    made.on("pageerror", lambda error: problems.append(str(error)))
    made.on("console", lambda line: problems.append(line.text) if "Content Security Policy" in line.text else None)
    made.goto("/review")
    shows(made, pairs[0])
    until(made, "document.querySelector('#viewer').shadowRoot.querySelectorAll('img').length > 1")
    yield made
    assert problems == []
