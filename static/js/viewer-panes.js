/** The panes of <ggt-viewer>: which images lie in which, where they are painted, and which of them can be seen. */
import { arrange, ceilLength, contains, cornerIn, floorLength, screenOf, unit } from "./viewer-geometry.js";

const GAP = 8; // CSS pixels between panes

export const part = (className, tag = "div") => Object.assign(document.createElement(tag), { className });

export class Panes {
  list = []; // {element, box, layers: [{element, thing, index, img, place}], tags, indexes}
  #stage;

  constructor(stage) {
    this.#stage = stage;
  }

  /** Text in the place of images. */
  note(text) {
    const [pane, note] = [part("pane"), part("note")];
    note.textContent = text;
    note.setAttribute("role", "status");
    pane.append(note);
    this.list = [];
    this.#stage.style.gridTemplate = "1fr / 1fr";
    this.#stage.replaceChildren(pane);
  }

  /**
   * A pane for each list of indexes in `sides`, with these images one upon the other. `shown` maps an index to its
   * {index, label, img, place}. `canvas` is laid over the images of the first pane, in the place of image `a`.
   */
  build(sides, shown, { canvas, a, handle }) {
    const used = new Set();
    const once = (index) => {
      const { img, label } = shown.get(index);
      const own = used.has(index) ? img.cloneNode() : img; // an element has one place; the decoded pixels are shared
      used.add(index);
      own.alt = label;
      return own;
    };
    this.list = sides.map((indexes) => {
      const element = part("pane");
      const layers = indexes.map((index) => ({ ...shown.get(index), thing: once(index) }));
      if (canvas) layers.push({ ...shown.get(a), index: null, thing: canvas });
      for (const layer of layers) {
        layer.element = part("layer");
        layer.element.append(layer.thing);
      }
      const tags = ["left", "right"].map((side) => part(`tag ${side}`));
      element.append(...layers.map((layer) => layer.element), ...tags);
      return { element, layers, tags, indexes, box: null };
    });
    if (handle) this.list[0].element.append(handle);
    this.#stage.replaceChildren(...this.list.map(({ element }) => element));
  }

  /** Lay the panes out, every one of them on whole device pixels. */
  measure(host, frame) {
    if (!this.list.length) return;
    const { left, top, width, height } = host.getBoundingClientRect();
    const { rows, columns } = arrange(this.list.length, width, height, frame);
    const [x, y, gap] = [ceilLength(left) - left, ceilLength(top) - top, ceilLength(GAP)];
    const equal = (n, length) => `repeat(${n}, ${Math.max(0, floorLength((length - gap * (n - 1)) / n))}px)`;
    this.#stage.style.gap = `${gap}px`;
    this.#stage.style.padding = `${y}px 0 0 ${x}px`;
    this.#stage.style.gridTemplate = `${equal(rows, height - y)} / ${equal(columns, width - x)}`;
    this.look();
  }

  /** Where the panes are on screen now; the page may have scrolled. */
  look() {
    for (const pane of this.list) pane.box = pane.element.getBoundingClientRect();
  }

  /** The pane at a point in client coordinates. */
  at(point) {
    this.look();
    return point ? this.list.find(({ box }) => contains(box, point)) : undefined;
  }

  /** The size of a pane in device pixels. */
  get box() {
    return screenOf(this.list[0]?.box ?? { width: 1, height: 1 });
  }

  paint(view) {
    const ratio = devicePixelRatio;
    const pixel = unit() || 1 / ratio; // CSS pixels per source pixel before the transform: no box that a browser rounds
    for (const { box, layers } of this.list) {
      const { left, top } = cornerIn(box, view);
      for (const { thing, place, img } of layers) {
        const scaleX = place.scaleX * view.scale;
        const scaleY = place.scaleY * view.scale;
        const x = left + (place.x * view.scale) / ratio;
        const y = top + (place.y * view.scale) / ratio;
        thing.style.width = `${img.naturalWidth * pixel}px`;
        thing.style.height = `${img.naturalHeight * pixel}px`;
        thing.style.transform =
          `translate(${x}px, ${y}px) scale(${scaleX / ratio / pixel}, ${scaleY / ratio / pixel})`;
        thing.style.imageRendering = scaleX >= 2 || scaleX === 1 ? "pixelated" : "auto";
      }
    }
  }

  /**
   * Show one image alone in each pane (`only`, of those in it), or what the mode shows.
   * state: {mode, a, b, only: "a" | "b" | "", split: 0 to 1, label(index), difference: its label or ""}
   */
  reveal({ mode, a, b, only, split, label, difference }) {
    for (const { element, layers, tags, indexes } of this.list) {
      const own = mode === "side" ? indexes.at(-1) : b;
      const alone = only === "a" ? a : only === "b" || mode === "side" || mode === "single" ? own : null;
      for (const layer of layers) {
        const { index } = layer;
        const seen = alone !== null ? index === alone : mode === "difference" ? index === null : true;
        layer.element.hidden = !seen;
        const cut = seen && alone === null && mode === "slider" && index === b && a !== b;
        layer.element.style.clipPath = cut ? `inset(0 0 0 ${split * 100}%)` : "";
      }
      tags[0].textContent = alone !== null ? label(alone) : mode === "difference" ? difference : label(a);
      tags[1].textContent = label(b);
      tags[1].hidden = mode !== "slider" || alone !== null;
      const handle = element.querySelector(".handle");
      if (!handle) continue;
      handle.hidden = alone !== null;
      handle.style.left = `${split * 100}%`;
      handle.setAttribute("aria-valuenow", Math.round(split * 100));
    }
  }
}
