/**
 * Difference mode of <ggt-viewer>: B minus A, computed from the decoded pixels on the pixel grid of A. Sizes may differ:
 * B is then resampled smoothly, and lies on A as it does in every other mode.
 */
import { placeOn } from "./viewer-geometry.js";
import { CHANNELS, GAINS } from "./viewer-pixels.js";
import { recall, remember } from "./viewer-settings.js";

const NAMES = { color: "", luma: " luma", chroma: " chroma" };

export class Difference {
  canvas = document.createElement("canvas");
  failed = false;
  #settings = { gain: 4, channel: "color", signed: false };
  #lab;
  #pair = ""; // whose difference is on the canvas
  #turn = 0;

  constructor(lab) {
    this.#lab = lab;
    this.settings = recall();
  }

  /** {gain, channel, signed}; setting takes any of them and ignores what is not among the choices. */
  get settings() {
    return { ...this.#settings };
  }

  set settings({ gain, channel, signed }) {
    if (GAINS.includes(gain)) this.#settings.gain = gain;
    if (CHANNELS.includes(channel)) this.#settings.channel = channel;
    if (typeof signed === "boolean") this.#settings.signed = signed;
  }

  /** Change and remember. */
  change(settings) {
    this.settings = settings;
    remember(this.settings);
  }

  /** What the picture shows, in few characters. */
  label(a, b) {
    const { gain, channel, signed } = this.#settings;
    if (this.failed) return "The difference could not be computed";
    return `${signed ? `${b} − ${a}` : `|${b} − ${a}|`}${NAMES[channel]} ×${gain}`;
  }

  /** Draw the difference of two images {url, img, place}. Resolves when it is on the canvas, or a later one will be. */
  async draw(a, b) {
    const turn = (this.#turn += 1);
    const pair = JSON.stringify([a.url, b.url]);
    if (pair !== this.#pair) this.clear(turn); // never the last pair's difference over this one
    try {
      const bitmap = await this.#lab.ask(
        "difference",
        { [a.url]: a.img, [b.url]: b.img },
        { a: a.url, b: b.url, place: placeOn(a.place, b.place), settings: this.settings },
      );
      if (turn !== this.#turn) return bitmap.close();
      this.canvas.width = bitmap.width;
      this.canvas.height = bitmap.height;
      this.canvas.getContext("bitmaprenderer").transferFromImageBitmap(bitmap);
      this.#pair = pair;
      this.failed = false;
    } catch {
      if (turn === this.#turn) this.failed = true; // no worker, no memory, or an image that was let go
    }
  }

  /** Let go of the picture. */
  clear(turn = (this.#turn += 1)) {
    this.#turn = turn;
    if (!this.#pair) return;
    this.#pair = "";
    this.canvas.getContext("bitmaprenderer").transferFromImageBitmap(null);
    this.canvas.width = this.canvas.height = 1;
  }
}
