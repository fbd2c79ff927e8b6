"""Two annotators of a trial installation, who decide independently on the same pairs and do not always agree."""

from collections.abc import Sequence
from uuid import uuid4

from playwright.sync_api import BrowserContext, Page

QUEUE = "Second opinions"
PEOPLE = ("Noor", "Mika")
WRONG = ("structure", "artifact", "content")


def second_opinions(page: Page, base: str) -> None:
    """Make the queue and have both decide on what it holds, unless that has happened already."""
    page.goto(f"{base}/queues")
    if page.get_by_text(QUEUE).count():
        return
    contexts = [_joined(page, base, name) for name in PEOPLE]
    page.goto(f"{base}/queues?filter=category%3Dgeneral_mixed")
    form = page.locator('main form[action="/queues"]')
    form.locator('[name="name"]').fill(QUEUE)
    form.locator('[name="overlap"]').fill("2")
    form.locator('[name="hide_answers"]').check()
    form.locator("button.p").click()
    page.wait_for_url("**/queues#queue-*")
    queue = page.url.rsplit("-", 1)[1]
    for number, context in enumerate(contexts):
        _decide(context, base, queue, number)
        context.close()


def _joined(page: Page, base: str, name: str) -> BrowserContext:
    """A new annotator's browser, by an invitation."""
    page.goto(f"{base}/people")
    page.locator('form[action="/people/invitations"] button.p').click()
    link = page.locator("#new-link").input_value()
    browser = page.context.browser
    assert browser is not None
    context = browser.new_context(reduced_motion="reduce")
    theirs = context.new_page()
    theirs.goto(link)
    theirs.locator('[name="name"]').fill(name)
    theirs.locator('[name="email"]').fill(f"{name.lower()}@example.org")
    theirs.locator('[name="password"]').fill(uuid4().hex)
    theirs.locator("button.p").click()
    theirs.wait_for_url("**/")
    return context


def _decide(context: BrowserContext, base: str, queue: str, number: int) -> None:
    """One of the two decides on all of the queue: alike on most pairs, the second one is stricter."""
    csrf = context.request.get(f"{base}/review/me").json()["csrf"]
    headers = {"X-CSRF-Token": csrf, "Accept": "application/json"}
    while items := context.request.post(
        f"{base}/review/queue", data={"want": 10, "queue": queue}, headers=headers
    ).json()["items"]:  # fmt: skip
        for item in items:
            form = _answer(item["image_id"], item["candidate_id"], number)
            body = "&".join(f"{name}={value}" for name, value in form)
            kind = {"Content-Type": "application/x-www-form-urlencoded"}
            sent = context.request.post(f"{base}/review/decide", data=body, headers=headers | kind)
            assert sent.ok, sent.text()


def _answer(image_id: int, candidate_id: int, number: int) -> Sequence[tuple[str, object]]:
    strict = image_id % 3 == 0 if number == 0 else image_id % 3 == 0 or image_id % 4 == 1
    scores = {"object_consistency": 90 - 10 * strict, "restoration_quality": 80 - 20 * strict - 5 * number}
    told: list[tuple[str, object]] = [
        ("key", uuid4().hex), ("image_id", image_id), ("candidate_id", candidate_id),
        ("decision", "reject" if strict else "accept"), *(("score", f"{name}:{value}") for name, value in scores.items()),
    ]  # fmt: skip
    return [*told, ("reasons", WRONG[image_id % 3]), ("mark", "0.42,0.36,0.2,0.18")] if strict else told
