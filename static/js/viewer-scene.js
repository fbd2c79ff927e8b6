/** What <ggt-viewer> shows: its images, which of them are in sight, and the panes and the view in which they lie. */
import { Choice, MOST } from "./viewer-choice.js";
import { frameOf, placeIn } from "./viewer-geometry.js";
import { Panes } from "./viewer-panes.js";
import { Pictures } from "./viewer-pictures.js";
import { View } from "./viewer-view.js";

export class Scene {
  /** [{url, label, facts}] as they were given. */
  images = [];
  /** index -> {index, url, label, facts, img, place} of what is on screen. */
  shown = new Map();
  choice = new Choice();
  view = new View();
  pictures = new Pictures();
  panes;

  constructor(stage) {
    this.panes = new Panes(stage);
  }

  /** {a, b, all}: see Choice. */
  get compared() {
    return this.choice.among(this.images.length);
  }

  /** The view as it is shown now. */
  get now() {
    return this.view.in(this.panes.box);
  }

  label(index) {
    return this.images[index]?.label ?? "";
  }

  /** The images that mode needs, with their elements; `ready` of each says when it can be painted. */
  wanted(mode) {
    const indexes = this.choice.wanted(this.images.length, mode === "side");
    return indexes.map((index) => ({ ...this.images[index], index, ...this.pictures.load(this.images[index].url) }));
  }

  /** Addresses that stay loaded: all of a set that can be in sight together, else what is. */
  held() {
    const { a, b } = this.compared;
    const held = this.images.length <= MOST ? this.images : this.images.filter((_, index) => [a, b].includes(index));
    return held.map(({ url }) => url);
  }

  empty(text) {
    this.shown = new Map();
    this.panes.note(text);
  }

  /** Put these on screen; `canvas` and `handle` as in Panes.build(). */
  compose(entries, mode, { canvas, handle }) {
    if (!entries.length) this.empty("");
    else {
      const frame = frameOf(entries.map(({ img }) => img));
      const { a } = this.compared;
      const indexes = entries.map(({ index }) => index);
      this.view.reframe(frame);
      this.shown = new Map(entries.map((entry) => [entry.index, { ...entry, place: placeIn(frame, entry.img) }]));
      const sides = mode === "side" ? indexes.map((index) => (index === a ? [a] : [a, index])) : [indexes];
      this.panes.build(sides, this.shown, { a, canvas, handle });
    }
    this.pictures.trim(this.held());
  }

  zoom(factor, point) {
    if (this.shown.size) this.view.zoom(factor, this.panes.box, point, this.panes.at(point)?.box);
  }

  /** Move the view by device pixels. */
  pan(dx, dy) {
    this.view.pan(dx, dy, this.panes.box);
  }
}
