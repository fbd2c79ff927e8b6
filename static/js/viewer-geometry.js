/** The arithmetic of <ggt-viewer>. A view is {scale, x, y}: device pixels per frame pixel, frame point in the middle. */

/** A box of CSS pixels in device pixels. */
export const screenOf = ({ width, height }) => ({ width: width * devicePixelRatio, height: height * devicePixelRatio });

/** The scale at which the whole frame fits a box of device pixels. */
export const fitScale = (frame, box) => Math.max(1e-3, Math.min(box.width / frame.width, box.height / frame.height));

/**
 * Where an image lies in the frame: one of the same shape (to 1 %) covers it exactly, another is fitted in its middle
 * undistorted, because stretching would show a shift that is not there.
 */
export function placeIn(frame, { naturalWidth: width, naturalHeight: height }) {
  const scaleX = frame.width / width;
  const scaleY = frame.height / height;
  if (Math.abs(scaleX / scaleY - 1) < 0.01) return { x: 0, y: 0, scaleX, scaleY };
  const scale = Math.min(scaleX, scaleY);
  return { x: (frame.width - width * scale) / 2, y: (frame.height - height * scale) / 2, scaleX: scale, scaleY: scale };
}

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

/** The view at another scale, with the frame point under the pointer kept there (the middle without a pointer). */
export function zoomAround({ scale, x, y }, next, point, box) {
  if (!point || !box) return { scale: next, x, y };
  const dx = (point.clientX - box.left - box.width / 2) * devicePixelRatio;
  const dy = (point.clientY - box.top - box.height / 2) * devicePixelRatio;
  return { scale: next, x: x + dx / scale - dx / next, y: y + dy / scale - dy / next };
}
