/** The arithmetic of <ggt-viewer>. A view is {scale, x, y}: device pixels a frame pixel, frame point in the middle. */

/** A box of CSS pixels in device pixels. */
export const screenOf = ({ width, height }) => ({ width: width * devicePixelRatio, height: height * devicePixelRatio });

/** The scale at which the whole frame fits a box of device pixels. */
export const fitScale = (frame, box) => Math.max(1e-3, Math.min(box.width / frame.width, box.height / frame.height));

/** The frame of these images: the pixel grid of the largest. */
export const frameOf = (imgs) =>
  imgs
    .map(({ naturalWidth: width, naturalHeight: height }) => ({ width, height }))
    .reduce((a, b) => (b.width * b.height > a.width * a.height ? b : a), { width: 1, height: 1 });

/**
 * Where an image lies in the frame: one of the same shape (to 1 %) covers it exactly, another is fitted in its middle
 * undistorted, because stretching would show a shift that is not there.
 */
export function placeIn(frame, { naturalWidth: width, naturalHeight: height }) {
  const scaleX = frame.width / width;
  const scaleY = frame.height / height;
  if (Math.abs(scaleX / scaleY - 1) < 0.01) return { x: 0, y: 0, scaleX, scaleY };
  const scale = Math.min(scaleX, scaleY);
  // Whole frame pixels, or every pixel of this image would lie across two of the frame's.
  const x = Math.round((frame.width - width * scale) / 2);
  const y = Math.round((frame.height - height * scale) / 2);
  return { x, y, scaleX: scale, scaleY: scale };
}

/** A place in the frame, seen from the pixel grid of the image that lies at `base`. */
export const placeOn = (base, { x, y, scaleX, scaleY }) => ({
  x: (x - base.x) / base.scaleX,
  y: (y - base.y) / base.scaleY,
  scaleX: scaleX / base.scaleX,
  scaleY: scaleY / base.scaleY,
});

/** Rows and columns for n panes in a box so that the frame is shown as large as possible. */
export function arrange(n, width, height, frame) {
  let best = { rows: 1, columns: n, scale: 0 };
  for (let columns = 1; columns <= n; columns += 1) {
    const rows = Math.ceil(n / columns);
    const scale = Math.min(width / columns / frame.width, height / rows / frame.height);
    if (scale > best.scale) best = { rows, columns, scale };
  }
  return best;
}

/**
 * The fewest CSS pixels (10 at most) that are a whole number of device pixels, 0 if none are. Browsers round boxes to
 * whole pixels, some of them to the screen's and some to CSS's; a multiple of this is left as it is by both.
 */
export function unit(ratio = devicePixelRatio) {
  for (let pixels = 1; pixels <= 10; pixels += 1) {
    if (Math.abs(pixels * ratio - Math.round(pixels * ratio)) < 1e-3) return pixels;
  }
  return 0;
}

/** The step of lengths on screen: see unit(). Larger steps would show as crooked margins. */
const step = () => (unit() && unit() <= 4 ? unit() : 1 / devicePixelRatio);

/** A length in CSS pixels, lowered or raised to whole pixels: a pane that begins between two would blur its image. */
export const floorLength = (length) => Math.floor(length / step() + 1e-3) * step();
export const ceilLength = (length) => Math.ceil(length / step() - 1e-3) * step();

/** The frame's upper left corner in CSS pixels from a pane's, on a whole device pixel. */
export function cornerIn(box, { scale, x, y }) {
  const ratio = devicePixelRatio;
  return {
    left: Math.round((box.width * ratio) / 2 - x * scale) / ratio,
    top: Math.round((box.height * ratio) / 2 - y * scale) / ratio,
  };
}

/** The point of the frame that is shown at a point in client coordinates. */
export function framePoint(box, view, { clientX, clientY }) {
  const { left, top } = cornerIn(box, view);
  const unit = devicePixelRatio / view.scale;
  return { x: (clientX - box.left - left) * unit, y: (clientY - box.top - top) * unit };
}

/** The pixel of an image at a point of the frame, null outside it. */
export function pixelAt({ place, img }, { x, y }) {
  // A hair's breadth added, or a point on a pixel's very edge would fall to either side by rounding.
  const on = (value, origin, scale) => Math.floor((value - origin) / scale + 1e-6);
  const pixel = { x: on(x, place.x, place.scaleX), y: on(y, place.y, place.scaleY) };
  const inside = pixel.x >= 0 && pixel.y >= 0 && pixel.x < img.naturalWidth && pixel.y < img.naturalHeight;
  return inside ? pixel : null;
}

/** The pixels of an image that a pane shows, as {x, y, width, height}; null when it shows none. */
export function regionIn(box, { scale, x, y }, { place, img }) {
  const { width, height } = screenOf(box);
  const from = (value, origin, step) => Math.max(0, Math.floor((value - origin) / step));
  const to = (value, origin, step, most) => Math.min(most, Math.ceil((value - origin) / step));
  const left = from(x - width / 2 / scale, place.x, place.scaleX);
  const top = from(y - height / 2 / scale, place.y, place.scaleY);
  const right = to(x + width / 2 / scale, place.x, place.scaleX, img.naturalWidth);
  const bottom = to(y + height / 2 / scale, place.y, place.scaleY, img.naturalHeight);
  return right > left && bottom > top ? { x: left, y: top, width: right - left, height: bottom - top } : null;
}

/** The view at another scale, with the frame point under the pointer kept there (the middle without a pointer). */
export function zoomAround({ scale, x, y }, next, point, box) {
  if (!point || !box) return { scale: next, x, y };
  const dx = (point.clientX - box.left - box.width / 2) * devicePixelRatio;
  const dy = (point.clientY - box.top - box.height / 2) * devicePixelRatio;
  return { scale: next, x: x + dx / scale - dx / next, y: y + dy / scale - dy / next };
}

export const contains = (box, { clientX, clientY }) =>
  clientX >= box.left && clientX <= box.right && clientY >= box.top && clientY <= box.bottom;
