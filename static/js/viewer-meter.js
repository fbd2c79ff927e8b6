/**
 * Histograms and read-outs of <ggt-viewer>: R, G, B and luma of what is in view or of the whole image, the pixel under
 * the pointer, how far each image is from A, and the figures that the page gave with the image. The worker counts.
 */
import { pixelAt, placeOn, regionIn } from "./viewer-geometry.js";
import { part } from "./viewer-panes.js";

const RESTS = 120; // milliseconds without a movement after which it is counted again
const COLORS = ["#ff5a50", "#4fd05a", "#5a8cff"];

export class Meter {
  on = false;
  whole = false;
  #lab;
  #blocks = new Map(); // index -> {element, canvas, about, pixel}
  #counted = ""; // what the figures are of
  #timer = 0;
  #turn = 0;
  #asking = false;
  #next = null;

  constructor(lab) {
    this.#lab = lab;
  }

  /** Put a block for each image into the pane that shows it. */
  attach(panes, shown, mode, a, b) {
    for (const { element } of this.#blocks.values()) element.remove();
    this.#blocks.clear();
    this.#turn += 1;
    this.#counted = "";
    if (!this.on) return;
    for (const { element, indexes } of panes) {
      const row = part("meters");
      const inPane = mode === "side" ? [indexes.at(-1)] : mode === "single" ? [b] : [...new Set([a, b])];
      for (const index of inPane) {
        const block = { element: part("meter"), canvas: document.createElement("canvas") };
        for (const name of ["name", "pixel", "about"]) block[name] = part(name);
        block.name.textContent = shown.get(index).label;
        block.element.append(block.name, block.canvas, block.pixel, block.about);
        this.#blocks.set(index, block);
        row.append(block.element);
      }
      element.querySelector(".meters")?.remove();
      element.append(row);
    }
  }

  /** Count again once the view rests, if there is anything new to count. */
  refresh(shown, a, view, box) {
    if (!this.on) return;
    const { scale, x, y } = view;
    const counted = JSON.stringify([this.whole || [scale, x, y, box.width, box.height], a]);
    if (counted === this.#counted) return; // the pointer moved, or it flickered
    this.#counted = counted;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#count(shown, a, view, box), RESTS);
  }

  async #count(shown, a, view, box) {
    const turn = (this.#turn += 1);
    const regionOf = (image) => {
      const whole = { x: 0, y: 0, width: image.img.naturalWidth, height: image.img.naturalHeight };
      return this.whole ? whole : regionIn(box, view, image);
    };
    for (const [index, block] of this.#blocks) {
      const image = shown.get(index);
      const base = shown.get(a);
      const region = regionOf(image);
      const common = regionOf(base);
      try {
        const counted = region && (await this.#lab.ask("histogram", one(image), { key: image.url, region }));
        if (turn !== this.#turn) return;
        drawHistogram(block.canvas, counted?.bins);
        if (index === a || !common) {
          block.about.textContent = facts(image);
          continue;
        }
        const details = { a: base.url, b: image.url, place: placeOn(base.place, image.place), region: common };
        const far = await this.#lab.ask("distance", { ...one(base), ...one(image) }, details);
        if (turn !== this.#turn) return;
        block.about.textContent = [far ? distanceText(far, base.label) : "", facts(image)].filter(Boolean).join("\n");
      } catch {
        if (turn === this.#turn) block.about.textContent = "could not be counted";
      }
    }
  }

  /** Read the pixels at a frame point, null: nowhere. The last point counts; no queue of old ones. */
  async point(shown, spot) {
    if (!this.on) return;
    this.#next = { shown, spot };
    if (this.#asking) return;
    this.#asking = true;
    while (this.#next) {
      const now = this.#next;
      this.#next = null;
      await this.#read(now).catch(() => {}); // an image that was let go meanwhile: the next one is coming
    }
    this.#asking = false;
  }

  async #read({ shown, spot }) {
    const found = [...this.#blocks].map(([index, block]) => {
      const image = shown.get(index);
      return { block, image, pixel: spot && image ? pixelAt(image, spot) : null };
    });
    const inside = found.filter(({ pixel }) => pixel);
    const points = inside.map(({ image, pixel }) => ({ key: image.url, ...pixel }));
    const colors = points.length
      ? await this.#lab.ask("pixels", Object.assign({}, ...inside.map(({ image }) => one(image))), { points })
      : [];
    for (const { block, pixel } of found) if (!pixel) block.pixel.textContent = "–";
    inside.forEach(({ block, pixel }, i) => {
      block.pixel.textContent = `${pixel.x}, ${pixel.y}   ${colors[i].join(" ")}`;
    });
  }
}

const one = ({ url, img }) => ({ [url]: img });
const facts = ({ facts: given = [] }) => given.map(([name, value]) => `${name} ${value}`).join("\n");

function distanceText({ psnr, mean, largest }, base) {
  if (!largest) return `same as ${base}`;
  return `PSNR ${psnr.toFixed(2)} dB to ${base}\nmean |Δ| ${mean.toFixed(2)}, largest ${largest}`;
}

/**
 * R, G and B as light that adds up, luma as a white line. Heights are square roots, or one peak would flatten the rest;
 * the ends, where clipped values heap up, may be cut.
 */
function drawHistogram(canvas, bins) {
  const [width, height] = [256, 64];
  canvas.width = width;
  canvas.height = height;
  if (!bins) return;
  const context = canvas.getContext("2d");
  let most = 1;
  for (let i = 0; i < 1024; i += 1) if (i % 256 && i % 256 !== 255) most = Math.max(most, bins[i]);
  const y = (count) => height - Math.sqrt(Math.min(1, count / most)) * (height - 2);
  context.globalCompositeOperation = "lighter";
  COLORS.forEach((color, channel) => {
    context.fillStyle = color;
    context.globalAlpha = 0.42; // where all three lie it is grey, and the white line is still seen
    for (let x = 0; x < 256; x += 1) context.fillRect(x, y(bins[channel * 256 + x]), 1, height);
  });
  context.globalCompositeOperation = "source-over";
  context.globalAlpha = 1;
  context.strokeStyle = "#fff";
  context.beginPath();
  for (let x = 0; x < 256; x += 1) context.lineTo(x + 0.5, y(bins[768 + x]));
  context.stroke();
}
