"""What a reviewer waits for the next pair: Chromium at the review page, with real files and a network that takes its time.

    python -m benchmarks.review_browser [--pairs 60] [--delay 50] [--side 1024]

A real web server on data of its own; every request of the browser takes ``--delay`` milliseconds longer, its bytes are not
slowed down. Half of the pairs are accepted with a key press every 600 ms, the other half with one every 250 ms. A time is
the page's own measure, from the key press until the next pair is painted; beside it stands Chromium's, until the frame after
the press was on screen, in steps of 8 ms. In the end the database is asked whether every press is stored once.
"""

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path
from socket import socket
from typing import Any

import numpy as np
from playwright.sync_api import Page, sync_playwright

from benchmarks.providers import picture
from benchmarks.review import server, sign_in
from tests.browser.review_page import LOADED, until

PICTURES = 12
"""Different LQs, and as many HQs, behind all pairs: an address of its own is enough for a browser to load and decode it."""
PACES = (0.6, 0.25)
SPARE = 6
"""Pairs that nobody decides on, so that as many are loaded ahead at the end as at the beginning."""
GOAL = 100.0

LISTEN = """() => {
  globalThis.painted = []; globalThis.frames = []; globalThis.waits = 0;
  const listen = (type, name, found) =>
    new PerformanceObserver((list) => found.push(...list.getEntriesByName(name).map(({ duration }) => duration)))
      .observe({ type, durationThreshold: 16 });
  listen('measure', 'ggt:next-pair-painted', painted);
  listen('event', 'keydown', frames);
  new MutationObserver((changes) => {
    if (changes.some(({ addedNodes }) => [...addedNodes].some((node) => node.textContent.includes('Loading')))) waits += 1;
  }).observe(document.querySelector('#viewer').shadowRoot, { childList: true, subtree: true });
}"""
"""Gather the page's measures and the browser's, and count the times when the viewer had nothing to show yet."""


def seed(pairs: int, side: int) -> None:
    """``pairs`` images of ``side`` x ``side`` pixels that wait, each with a candidate: masters as ingest stores them."""
    from sqlmodel import select

    from app import migrate
    from app.db import unit_of_work
    from app.imaging import encode_png, pixel_hash, thumbnail_webp
    from app.models import Candidate, CandidateSummary, Image, Method, Stage
    from app.storage import storage
    from benchmarks.provider_images import add_images

    migrate.upgrade()
    tiles = -(-side // 1024)
    drawn = [np.tile(picture(number), (tiles, tiles, 1))[:side, :side] for number in range(2 * PICTURES)]
    lqs, hqs = drawn[:PICTURES], drawn[PICTURES:]
    files: list[dict[str, Any]] = [
        {"file_sha256": storage().put(encode_png(hq)), "pixel_sha256": pixel_hash(hq),
         "thumbnail_sha256": storage().put(thumbnail_webp(hq, 320)), "width": side, "height": side}
        for hq in hqs
    ]  # fmt: skip
    with unit_of_work() as session:
        add_images(session, [encode_png(lq) for lq in lqs], pairs, side)
        method = Method(name="benchmark", generator="local-nlm")
        session.add(method)
        session.flush()
        for image in session.exec(select(Image)).all():
            made = Candidate(
                id=image.id, image_id=image.id or 0, method_id=method.id or 0, recipe_hash=f"{image.id:064}",
                media_type="image/png", **files[(image.id or 0) % PICTURES],
            )  # fmt: skip
            told = CandidateSummary(
                candidate_id=image.id or 0, image_id=image.id or 0, method_id=method.id or 0, source_id=image.source_id,
                category=image.category, chosen=True, is_current=True, is_latest=True, stage=Stage.AWAITING,
                metrics={"niqe": 3.1, "niqe_lq": 5.2},
            )  # fmt: skip
            session.add(made)
            session.flush()
            session.add(told)
            image.stage, image.current_candidate_id = Stage.AWAITING, made.id


def round_of(page: Page, presses: int, pace: float) -> str:
    """Accept so many pairs, a press every ``pace`` seconds, or when the pair is there if that is later. Returns a line."""
    until(page, LOADED)
    page.evaluate("painted.length = frames.length = waits = 0")
    started = due = time.perf_counter()
    for number in range(presses):
        due = max(due + pace, time.perf_counter())  # the first pair, too, is looked at
        time.sleep(max(0.0, due - time.perf_counter()))
        until(page, f"painted.length == {number}")  # a press on what is not painted yet does nothing
        page.keyboard.press("a")
    came_to = (time.perf_counter() - started) / presses
    until(page, f"painted.length == {presses}")
    times, waits = sorted(page.evaluate("painted")), page.evaluate("waits")
    quick = [8.0] * presses  # the browser does not tell of frames that took less than 16 ms
    frames = sorted([*page.evaluate("frames"), *quick][:presses])
    p95, frame = times[int(presses * 0.95)], frames[int(presses * 0.95)]
    return (
        f"a press every {pace * 1000:.0f} ms (came to {came_to * 1000:.0f}): {presses} decisions, {waits} not loaded yet, "
        f"next pair painted after median {statistics.median(times):.1f} ms, p95 {p95:.1f} ms, max {times[-1]:.1f} ms, "
        f"on screen p95 {frame:.0f} ms; goal p95 <= {GOAL:.0f} ms: {'met' if p95 <= GOAL else 'MISSED'}"
    )


def stored(decided: int) -> str:
    """Whether what the hand did is in the database, once each and in order."""
    from sqlmodel import col, select

    from app.db import reading
    from app.models import Review

    with reading() as session:
        rows = session.exec(select(Review).order_by(col(Review.id))).all()
    images = [row.image_id for row in rows]
    twice, lost = len(images) - len(set(images)), decided - len(set(images))
    order = "in order" if images == sorted(images) else "NOT in order"
    return f"{decided} accepted, {len(rows)} stored {order}: {twice} stored twice, {lost} lost"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--pairs", type=int, default=60)
    parser.add_argument("--delay", type=float, default=50, help="milliseconds that each request takes longer")
    parser.add_argument("--side", type=int, default=1024)
    options = parser.parse_args()
    with socket() as unused:  # any free port: what answers at a fixed one may be another server
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="ggt-bench-", ignore_cleanup_errors=True) as folder:
        os.environ |= {"GGT_DATA_DIR": f"{folder}/data", "GGT_PORT": str(port)}
        Path(f"{folder}/data").mkdir()
        seed(options.pairs + SPARE, options.side)
        [(token, _)] = sign_in(1)
        with server(port) as url, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
            context = browser.new_context(base_url=url, viewport={"width": 1366, "height": 768})
            context.add_cookies([{"name": "ggt_session", "value": token, "url": url}])
            page, problems = context.new_page(), list[str]()
            page.on("pageerror", lambda error: problems.append(str(error)))
            network = context.new_cdp_session(page)
            network.send("Network.enable")
            slow = {"offline": False, "latency": options.delay, "downloadThroughput": -1, "uploadThroughput": -1}
            network.send("Network.emulateNetworkConditions", slow)
            page.goto("/review")
            page.evaluate(LISTEN)
            print(
                f"{options.pairs} pairs of {options.side}x{options.side}, Chromium {browser.version}, each request "
                f"{options.delay:g} ms longer"
            )
            decided = options.pairs // len(PACES)
            for pace in PACES:
                print(round_of(page, decided, pace))
            for _ in range(600):  # the outbox sends one after the other; with a long delay that takes a while
                if not page.evaluate("Object.keys(localStorage).some((name) => name.startsWith('ggt-outbox/'))"):
                    break
                page.wait_for_timeout(100)
            print(stored(decided * len(PACES)), *problems)
            browser.close()


if __name__ == "__main__":
    main()
