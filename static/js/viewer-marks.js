/**
 * Boxes drawn on what <ggt-viewer> shows: "here". They lie on the images in every pane and move with them.
 * A box is [x, y, width, height] in shares of the frame's sides, 0 to 1.
 */
import { cornerIn, framePoint } from "./viewer-geometry.js";
import { part } from "./viewer-panes.js";

const SMALLEST = 0.004; // of a side: less is a slip of the hand
const MOST = 20;
const STEP = 0.02;

const within = (value, low, high) => Math.min(high, Math.max(low, value));
const share = (value) => Math.round(value * 1e5) / 1e5;

export class Marks {
  boxes = [];
  /** Whether a drag draws. */
  drawing = false;
  #from = null;
  #now = null;

  /** What is drawn at the moment counts as one of them. */
  get shown() {
    return this.#now ? [...this.boxes, this.#now] : this.boxes;
  }

  /** Begin a box at a point in client coordinates. */
  begin(pane, view, frame, point) {
    if (!pane || this.boxes.length >= MOST) return;
    this.#from = { pane, at: this.#at(pane, view, frame, point) };
  }

  drag(view, frame, point) {
    if (!this.#from) return;
    const [a, b] = [this.#from.at, this.#at(this.#from.pane, view, frame, point)];
    const [x, y] = [Math.min(a.x, b.x), Math.min(a.y, b.y)];
    this.#now = [x, y, Math.abs(a.x - b.x), Math.abs(a.y - b.y)].map(share);
  }

  /** Keep what was drawn. Returns whether there is one more. */
  end() {
    const drawn = this.#now;
    this.#from = this.#now = null;
    if (!drawn || Math.min(drawn[2], drawn[3]) < SMALLEST) return false;
    this.boxes = [...this.boxes, drawn];
    return true;
  }

  /** By keyboard: a box in the middle of what is seen, a quarter of it wide; then arrows move it, with Shift resize it. */
  place(view, frame, box) {
    if (this.boxes.length >= MOST) return;
    const [width, height] = [box.width, box.height].map((side) => side / view.scale / 4);
    const w = within(width / frame.width, SMALLEST, 1);
    const h = within(height / frame.height, SMALLEST, 1);
    const x = within(view.x / frame.width - w / 2, 0, 1 - w);
    const y = within(view.y / frame.height - h / 2, 0, 1 - h);
    this.boxes = [...this.boxes, [x, y, w, h].map(share)];
  }

  nudge(dx, dy, resize) {
    const last = this.boxes.at(-1);
    if (!last) return;
    let [x, y, w, h] = last;
    if (resize) [w, h] = [within(w + dx * STEP, SMALLEST, 1 - x), within(h + dy * STEP, SMALLEST, 1 - y)];
    else [x, y] = [within(x + dx * STEP, 0, 1 - w), within(y + dy * STEP, 0, 1 - h)];
    this.boxes = [...this.boxes.slice(0, -1), [x, y, w, h].map(share)];
  }

  removeLast() {
    this.boxes = this.boxes.slice(0, -1);
  }

  paint(panes, view, frame) {
    const css = view.scale / devicePixelRatio;
    for (const { element, box } of panes.list) {
      let layer = element.querySelector(".marks");
      if (!layer) {
        if (!this.shown.length) continue;
        layer = part("marks");
        element.append(layer);
      }
      const { left, top } = cornerIn(box, view);
      while (layer.children.length > this.shown.length) layer.lastChild.remove();
      while (layer.children.length < this.shown.length) layer.append(part("mark"));
      this.shown.forEach(([x, y, w, h], number) => {
        const { style } = layer.children[number];
        style.transform = `translate(${left + x * frame.width * css}px, ${top + y * frame.height * css}px)`;
        style.width = `${w * frame.width * css}px`;
        style.height = `${h * frame.height * css}px`;
      });
    }
  }

  #at(pane, view, frame, point) {
    const { x, y } = framePoint(pane.box, view, point);
    return { x: within(x / frame.width, 0, 1), y: within(y / frame.height, 0, 1) };
  }
}
