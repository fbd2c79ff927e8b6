"""The review page as the tests in this folder look at it."""

import pytest
from playwright.sync_api import Page

SHOWN = (
    "[...(document.querySelector('#viewer')?.shadowRoot?.querySelectorAll('img') ?? [])].map((i) => new URL(i.src).pathname)"
)


LOADED = "performance.getEntriesByType('resource').filter((r) => r.name.includes('/files/')).length >= 12"
"""The first pair and five ahead are here."""


def until(page: Page, expression: str) -> None:
    """Wait for a JavaScript expression (Playwright's own way needs eval, which our content security policy forbids)."""
    for _ in range(400):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(20)
    pytest.fail(f"never true: {expression}")


def shows(page: Page, pair: tuple[int, int]) -> None:
    """Wait until this pair is painted and can be decided on."""
    lq, hq = f"/files/images/{pair[0]}/master", f"/files/candidates/{pair[1]}/file"
    until(
        page,
        f"(() => {{ const s = {SHOWN}; return s.includes({lq!r}) && s.includes({hq!r})"
        " && document.querySelector('#main').ariaBusy === 'false' })()",
    )


def saved(page: Page) -> None:
    """Wait until nothing is unconfirmed."""
    until(page, "Object.keys(localStorage).every((k) => !k.startsWith('ggt-outbox/'))")
