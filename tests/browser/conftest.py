"""A real browser, and the application on a free port for it."""

from collections.abc import Callable, Iterator
from threading import Thread

import pytest
import uvicorn
from fastapi import FastAPI
from playwright.sync_api import Browser, Page, sync_playwright

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
