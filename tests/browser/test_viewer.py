"""The viewer in a real browser: what it shows must be the pixels that are there, in their places, and cost no memory.

Most tests run it on a bare page of the application's address, under the application's content security policy, with
images that the test draws; two use the pages that people see.
"""

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as Picture
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect

from app import db
from app.imaging import encode_png
from app.models import Role, Stage
from app.security import CONTENT_SECURITY_POLICY
from app.services import people
from tests import factories
from tests.browser.conftest import OpenPage

pytestmark = [
    pytest.mark.parametrize("engine_url", ["sqlite"], indirect=True),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:websockets"),
]

Pixels = NDArray[np.uint8]

BARE = """<!doctype html><link rel="stylesheet" href="/static/css/app.css"><link rel="stylesheet" href="/bench.css">
<script type="module" src="/static/js/viewer.js"></script><ggt-viewer id="v"></ggt-viewer>"""
# An odd place: panes must find the screen's pixels from anywhere.
STYLE = "#v { position: absolute; left: 10.3px; top: 7.7px; width: 700px; height: 420px }"


def noise(seed: int, height: int = 60, width: int = 80) -> Pixels:
    """Every pixel differs from its neighbours, so that a shift by one is seen."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


@dataclass
class Bench:
    """A bare page with one viewer, and the images that can be loaded there."""

    page: Page
    files: dict[str, Pixels] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def js(self, expression: str) -> Any:
        return self.page.evaluate(expression)

    def show(self, *images: Pixels) -> None:
        """Show these, named A, B, C."""
        start = len(self.files)
        names = [f"/shot/{start + n}.png" for n in range(len(images))]
        self.files |= dict(zip(names, images, strict=True))
        listing = [{"url": name, "label": chr(ord("A") + n)} for n, name in enumerate(names)]
        assert self.page.evaluate("(images) => v.setImages(images)", listing)

    def until(self, expression: str) -> None:
        for _ in range(250):
            if self.js(expression):
                return
            self.page.wait_for_timeout(20)
        pytest.fail(f"never true: {expression}")

    def settle(self) -> None:
        """Until what was asked for is painted."""
        self.js("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 30))))")

    def screen(self) -> Pixels:
        """What the screen shows, in its own pixels."""
        self.settle()
        return np.array(Picture.open(io.BytesIO(self.page.screenshot())).convert("RGB"))

    def difference(self, **settings: Any) -> Pixels:
        """The difference picture (RGBA) with these settings."""
        self.page.evaluate("(settings) => { v.mode = 'difference'; v.difference = settings }", settings)
        self.until("!v.busy")
        found = self.js("""(() => {
          const c = v.shadowRoot.querySelector('.layer canvas');
          const two = new OffscreenCanvas(c.width, c.height).getContext('2d');
          two.drawImage(c, 0, 0);
          return [c.width, c.height, [...two.getImageData(0, 0, c.width, c.height).data]];
        })()""")
        return np.array(found[2], np.uint8).reshape(found[1], found[0], 4)


Motion = Literal["reduce", "no-preference"]
OpenBench = Callable[..., Bench]


@pytest.fixture
def open_bench(browser: Browser, address: str) -> Iterator[OpenBench]:
    contexts: list[BrowserContext] = []
    benches: list[Bench] = []

    def make(scale: float = 1, motion: Motion = "no-preference", touch: bool = False) -> Bench:
        context = browser.new_context(
            base_url=address, viewport={"width": 760, "height": 460}, device_scale_factor=scale,
            reduced_motion=motion, has_touch=touch,
        )  # fmt: skip
        contexts.append(context)
        bench = Bench(context.new_page())
        benches.append(bench)

        def answer(route: Route) -> None:
            image = bench.files[route.request.url.removeprefix(address).split("?")[0]]
            route.fulfill(body=encode_png(image), content_type="image/png")

        policy = {"Content-Security-Policy": CONTENT_SECURITY_POLICY}
        bench.page.route("**/bench", lambda route: route.fulfill(body=BARE, content_type="text/html", headers=policy))
        bench.page.route("**/bench.css", lambda route: route.fulfill(body=STYLE, content_type="text/css"))
        bench.page.route("**/shot/*", answer)
        bench.page.on("pageerror", lambda error: bench.problems.append(str(error)))
        bench.page.on("console", lambda line: bench.problems.append(line.text) if line.type == "error" else None)
        bench.page.goto("/bench")
        bench.until("Boolean(customElements.get('ggt-viewer'))")
        return bench

    yield make
    for context in contexts:
        context.close()
    for bench in benches:
        assert bench.problems == []


@pytest.fixture
def bench(open_bench: OpenBench) -> Bench:
    return open_bench()


BOXES = """[...v.shadowRoot.querySelectorAll('.layer:not([hidden]) img')].map((i) => {
  const b = i.getBoundingClientRect(), r = devicePixelRatio; return [b.left * r, b.top * r, b.width * r, b.height * r] })"""
SEEN = "[...v.shadowRoot.querySelectorAll('.layer:not([hidden]) img')].map((i) => i.alt).join('')"


@pytest.mark.parametrize("ratio", [1, 1.5, 2])
def test_a_source_pixel_is_on_the_same_screen_pixels_in_each_image(open_bench: OpenBench, ratio: float) -> None:
    """At 1:1 one source pixel is one of the screen; enlarged it is a square of them, in A and in B alike."""
    bench = open_bench(ratio)
    images = noise(1, 61, 83), noise(2, 61, 83)  # odd sizes: their halves lie between pixels
    bench.show(*images)
    for mode in ("side", "single"):
        bench.js(f"v.mode = '{mode}'")
        for scale in (1, 2, 3):
            for x, y in ((41.37, 30.9), (40, 30), (38.5, 31.5)):
                bench.js(f"v.setTransform({{scale: {scale}, x: {x}, y: {y}}})")
                screen = bench.screen()
                boxes = bench.js(BOXES)
                for image, (left, top, *_) in zip(images if mode == "side" else images[1:], boxes, strict=True):
                    # Its middle: the corners may lie outside the pane, or under a label.
                    part = image[20:45, 20:60].repeat(scale, 0).repeat(scale, 1)
                    x0, y0 = round(left) + 20 * scale, round(top) + 20 * scale
                    shown = screen[y0 : y0 + part.shape[0], x0 : x0 + part.shape[1]]
                    assert np.array_equal(shown, part), (mode, scale, x, y)


def test_the_difference_is_exact(bench: Bench) -> None:
    """A difference that is only about right would hide, or invent, the artifacts that it is looked at for."""
    a, b = noise(3), noise(4)
    bench.show(a, b)
    delta = b.astype(int) - a
    luma = delta @ [0.2126, 0.7152, 0.0722]
    for gain in (1, 2, 4, 8, 16):
        shown = bench.difference(gain=gain, channel="color", signed=False)
        assert np.array_equal(shown[..., :3], np.clip(gain * abs(delta), 0, 255))
        assert (shown[..., 3] == 255).all()
    assert np.array_equal(bench.difference(gain=2, signed=True)[..., :3], np.clip(128 + 2 * delta, 0, 255))
    shown = bench.difference(gain=1, channel="luma", signed=True)
    assert abs(shown[..., 0] - np.clip(128 + luma, 0, 255)).max() <= 0.5
    chroma = np.maximum(abs(delta[..., 2] - luma) / 1.8556, abs(delta[..., 0] - luma) / 1.5748)
    shown = bench.difference(gain=1, channel="chroma", signed=False)
    assert abs(shown[..., 1] - np.clip(chroma, 0, 255)).max() <= 0.5
    grey = bench.difference(gain=16, channel="chroma", signed=True)
    bench.show(a, a)
    assert (bench.difference(gain=16, channel="color", signed=True)[..., :3] == 128).all()
    assert grey.shape == (60, 80, 4)


def test_the_difference_of_two_sizes_is_on_the_first_ones_pixels(bench: Bench) -> None:
    """An HQ of twice the size must not look as if everything had moved."""
    y, x = np.mgrid[0:60, 0:80]
    a = np.stack([3 * x, 4 * y, x + y], -1).astype(np.uint8)
    bench.show(a, a.repeat(2, 0).repeat(2, 1))
    shown = bench.difference(gain=1, channel="color", signed=False)
    assert shown.shape == (60, 80, 4)
    assert shown[2:-2, 2:-2, :3].max() <= 3
    bench.show(a, np.full((60, 40, 3), 255, np.uint8))  # half as wide: it lies in the middle, and nowhere else
    shown = bench.difference()
    alpha = np.zeros((60, 80))
    alpha[:, 20:60] = 255
    assert np.array_equal(shown[..., 3], alpha)


def test_an_item_is_painted_only_when_its_difference_is(bench: Bench) -> None:
    """Who reviews in difference mode decides on what is on screen: never on the last pair's difference."""
    bench.js("v.mode = 'difference'")
    bench.show(noise(5), noise(5))
    bench.show(noise(5), 255 - noise(5))
    assert bench.js("v.shadowRoot.querySelector('.layer canvas').width") == 80
    assert bench.js("v.shadowRoot.querySelector('.tag').textContent") == "|B − A| ×4"
    assert bench.screen()[227, 360].max() > 0


def test_the_flicker_is_harmless_unless_asked_for(bench: Bench) -> None:
    """More than three flashes a second can hurt (WCAG 2.3.1): never by default, and never again because of last time."""
    bench.show(noise(6), noise(7))
    bench.js("v.mode = 'single'; v.flicker(true)")
    assert bench.js("v.rate") == 2.5
    bench.js(f"seen = []; timer = setInterval(() => seen.push({SEEN}), 20)")
    bench.page.wait_for_timeout(2000)
    turns = bench.js("seen.filter((s, i) => i && s !== seen[i - 1]).length")
    assert 6 <= turns <= 11  # 2.5 a second are 5 turns a second
    assert bench.js("[...new Set(seen)].sort().join()") == "A,B"
    for _ in range(5):
        bench.js("v.step(1)")
    assert bench.js("v.rate") == 12
    bench.js("dispatchEvent(new Event('blur'))")
    assert not bench.js("v.flickers")
    bench.page.wait_for_timeout(100)
    assert bench.js(SEEN) == "B"
    bench.page.reload()
    bench.until("Boolean(customElements.get('ggt-viewer'))")
    assert bench.js("v.rate") == 3


def test_less_motion_ends_the_flicker_with_the_item(open_bench: OpenBench) -> None:
    bench = open_bench(motion="reduce")
    bench.show(noise(6), noise(7))
    bench.js("v.flicker(true)")
    assert bench.js("v.flickers")  # it was asked for
    bench.show(noise(8), noise(9))
    assert not bench.js("v.flickers")


def test_a_hidden_tab_does_not_flicker(bench: Bench) -> None:
    bench.show(noise(6), noise(7))
    bench.js("v.flicker(true)")
    bench.js("""Object.defineProperty(document, 'hidden', {value: true});
        document.dispatchEvent(new Event('visibilitychange'))""")
    assert not bench.js("v.flickers")


def test_the_loupe_shows_the_same_spot_of_each_image(bench: Bench) -> None:
    a, b = noise(10), noise(11)
    bench.show(a, b)
    bench.js("v.setTransform({scale: 3, x: 40, y: 30}); v.magnify(true)")
    bench.settle()
    box = bench.js(BOXES)[0]
    bench.page.mouse.move(box[0] + 25 * 3 + 1.5, box[1] + 33 * 3 + 1.5)  # the middle of pixel 25, 33
    bench.settle()
    middle = """[...v.shadowRoot.querySelectorAll('.loupe canvas')].map((c) => {
      const t = c.getContext('2d'), half = c.width / 2;
      return [0, 12].map((away) => [...t.getImageData(half + away, half, 1, 1).data].slice(0, 3)) })"""
    # Three times enlarged on screen, the loupe makes it twelve: one pixel to the right is twelve further.
    assert bench.js(middle) == [[x[33, 25].tolist(), x[33, 26].tolist()] for x in (a, b)]
    bench.js("v.magnify(false)")
    assert bench.js("v.shadowRoot.querySelectorAll('.loupe canvas').length") == 0


def test_levels_and_read_out_are_those_of_the_pixels(bench: Bench) -> None:
    a, b = noise(12), noise(13)
    bench.show(a, b)
    bench.js("v.setTransform({scale: 4, x: 40, y: 30}); v.count(true); v.countWhole(true)")
    bench.settle()
    box = bench.js(BOXES)[0]
    bench.page.mouse.move(box[0] + 40 * 4 + 2, box[1] + 20 * 4 + 2)
    lines = "[...v.shadowRoot.querySelectorAll('.meter .pixel')].map((p) => p.textContent)"
    expected = [f"40, 20   {' '.join(map(str, x[20, 40]))}" for x in (a, b)]
    bench.until(f"JSON.stringify({lines}) === JSON.stringify({expected})")
    psnr = 10 * np.log10(255**2 / ((b.astype(float) - a) ** 2).mean())
    bench.until(f"v.shadowRoot.querySelectorAll('.meter .about')[1].textContent.includes('PSNR {psnr:.2f} dB to A')")
    drawn = """[...v.shadowRoot.querySelector('.meter canvas').getContext('2d').getImageData(0, 0, 256, 64).data]
        .some((value) => value)"""
    assert bench.js(drawn)
    bench.js("v.count(false)")
    assert bench.js("v.shadowRoot.querySelectorAll('.meter').length") == 0


def test_ten_images_of_any_shape_are_in_one_grid(bench: Bench) -> None:
    """One that is cut off, or covers another, is not compared."""
    sizes = [(300, 400), (600, 800), (20, 900), (900, 20), (1, 1), (299, 400), (64, 64), (500, 100), (100, 500), (33, 47)]
    bench.show(*[noise(20 + n, *size) for n, size in enumerate(sizes)])
    edges = "((e) => { const b = e.getBoundingClientRect(); return [b.left, b.top, b.right, b.bottom] })"
    found = bench.js(f"[...v.shadowRoot.querySelectorAll('.pane')].map({edges})")
    assert len(found) == 10
    host = bench.js(f"{edges}(v)")
    for n, (left, top, right, bottom) in enumerate(found):
        assert min(left - host[0], top - host[1], host[2] - right, host[3] - bottom) > -0.1
        assert min(right - left, bottom - top) > 60
        for other in found[:n]:
            assert left >= other[2] or right <= other[0] or top >= other[3] or bottom <= other[1]
    for (left, top, width, height), (_, _, right, bottom) in zip(bench.js(BOXES), found, strict=True):
        assert max(left + width - right, top + height - bottom) < 1  # fitted: all of each is seen
    bench.js("v.setTransform({scale: 1, x: 400, y: 300})")
    bench.settle()
    for _, _, *size in bench.js(BOXES)[:2]:  # half the pixels of the same scene: just as large
        assert size == pytest.approx([800, 600], abs=0.1)
    bench.js("v.setCompare(2)")  # two of the ten
    bench.until(f"{SEEN} === 'AC'")
    bench.js("v.stepCompare(1)")
    bench.until(f"{SEEN} === 'AD'")
    bench.js("v.setCompare(3, 1); v.mode = 'slider'")
    bench.until(f"{SEEN} === 'BD'")
    bench.js("v.peek(true)")
    bench.until(f"{SEEN} === 'B'")
    bench.js("v.peek(false); v.mode = 'side'; v.setCompare(null)")
    bench.until(f"{SEEN} === 'ABCDEFGHIJ'")


def test_zoom_and_position_are_kept_only_if_wished(bench: Bench) -> None:
    view = {"scale": 4, "x": 20, "y": 15}
    bench.show(noise(1), noise(2))
    bench.page.evaluate("(view) => v.setTransform(view)", view)
    bench.show(noise(3), noise(4))
    assert bench.js("v.getTransform()") == view
    bench.show(noise(3, 120, 160), noise(4, 120, 160))  # twice the pixels: the same place in the scene
    assert bench.js("v.getTransform()") == {"scale": 4, "x": 40, "y": 30}
    bench.js("v.keep = false")
    bench.show(noise(5), noise(6))
    assert bench.js("v.getTransform()") is None
    bench.page.reload()
    bench.until("Boolean(customElements.get('ggt-viewer'))")
    assert bench.js("v.keep") is False
    bench.js("v.setAttribute('keep', 'on')")  # a page may decide
    assert bench.js("v.keep") is True


def test_two_fingers_zoom_and_one_moves(open_bench: OpenBench) -> None:
    bench = open_bench(touch=True)
    bench.show(noise(1), noise(2))
    bench.js("v.mode = 'single'; v.setTransform({scale: 4, x: 40, y: 30})")
    session = bench.page.context.new_cdp_session(bench.page)

    def touch(kind: str, *points: tuple[int, int]) -> None:
        at = [{"x": x, "y": y, "id": n} for n, (x, y) in enumerate(points)]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": at})

    touch("touchStart", (300, 200))
    touch("touchMove", (320, 200))
    touch("touchMove", (340, 200))
    touch("touchEnd")
    assert bench.js("v.getTransform()") == {"scale": 4, "x": 30, "y": 30}
    touch("touchStart", (300, 200), (400, 200))
    for n in range(1, 6):
        touch("touchMove", (300 - 10 * n, 200), (400 + 10 * n, 200))
    touch("touchEnd")
    assert bench.js("v.scale") == pytest.approx(8, rel=0.02)
    before = bench.js("v.getTransform()")
    bench.js("v.magnify(true)")
    touch("touchStart", (300, 200))
    touch("touchMove", (340, 230))
    touch("touchEnd")
    assert bench.js("v.getTransform()") == before  # the finger moved the loupe


def test_memory_does_not_grow_with_the_items(bench: Bench) -> None:
    """A day's thousand pairs must not end in a tab that crashes."""
    for n in range(8):  # eight images under any number of addresses
        bench.files[f"/shot/{n}.png"] = noise(n, 128, 128)
    session = bench.page.context.new_cdp_session(bench.page)
    session.send("Performance.enable")

    def measure() -> dict[str, float]:
        bench.js("v.setImages([]).then(() => v.preload([]))")
        for _ in range(2):
            session.send("HeapProfiler.collectGarbage")
            bench.page.wait_for_timeout(150)
        return {m["name"]: m["value"] for m in session.send("Performance.getMetrics")["metrics"]}

    go = """async ([from, to]) => {
      const pair = (n) => [0, 1].map((i) => ({ url: `/shot/${(2 * n + i) % 8}.png?item=${n}-${i}`, label: "AB"[i] }));
      let most = 0;
      for (let n = from; n < to; n += 1) {
        v.mode = ["side", "slider", "difference", "single"][n % 4];
        const painted = v.setImages(pair(n));
        v.preload([0, 1, 2, 3, 4, 5].flatMap((ahead) => pair(n + ahead)).map(({ url }) => url));
        if (!(await painted)) throw new Error(`item ${n} was not painted`);
        most = Math.max(most, v.cached);
      }
      return most;
    }"""
    bench.js("v.count(true); v.magnify(true)")
    bench.page.evaluate(go, [0, 40])
    before = measure()
    assert bench.js("v.cached") == 0
    assert bench.page.evaluate(go, [40, 340]) <= 14
    after = measure()
    grown = after["JSHeapUsedSize"] - before["JSHeapUsedSize"]
    assert grown < 5e6  # of 50 MB that a thousand may cost
    assert after["Nodes"] - before["Nodes"] < 200
    assert after["JSEventListeners"] - before["JSEventListeners"] < 50


def test_without_preloading_only_what_is_shown_is_held(bench: Bench) -> None:
    for n in range(12):
        bench.show(noise(n), noise(n + 1))
    assert bench.js("v.cached") == 2
    bench.js("v.preload(Array.from({length: 100}, (_, n) => `/shot/${n % 24}.png?n=${n}`))")
    assert bench.js("v.cached") <= 34
    bench.page.wait_for_timeout(500)


def test_the_attempts_are_the_choices_on_the_image_page(open_page: OpenPage) -> None:
    """Which of two attempts is the better one is seen by blinking them, not by looking from one to the other."""
    with db.unit_of_work() as session:
        image = factories.make_image(session, Stage.AWAITING)
        first = factories.make_candidate(session, image)
        second = factories.make_candidate(session, image, parent=first)
        token, image_id = people.sign_in(session, factories.make_user(session, Role.ADMIN), "test"), image.id
        one, two = f"HQ {first.id}", f"HQ {second.id}"
    page, problems = open_page(token)
    page.goto(f"/images/{image_id}")
    viewer = page.locator("ggt-viewer")
    shown = viewer.locator(".pane .layer:not([hidden]) img")
    expect(shown).to_have_count(2)
    with_a = page.get_by_label("Compare", exact=True)
    page.get_by_label("With", exact=True).select_option(label=one)
    expect(shown.nth(1)).to_have_attribute("alt", one)
    with_a.select_option(label=two)
    expect(shown.nth(0)).to_have_attribute("alt", two)
    with_a.evaluate("(select) => select.blur()")
    page.keyboard.down(" ")
    expect(shown.nth(1)).to_have_attribute("alt", two)  # in the place of the first attempt
    page.keyboard.up(" ")
    expect(shown.nth(1)).to_have_attribute("alt", one)
    page.keyboard.press("v")
    expect(shown).to_have_count(3)
    page.keyboard.press("v")
    expect(shown).to_have_count(2)
    page.keyboard.press("d")
    page.keyboard.press("]")
    expect(viewer.locator(".tag.left")).to_have_text(f"|{one} − {two}| ×8")
    assert problems == []


def test_looking_by_keys_on_the_review_page(open_page: OpenPage) -> None:
    with db.unit_of_work() as session:
        image = factories.make_image(session, Stage.AWAITING, side=256)
        factories.make_candidate(session, image)
        token = people.sign_in(session, factories.make_user(session), "test")
    page, problems = open_page(token)
    page.goto("/review")
    expect(page.locator("#main")).to_have_attribute("aria-busy", "false")
    viewer = page.locator("#viewer")
    page.keyboard.press("2")
    page.keyboard.press("0")
    page.keyboard.press("+")
    handle = viewer.get_by_role("slider")
    for _ in range(3):
        page.keyboard.press("Shift+ArrowLeft")
    expect(handle).to_have_attribute("aria-valuenow", "44")  # zoomed in, and the view itself has not moved
    page.keyboard.press("f")
    expect(page.locator('[data-view="flicker"]')).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("f")
    page.keyboard.press("l")  # short: switched on
    expect(viewer.locator(".loupe canvas")).to_have_count(2)
    page.keyboard.press("l")
    expect(viewer.locator(".loupe canvas")).to_have_count(0)
    page.keyboard.down("l")
    expect(viewer.locator(".loupe canvas")).to_have_count(2)
    page.wait_for_timeout(500)
    page.keyboard.up("l")  # long: it was held
    expect(viewer.locator(".loupe canvas")).to_have_count(0)
    page.keyboard.press("n")
    expect(viewer.locator(".meter")).to_have_count(2)
    page.keyboard.press("k")
    expect(page.locator('[data-view="keep"]')).to_have_attribute("aria-pressed", "false")
    assert problems == []
