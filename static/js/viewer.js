/**
 * <ggt-viewer mode="side|slider|single|difference" keep="on|off">: compares 2 to 10 images of a scene, pixel on pixel.
 *
 * All images share one frame, the pixel grid of the largest; zoom and position are the same for all of them. Two are A
 * (the first) and B (the second): slider, difference, flicker and peek compare these, setCompare() chooses others.
 *
 *   setImages([{url, label, facts}])  shows them; resolves to true once painted, to false when replaced or broken;
 *                              facts, if given, are [[name, value]] for the read-out. Only what is seen is loaded
 *   preload(urls)              loads and decodes ahead (32 at most); forgets what is neither listed nor shown
 *   setTransform(view)         {scale, x, y}: device pixels per frame pixel, frame point in the middle; null: fit
 *   getTransform()             the same, null while fitted
 *   fit() actualSize() zoom(factor) pan(dx, dy) divide(change)
 *   setCompare(b, a = 0)       which images are compared; side mode shows these two. setCompare(null): all of them
 *   stepCompare(by)            the next or last choice of B
 *   show(index)                in single mode: which image
 *   peek(on)                   while on, A is shown in place of the others
 *   flicker(on)                A and B by turns in one place, `rate` times a second
 *   difference                 {gain: 1|2|4|8|16, channel: "color"|"luma"|"chroma", signed}; assign any of them
 *   step(by)                   the next gain, or the next rate while it flickers
 *   magnify(on)                the loupe at the pointer, or in the middle
 *   count(on) countWhole(on)   histograms and read-out, of what is in view or of the whole image
 *   keep                       whether the next item keeps zoom and position; remembered in this browser. The attribute
 *                              decides for a page whatever is remembered. Another attempt at the same A is no new item
 *
 * To read: scale, rate, flickers, magnifies, counting {on, whole}, compared {a, b, all}, frame, busy (the difference is
 * being computed), cached (images held).
 *
 *   marks                      boxes [[x, y, width, height]] in shares of the frame, 0 to 1, drawn over the images
 *   marking                    whether a drag draws one instead of moving the view; mark(step) does it by keyboard
 *
 * Events: "marks" after a box was drawn, moved or removed, "transform" after each painting, "state" after a change of anything else, "broken" {detail: label} when an
 * image cannot be loaded.
 */
import { Controls } from "./viewer-controls.js";
import { Flicker, HARMLESS, RATES } from "./viewer-flicker.js";
import { followPointers, makeHandle } from "./viewer-gestures.js";
import { Marks } from "./viewer-marks.js";
import { part } from "./viewer-panes.js";
import { GAINS } from "./viewer-pixels.js";
import { Scene } from "./viewer-scene.js";
import { recall, remember } from "./viewer-settings.js";
import { SHEET } from "./viewer-style.js";
import { Tools } from "./viewer-tools.js";

const MODES = ["side", "slider", "single", "difference"];

class GgtViewer extends HTMLElement {
  static observedAttributes = ["mode", "keep"];

  #stage = part("stage");
  #scene = new Scene(this.#stage);
  #tools = new Tools();
  #flicker = new Flicker(() => this.#changed());
  #controls = new Controls(this);
  #marks = new Marks();
  #split = 0.5;
  #peeking = false;
  #item = 0;
  #queued = 0;
  #resizes = new ResizeObserver(() => this.#measure());
  #leaves = null;

  constructor() {
    super();
    const root = this.attachShadow({ mode: "open" });
    root.adoptedStyleSheets = [SHEET];
    root.append(this.#stage, this.#tools.loupe.element, this.#controls.element);
    const { rate } = recall();
    if (RATES.includes(rate) && rate <= HARMLESS) this.#flicker.rate = rate;
    followPointers(this, {
      pan: (dx, dy) => this.#move(() => this.#scene.pan(dx, dy)),
      zoom: (factor, point) => this.#move(() => this.#scene.zoom(factor, point)),
      toggle: (point) => (this.getTransform() ? this.fit() : this.#move(() => this.#scene.zoom(1 / this.scale, point))),
      hover: (point) => this.#hover(point),
      looks: () => this.magnifies,
      draw: (event, how) => this.#draw(event, how),
    });
  }

  connectedCallback() {
    this.#resizes.observe(this);
    this.#leaves = new AbortController();
    // Another screen may have other pixels without any box changing its size.
    addEventListener("resize", () => this.#measure(), { signal: this.#leaves.signal });
    this.#controls.update(this);
  }

  disconnectedCallback() {
    this.#resizes.disconnect();
    this.#leaves.abort();
    this.#item += 1;
    this.#flicker.stop();
    this.#scene.images = [];
    this.#scene.empty("");
    this.#tools.close();
    this.preload([]);
  }

  attributeChangedCallback(name, before, after) {
    if (before === after) return;
    if (name === "mode" && this.#scene.shown.size) this.#bring();
    this.#changed();
  }

  get mode() {
    const mode = this.getAttribute("mode");
    return MODES.includes(mode) ? mode : "side";
  }

  set mode(value) {
    this.setAttribute("mode", value);
  }

  get keep() {
    return (this.getAttribute("keep") ?? recall().keep ?? "on") !== "off";
  }

  set keep(value) {
    const keep = value ? "on" : "off";
    remember({ keep });
    this.setAttribute("keep", keep);
  }

  /** Device pixels per frame pixel as shown now. */
  get scale() {
    return this.#scene.now.scale;
  }

  /** The size of the common pixel grid. */
  get frame() {
    return { ...this.#scene.view.frame };
  }

  /** Whether the difference on screen is not yet the one that was asked for. */
  get busy() {
    return this.#tools.drawn !== null;
  }

  /** How many images are held in memory. */
  get cached() {
    return this.#scene.pictures.size;
  }

  async setImages(images) {
    const item = (this.#item += 1);
    const same = images[0]?.url === this.#scene.images[0]?.url;
    this.#scene.images = [...images];
    if (!same) {
      this.#marks.boxes = [];
      this.marking = false;
      if (!this.keep) this.#scene.view.chosen = null;
      this.#flicker.nextItem();
    }
    if (!(await this.#bring())) return false;
    await this.#tools.drawn;
    await new Promise((painted) => requestAnimationFrame(() => setTimeout(painted)));
    return item === this.#item;
  }

  preload(urls) {
    this.#scene.pictures.preload(urls, this.#scene.held());
  }

  setTransform(view) {
    this.#move(() => (this.#scene.view.chosen = view && { ...view }));
  }

  getTransform() {
    const { chosen } = this.#scene.view;
    return chosen && { ...chosen };
  }

  fit() {
    this.setTransform(null);
  }

  actualSize() {
    this.setTransform({ ...this.#scene.now, scale: 1 });
  }

  zoom(factor) {
    this.#move(() => this.#scene.zoom(factor, this.magnifies ? this.#tools.pointer : null));
  }

  /** Move the view by a share of the pane. */
  pan(dx, dy) {
    const { width, height } = this.#scene.panes.box;
    this.#move(() => this.#scene.pan(dx * width, dy * height));
  }

  /** Move the divider of slider mode: `change` makes the new share of the width from the old one. */
  divide(change) {
    this.#split = Math.min(1, Math.max(0, change(this.#split)));
    this.#apply();
  }

  get compared() {
    return this.#scene.compared;
  }

  setCompare(b, a = 0) {
    this.#scene.choice.choose(b, a);
    if (this.#scene.shown.size) this.#bring();
    this.#changed();
  }

  stepCompare(by) {
    const next = this.#scene.choice.next(by, this.#scene.images.length, this.mode === "side");
    if (next !== undefined) this.setCompare(next, this.compared.a);
  }

  show(index) {
    this.#scene.choice.show(index);
    if (this.#scene.shown.size && !this.#scene.shown.has(this.compared.b)) this.#bring();
    this.#changed();
  }

  peek(on) {
    this.#peeking = on;
    this.#changed();
  }

  get flickers() {
    return this.#flicker.on;
  }

  flicker(on) {
    if (on) this.#flicker.start();
    else this.#flicker.stop();
  }

  /** Alternations a second. Those above 3 are not remembered: nobody shall meet them unasked. */
  get rate() {
    return this.#flicker.rate;
  }

  set rate(value) {
    if (!RATES.includes(value)) return;
    this.#flicker.rate = value;
    if (value <= HARMLESS) remember({ rate: value });
    if (this.#flicker.on) this.#flicker.start();
    this.#changed();
  }

  get difference() {
    return this.#tools.difference.settings;
  }

  set difference(settings) {
    this.#tools.difference.change(settings);
    this.#tools.differ(() => this.#apply());
    this.#changed();
  }

  step(by) {
    const next = (choices, value) => choices[choices.indexOf(value) + by] ?? value;
    if (this.#flicker.on) this.rate = next(RATES, this.rate);
    else if (this.mode === "difference") this.difference = { gain: next(GAINS, this.difference.gain) };
  }

  get magnifies() {
    return this.#tools.loupe.on;
  }

  magnify(on) {
    this.#tools.loupe.on = on;
    this.classList.toggle("loupe", on);
    this.#changed();
  }

  get marks() {
    return this.#marks.boxes.map((box) => [...box]);
  }

  set marks(boxes) {
    this.#marks.boxes = boxes.map((box) => [...box]);
    this.#apply();
  }

  get marking() {
    return this.#marks.drawing;
  }

  set marking(on) {
    this.#marks.drawing = on;
    this.classList.toggle("marking", on);
    this.#changed();
  }

  /** "place" a box in the middle, "remove" the last, or move it by {dx, dy, resize}, in steps of a fiftieth. */
  mark(what) {
    const { now, view, panes } = this.#scene;
    if (what === "place") this.#marks.place(now, view.frame, panes.box);
    else if (what === "remove") this.#marks.removeLast();
    else this.#marks.nudge(what.dx, what.dy, what.resize);
    this.#marked();
  }

  #draw(event, how) {
    if (!this.marking) return false;
    const { now, view, panes } = this.#scene;
    if (how === "begin") this.#marks.begin(panes.at(event), now, view.frame, event);
    else if (how === "drag") this.#marks.drag(now, view.frame, event);
    else if (this.#marks.end()) this.#marked();
    this.#apply();
    return true;
  }

  #marked() {
    this.#apply();
    this.dispatchEvent(new CustomEvent("marks"));
  }

  get counting() {
    const { on, whole } = this.#tools.meter;
    return { on, whole };
  }

  count(on) {
    this.#tools.meter.on = on;
    this.#arm();
    this.#changed();
  }

  countWhole(on) {
    this.#tools.meter.whole = on;
    this.#changed();
  }

  /** Load what is in sight and put it on screen; at once if it is loaded. Resolves to whether it is there. */
  async #bring() {
    const item = this.#item;
    for (;;) {
      const entries = this.#scene.wanted(this.mode);
      if (entries.every(({ img }) => img.dataset.decoded)) return this.#compose(entries);
      // What was there must not stay on screen as if it were the new pair, so a wait is an empty stage.
      this.#empty("Loading…");
      const results = await Promise.allSettled(entries.map(({ ready }) => ready));
      if (item !== this.#item) return false;
      const broken = results.findIndex(({ status }) => status === "rejected");
      if (broken >= 0) {
        this.#empty(`${entries[broken].label} could not be loaded.`);
        this.dispatchEvent(new CustomEvent("broken", { detail: entries[broken].label }));
        return false;
      }
    }
  }

  #empty(text) {
    this.#scene.empty(text);
    this.#tools.set(null);
  }

  #compose(entries) {
    const { mode } = this;
    this.#scene.compose(entries, mode, {
      canvas: mode === "difference" && this.#tools.difference.canvas,
      handle: mode === "slider" && makeHandle((change) => this.divide(change)),
    });
    this.#arm();
    this.#measure();
    return true;
  }

  /** Give the tools what is on screen. */
  #arm() {
    const { shown, panes } = this.#scene;
    const scene = shown.size ? { mode: this.mode, ...this.compared, shown, panes } : null;
    this.#tools.set(scene, () => this.#apply());
  }

  #measure() {
    this.#scene.panes.measure(this, this.#scene.view.frame);
    this.#paint();
  }

  #move(change) {
    change();
    this.#apply();
  }

  #hover(point) {
    this.#tools.pointer = point && { clientX: point.clientX, clientY: point.clientY };
    if (this.magnifies || this.counting.on) this.#apply();
  }

  #changed() {
    this.#controls.update(this);
    this.#apply();
    this.dispatchEvent(new CustomEvent("state"));
  }

  #apply() {
    this.#queued ||= requestAnimationFrame(() => this.#paint());
  }

  #paint() {
    cancelAnimationFrame(this.#queued);
    this.#queued = 0;
    const { a, b } = this.compared;
    const { now: view, panes } = this.#scene;
    const label = (index) => this.#scene.label(index);
    panes.paint(view);
    panes.reveal({
      mode: this.mode,
      a,
      b,
      only: this.#peeking || this.#flicker.first ? "a" : this.flickers ? "b" : "",
      split: this.#split,
      label,
      difference: this.#tools.difference.label(label(a), label(b)),
    });
    this.#marks.paint(panes, view, this.#scene.view.frame);
    this.#tools.inspect(view, this);
    this.dispatchEvent(new CustomEvent("transform"));
  }
}

customElements.define("ggt-viewer", GgtViewer);
