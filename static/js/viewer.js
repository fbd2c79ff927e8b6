/**
 * <ggt-viewer mode="side|slider|single|difference">: compares 2 to 10 images of one scene, pixel on pixel.
 *
 * All images share one frame, the pixel grid of the largest; zoom and position are the same for all of them.
 *
 *   setImages([{url, label}])  shows them; resolves to true once they are painted, to false when replaced or broken
 *   preload(urls)              loads and decodes ahead; forgets what is neither listed nor shown
 *   setTransform(view)         {scale, x, y}: device pixels per frame pixel, frame point in the middle; null: fit
 *   getTransform()             the same, null while fitted
 *   fit() actualSize() zoom(factor) pan(dx, dy) show(index) peek(on)
 *
 * Events: "transform" after a change of view, "broken" {detail: label} when an image cannot be loaded.
 */
import { arrange, fitScale, placeIn, screenOf, zoomAround } from "./viewer-geometry.js";
import { followPointers, makeHandle } from "./viewer-gestures.js";
import { SHEET } from "./viewer-style.js";

const MODES = ["side", "slider", "single", "difference"];
const MAX_SCALE = 32;

class GgtViewer extends HTMLElement {
  static observedAttributes = ["mode"];

  #root = this.attachShadow({ mode: "open" });
  #loaded = new Map(); // url -> {img, ready}
  #shown = []; // {url, label, img} of what is on screen
  #panes = []; // {element, box, layers: [{element, img, place}], tags}
  #frame = { width: 1, height: 1 };
  #view = null;
  #split = 0.5;
  #index = 1;
  #peeking = false;
  #turn = 0;
  #queued = 0;
  #resizes = new ResizeObserver(() => this.#measure());

  constructor() {
    super();
    this.#root.adoptedStyleSheets = [SHEET];
    followPointers(this, {
      pan: (dx, dy) => this.#panBy(dx, dy),
      zoom: (factor, point) => this.#zoomAt(factor, point),
      toggle: (point) => (this.#view ? this.fit() : this.#zoomAt(1 / this.scale, point)),
    });
  }

  connectedCallback() {
    this.#resizes.observe(this);
  }

  disconnectedCallback() {
    this.#resizes.disconnect();
    this.#turn += 1;
    this.#shown = [];
    this.#panes = [];
    this.#root.replaceChildren();
    this.preload([]);
  }

  attributeChangedCallback(_name, before, after) {
    if (before !== after && this.#shown.length) this.#build();
  }

  get mode() {
    const mode = this.getAttribute("mode");
    return MODES.includes(mode) ? mode : "side";
  }

  set mode(value) {
    this.setAttribute("mode", value);
  }

  /** Device pixels per frame pixel as shown now. */
  get scale() {
    return this.#current().scale;
  }

  async setImages(images) {
    const turn = ++this.#turn;
    const entries = images.map(({ url, label }) => ({ url, label, ...this.#load(url) }));
    // What was there must not stay on screen as if it were the new pair, so a wait is an empty stage.
    if (!entries.every(({ img }) => img.dataset.decoded)) {
      this.#note(images.length ? "Loading…" : "");
      const results = await Promise.allSettled(entries.map(({ ready }) => ready));
      if (turn !== this.#turn) return false;
      const broken = results.findIndex(({ status }) => status === "rejected");
      if (broken >= 0) {
        this.#note(`${images[broken].label} could not be loaded.`);
        this.dispatchEvent(new CustomEvent("broken", { detail: images[broken].label }));
        return false;
      }
    }
    this.#shown = entries;
    this.#reframe(
      entries
        .map(({ img }) => ({ width: img.naturalWidth, height: img.naturalHeight }))
        .reduce((a, b) => (b.width * b.height > a.width * a.height ? b : a), { width: 1, height: 1 }),
    );
    this.#build();
    await new Promise((painted) => requestAnimationFrame(() => setTimeout(painted)));
    return turn === this.#turn;
  }

  preload(urls) {
    const keep = new Set([...urls, ...this.#shown.map(({ url }) => url)]);
    for (const [url, { img }] of this.#loaded) {
      if (keep.has(url)) continue;
      this.#loaded.delete(url);
      if (!img.isConnected) img.removeAttribute("src"); // lets go of the decoded pixels now
    }
    for (const url of urls) this.#load(url);
  }

  setTransform(view) {
    this.#view = view && { ...view };
    this.#apply();
  }

  getTransform() {
    return this.#view && { ...this.#view };
  }

  fit() {
    this.setTransform(null);
  }

  actualSize() {
    this.setTransform({ ...this.#current(), scale: 1 });
  }

  zoom(factor) {
    this.#zoomAt(factor, null);
  }

  /** Move the view by a share of the pane. */
  pan(dx, dy) {
    const { width, height } = this.#box();
    this.#panBy(dx * width, dy * height);
  }

  /** In single mode: which image. */
  show(index) {
    this.#index = index;
    this.#apply();
  }

  /** While on, the first image is shown in place of the others. */
  peek(on) {
    this.#peeking = on;
    this.#apply();
  }

  #load(url) {
    let entry = this.#loaded.get(url);
    if (!entry) {
      const img = new Image();
      img.decoding = "sync"; // swapped in one frame, never half painted
      img.draggable = false;
      img.src = url;
      const ready = img.decode().then(() => void (img.dataset.decoded = "yes"));
      ready.catch(() => this.#loaded.get(url)?.img === img && this.#loaded.delete(url));
      entry = { img, ready };
      this.#loaded.set(url, entry);
    }
    return entry;
  }

  /** Keep zoom and relative position from one set of images to the next. */
  #reframe(frame) {
    const { width, height } = this.#frame;
    if (this.#view) this.#view = { ...this.#view, x: (this.#view.x * frame.width) / width, y: (this.#view.y * frame.height) / height };
    this.#frame = frame;
  }

  #note(text) {
    this.#shown = [];
    this.#panes = [];
    const pane = part("pane");
    const note = part("note");
    note.textContent = text;
    note.setAttribute("role", "status");
    pane.append(note);
    this.style.gridTemplate = "1fr / 1fr";
    this.#root.replaceChildren(pane);
  }

  #build() {
    const images = this.#shown;
    if (!images.length) return this.#note("");
    const sides = this.mode === "side" ? images.map((_, i) => (i ? [0, i] : [0])) : [images.map((_, i) => i)];
    const used = new Set();
    this.#panes = sides.map((indexes) => {
      const element = part("pane");
      const stack = part(this.mode === "difference" ? "layer difference" : "stack");
      element.append(stack);
      const layers = indexes.map((index) => {
        const layer = part("layer");
        const img = used.has(index) ? images[index].img.cloneNode() : images[index].img;
        used.add(index);
        img.alt = images[index].label;
        layer.append(img);
        stack.append(layer);
        return { element: layer, img, index, place: placeIn(this.#frame, images[index].img) };
      });
      const tags = ["left", "right"].map((side) => {
        const tag = part(`tag ${side}`);
        element.append(tag);
        return tag;
      });
      return { element, layers, tags, box: null };
    });
    if (this.mode === "slider") this.#panes[0].element.append(makeHandle((change) => this.#divide(change)));
    this.#root.replaceChildren(...this.#panes.map(({ element }) => element));
    this.#measure();
  }

  #measure() {
    if (!this.#panes.length) return;
    const { rows, columns } = arrange(this.#panes.length, this.clientWidth, this.clientHeight, this.#frame);
    this.style.gridTemplate = `repeat(${rows}, minmax(0, 1fr)) / repeat(${columns}, minmax(0, 1fr))`;
    for (const pane of this.#panes) pane.box = pane.element.getBoundingClientRect();
    this.#paint();
  }

  #box() {
    return screenOf(this.#panes[0]?.box ?? { width: 1, height: 1 });
  }

  #current() {
    const { width, height } = this.#frame;
    return this.#view ?? { scale: fitScale(this.#frame, this.#box()), x: width / 2, y: height / 2 };
  }

  /** Move the view by device pixels, not beyond the frame's edge in the middle. */
  #panBy(dx, dy) {
    const { scale, x, y } = this.#current();
    this.#lookAt({ scale, x: x + dx / scale, y: y + dy / scale });
  }

  #lookAt({ scale, x, y }) {
    const within = (value, most) => Math.min(most, Math.max(0, value));
    this.setTransform({ scale, x: within(x, this.#frame.width), y: within(y, this.#frame.height) });
  }

  #apply() {
    this.#queued ||= requestAnimationFrame(() => this.#paint());
  }

  #paint() {
    cancelAnimationFrame(this.#queued);
    this.#queued = 0;
    const view = this.#current();
    const ratio = devicePixelRatio;
    for (const pane of this.#panes) {
      // Everything is rounded to the screen's own pixels, so that equal source pixels meet equal screen pixels.
      const left = Math.round((pane.box.left + pane.box.width / 2) * ratio - view.x * view.scale) / ratio - pane.box.left;
      const top = Math.round((pane.box.top + pane.box.height / 2) * ratio - view.y * view.scale) / ratio - pane.box.top;
      const css = view.scale / ratio;
      for (const { img, place } of pane.layers) {
        img.style.transform =
          `translate(${left + place.x * css}px, ${top + place.y * css}px) scale(${place.scaleX * css}, ${place.scaleY * css})`;
        img.style.imageRendering = place.scaleX * view.scale >= 2 ? "pixelated" : "auto";
      }
      this.#reveal(pane);
    }
    this.dispatchEvent(new CustomEvent("transform"));
  }

  /** Which layers of a pane can be seen, and what its labels say. */
  #reveal({ layers, tags, element }) {
    const mode = this.mode;
    const wanted = mode === "side" ? layers.at(-1).index : Math.min(this.#index, this.#shown.length - 1);
    const only = this.#peeking ? 0 : mode === "side" || mode === "single" ? wanted : null;
    const seen = (index) => (only === null ? index === 0 || index === wanted : index === only);
    for (const layer of layers) {
      layer.element.hidden = !seen(layer.index);
      const cut = mode === "slider" && only === null && layer.index === wanted;
      layer.element.style.clipPath = cut ? `inset(0 0 0 ${this.#split * 100}%)` : "";
    }
    const label = (index) => this.#shown[index]?.label ?? "";
    tags[0].textContent = mode === "difference" && only === null ? "Difference ×4" : label(only ?? 0);
    tags[1].textContent = label(wanted);
    tags[1].hidden = mode !== "slider" || only !== null;
    const handle = element.querySelector(".handle");
    if (!handle) return;
    handle.hidden = only !== null;
    handle.style.left = `${this.#split * 100}%`;
    handle.setAttribute("aria-valuenow", Math.round(this.#split * 100));
  }

  #divide(change) {
    this.#split = Math.min(1, Math.max(0, change(this.#split)));
    this.#apply();
  }

  #zoomAt(factor, point) {
    if (!this.#panes.length) return;
    const view = this.#current();
    const smallest = Math.min(1, fitScale(this.#frame, this.#box())) / 2;
    const scale = Math.min(MAX_SCALE, Math.max(smallest, view.scale * factor));
    const pane = point && this.#panes.find(({ box }) => contains(box, point));
    this.#lookAt(zoomAround(view, scale, point, pane?.box));
  }
}

const part = (className) => Object.assign(document.createElement("div"), { className });
const contains = (box, { clientX, clientY }) =>
  clientX >= box.left && clientX <= box.right && clientY >= box.top && clientY <= box.bottom;

customElements.define("ggt-viewer", GgtViewer);
