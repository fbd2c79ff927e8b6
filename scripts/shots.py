"""What the pictures of docs/screenshots show, and the way there."""

from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, Route
from trial import SETTINGS

PREFERRED = ("low_light", "old_photo")
"""Categories in the order in which the review page is asked for a pair: those of the local methods, for the README."""


def open_review(page: Page, base: str) -> int:
    """Open a pair of the first preferred category that has one; returns its image's id."""
    for category in PREFERRED:
        page.goto(f"{base}/review?category={category}")
        image = page.locator("#accept input[name=image_id]").get_attribute("value")
        if image:
            settle(page)
            return int(image)
    raise SystemExit("No pair waits for verification: let a run finish first.")


def settle(page: Page) -> None:
    """Wait until every visible picture is painted. Live pages never get idle, so not for the network.

    Asked again and again from here: the pages' security policy refuses Playwright's own polling.
    """
    painted = "[...document.images].every(i => i.complete || i.getBoundingClientRect().top > innerHeight)"
    for _ in range(100):
        if page.evaluate(painted):
            break
        page.wait_for_timeout(100)
    page.wait_for_timeout(700)


def at(path: str) -> Callable[[Page, str], None]:
    """A picture of one address."""

    def show(page: Page, base: str) -> None:
        page.goto(base + path)
        settle(page)

    return show


def review(mode: str) -> Callable[[Page, str], None]:
    """The review page in a view: side, slider or difference."""

    def show(page: Page, base: str) -> None:
        open_review(page, base)
        page.locator(f'[data-mode="{mode}"]').click()
        settle(page)

    return show


def answer(page: Page, base: str) -> None:
    """The fullest answer, all but sent: rejected for artifacts, five scores."""
    review("side")(page, base)
    page.keyboard.press("Shift+X")
    page.keyboard.type("57698", delay=30)
    settle(page)


def dispute(page: Page, base: str) -> None:
    """A pair on which two people differ, with their answers."""
    page.goto(f"{base}/adjudicate")
    page.get_by_role("link", name="Settle the first").click()
    settle(page)


def history(page: Page, base: str) -> None:
    """The history of the image that review shows."""
    at(f"/images/{open_review(page, base)}")(page, base)


def scrolled(path: str, selector: str) -> Callable[[Page, str], None]:
    """A picture of one address, from an element on."""

    def show(page: Page, base: str) -> None:
        page.goto(base + path)
        settle(page)
        page.locator(selector).evaluate("e => { e.style.scrollMarginTop = '60px'; e.scrollIntoView({block: 'start'}); }")
        settle(page)

    return show


def most_attempts(page: Page, base: str, method: str) -> tuple[int, int]:
    """The image whose chain by ``method`` has most attempts, or else most verdicts; and the last attempt's candidate."""
    found = []
    for image in page.request.get(f"{base}/api/v1/images").json()["items"]:
        for chain in page.request.get(f"{base}/api/v1/images/{image['id']}").json()["chains"]:
            made = chain["attempts"]
            if chain["name"].startswith(method) and made:
                last = max(made, key=lambda attempt: attempt["attempt"])
                rank = (len(made), sum(len(attempt["verdicts"]) for attempt in made))
                found.append((*rank, image["id"], last["candidate"]["id"]))
    if not found:
        raise SystemExit(f"No image has a candidate of {method}.")
    *_, image_id, candidate_id = max(found)
    return int(image_id), int(candidate_id)


def attempt(page: Page, base: str) -> None:
    """The last attempt of the longest chain: its prompt carries what the judge found wrong."""
    image_id, candidate_id = most_attempts(page, base, "gpt-image-2")
    scrolled(f"/images/{image_id}", f"#candidate-{candidate_id}")(page, base)


def written(page: Page, base: str) -> None:
    """The prompts that were written for an image."""
    scrolled(f"/images/{most_attempts(page, base, 'nano-banana-2')[0]}", "#prompts")(page, base)


def shots(runs: dict[str, int]) -> dict[str, Callable[[Page, str], None]]:
    """What is shown on a desktop, in order."""
    return {
        "review": review("side"),
        "review-slider": review("slider"),
        "review-difference": review("difference"),
        "review-answer": answer,
        "queues": at("/queues"),
        "adjudicate": dispute,
        "dashboard": at("/"),
        "images": at("/images"),
        "image": history,
        "run": at(f"/runs/{runs['local']}"),
        "people": at("/people"),
        "providers": at("/providers"),
        "new-run": at(f"/runs/new?{SETTINGS}"),
        "run-paid": at(f"/runs/{runs['settings']}"),
        "prompts": at("/prompts"),
        "prompt": at("/prompts/meta/haze"),
        "image-prompt": written,
        "image-mfm": attempt,
        "filter": at("/filter?category=old_photo"),
        "judges": at("/judges?a=stand-in:gemini-3.1-pro&b=stand-in:gpt-5.4-pro"),
        "regenerate": at("/images/regenerate?category=rain"),
    }


def ingested(upload: Path) -> Callable[[Page, str], None]:
    """The ingest page after a folder of which some is known and some cannot be taken."""

    def show(page: Page, base: str) -> None:
        page.goto(f"{base}/ingest")
        page.locator('[name="category"]').select_option("old_photo")
        page.locator('[name="source"]').fill("attic-2026")
        page.locator('[name="licence"]').select_option("CC0-1.0")
        page.locator('[name="then"][value="look"]').check()
        page.locator("#folder").set_input_files(upload)
        page.locator("#start").click()
        page.locator("#report").wait_for()
        page.locator("#outcomes").evaluate("e => e.scrollIntoView({block: 'end'})")
        page.locator("h1").evaluate("e => document.activeElement.blur()")
        settle(page)

    return show


def decided(path: str, keys: str) -> Callable[[Page, str], None]:
    """A grid on which these keys were pressed; the server does not hear of it, so that it can be taken again."""

    def unheard(route: Route) -> None:
        if route.request.method == "POST":
            route.fulfill(json={"done": [], "late": []})
        else:
            route.continue_()

    def show(page: Page, base: str) -> None:
        page.goto(base + path)
        settle(page)
        page.route(f"**{path.partition('?')[0]}", unheard)
        page.keyboard.press("ArrowRight")
        for key in keys:
            page.keyboard.press(key)
            page.wait_for_timeout(120)
        settle(page)
        page.unroute(f"**{path.partition('?')[0]}")

    return show


def policy(page: Page, base: str) -> None:
    """What another licence policy would touch; it is not applied."""
    at("/licences")(page, base)
    page.get_by_label("Release CC BY 2.0").check()
    page.locator("#preview h2").wait_for()
    settle(page)


def asked(page: Page, base: str) -> None:
    """What a platform, here its stand-in, would find."""
    page.goto(f"{base}/gather")
    page.locator('[name="category"]').select_option("rain")
    page.locator('[name="platform"][value="flickr"]').check()
    page.wait_for_timeout(1000)  # the keywords come
    page.get_by_role("button", name="Ask the platform").click()
    page.locator("#counts table").wait_for()
    settle(page)


def collection(upload: Path) -> dict[str, Callable[[Page, str], None]]:
    """What is shown of a collection; ``upload`` is a folder to ingest."""
    return {
        "sources": at("/sources"),
        "licences": policy,
        "looks": decided("/looks", "kk1kk2kkk"),
        "patches": decided("/patches?state=grading", "2313x2"),
        "screen": at("/patches/screen?category=rain"),
        "draw": at("/patches/draw?category=old_photo"),
        "composition": at("/composition"),
        "gather": asked,
        "ingest": ingested(upload),
    }


INVENTED = {
    "agreement": at("/agreement?judge=stand-in:gemini-3.1-pro"),
    "calibration": at("/calibration?judge=stand-in:gemini-3.1-pro"),
}
"""What needs hundreds of decisions to show anything: taken of invented ones."""
