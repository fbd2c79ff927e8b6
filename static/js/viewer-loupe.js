/** The loupe of <ggt-viewer>: the same spot of every image side by side, four times enlarged, pixels as squares. */
import { part } from "./viewer-panes.js";

const TIMES = 4;
const MOST = 32; // device pixels per frame pixel
const AWAY = 28; // CSS pixels between the pointer and the loupe, so that it does not hide what it shows

export class Loupe {
  element = Object.assign(part("loupe"), { hidden: true });
  #tiles = []; // {canvas, label}

  get on() {
    return !this.element.hidden;
  }

  set on(value) {
    this.element.hidden = !value;
    if (value) return;
    this.#tiles = [];
    this.element.replaceChildren(); // canvases are memory
  }

  /**
   * @param images {label, img, place} in their order
   * @param spot the frame point to look at
   * @param scale of the view: the loupe enlarges 1:1 pixels, or what is on screen if that is larger
   * @param at where in the host the pointer is, in CSS pixels
   * @param host its size
   */
  draw(images, spot, scale, at, host) {
    const ratio = devicePixelRatio;
    const columns = images.length > 4 ? Math.ceil(images.length / 2) : images.length;
    const side = Math.floor(Math.min(columns > 3 ? 128 : 176, (host.width - 16) / columns - 4) * ratio);
    if (side < 8) return;
    const zoom = Math.min(MOST, TIMES * Math.max(1, Math.round(scale)));
    this.#have(images.length);
    this.element.style.gridTemplateColumns = `repeat(${columns}, auto)`;
    images.forEach((image, i) => {
      const { canvas, label } = this.#tiles[i];
      label.textContent = image.label;
      if (canvas.width !== side) canvas.width = canvas.height = side;
      canvas.style.width = canvas.style.height = `${side / ratio}px`;
      magnify(canvas.getContext("2d"), image, spot, zoom, side);
    });
    const [width, height] = [this.element.offsetWidth, this.element.offsetHeight];
    const left = Math.max(4, Math.min(host.width - width - 4, at.x - width / 2));
    const above = at.y - AWAY - height;
    const top = above >= 4 ? above : Math.max(4, Math.min(host.height - height - 4, at.y + AWAY));
    const onPixel = (length) => Math.round(length * ratio) / ratio;
    this.element.style.transform = `translate(${onPixel(left)}px, ${onPixel(top)}px)`;
  }

  #have(count) {
    while (this.#tiles.length > count) this.#tiles.pop().tile.remove();
    while (this.#tiles.length < count) {
      const tile = part("tile");
      const made = { tile, canvas: document.createElement("canvas"), label: part("tag left") };
      tile.append(made.canvas, made.label);
      this.element.append(tile);
      this.#tiles.push(made);
    }
  }
}

/** Draw the surroundings of a frame point, the middle of its frame pixel in the middle of a square of device pixels. */
function magnify(context, { img, place }, spot, zoom, side) {
  const middle = { x: Math.floor(spot.x) + 0.5, y: Math.floor(spot.y) + 0.5 };
  const left = Math.round(side / 2 - middle.x * zoom);
  const top = Math.round(side / 2 - middle.y * zoom);
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.clearRect(0, 0, side, side);
  context.imageSmoothingEnabled = false;
  // Only the part that can be seen: drawing all of a large image for each move of the pointer would be slow.
  const from = (corner, origin, step) => Math.max(0, Math.floor((-corner / zoom - origin) / step));
  const to = (corner, origin, step, most) => Math.min(most, Math.ceil(((side - corner) / zoom - origin) / step));
  const [x, y] = [from(left, place.x, place.scaleX), from(top, place.y, place.scaleY)];
  const width = to(left, place.x, place.scaleX, img.naturalWidth) - x;
  const height = to(top, place.y, place.scaleY, img.naturalHeight) - y;
  if (width > 0 && height > 0) {
    context.drawImage(
      img, x, y, width, height,
      left + (place.x + x * place.scaleX) * zoom, top + (place.y + y * place.scaleY) * zoom,
      width * place.scaleX * zoom, height * place.scaleY * zoom,
    ); // prettier-ignore
  }
  // The frame pixel in the middle, seen on black and on white.
  const corner = [left + Math.floor(spot.x) * zoom, top + Math.floor(spot.y) * zoom];
  context.strokeStyle = "#000";
  context.strokeRect(corner[0] - 1.5, corner[1] - 1.5, zoom + 3, zoom + 3);
  context.strokeStyle = "#fff";
  context.strokeRect(corner[0] - 0.5, corner[1] - 0.5, zoom + 1, zoom + 1);
}
