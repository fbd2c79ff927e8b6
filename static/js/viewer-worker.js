/**
 * The worker of <ggt-viewer>: holds the pixels of the images on screen while somebody measures them, and does it.
 * A message is {put, bitmap}, {keep: [keys]} or a job {id, job, ...} that is answered with {id, result | error}.
 */
import { difference, distance, histogram } from "./viewer-pixels.js";

const images = new Map(); // key -> {width, height, data}
let fitted = { key: "", image: null }; // the last B on the grid of its A

function read(draw, width, height) {
  const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
  draw(context);
  return context.getImageData(0, 0, width, height);
}

/** Image b on the pixel grid of a: as it is where the grids agree, else resampled smoothly. */
function onGrid({ a, b, place }) {
  const [base, other] = [images.get(a), images.get(b)];
  const { x, y, scaleX, scaleY } = place;
  const same = base.width === other.width && base.height === other.height;
  if (same && !x && !y && scaleX === 1 && scaleY === 1) return other;
  const key = JSON.stringify([a, b, place]);
  if (fitted.key !== key) {
    const source = new OffscreenCanvas(other.width, other.height);
    source.getContext("2d").putImageData(other, 0, 0);
    const image = read(
      (context) => {
        context.imageSmoothingEnabled = scaleX !== 1 || scaleY !== 1 || x % 1 !== 0 || y % 1 !== 0;
        context.imageSmoothingQuality = "high";
        context.drawImage(source, x, y, other.width * scaleX, other.height * scaleY);
      },
      base.width,
      base.height,
    );
    fitted = { key, image };
  }
  return fitted.image;
}

const JOBS = {
  /** The difference as a bitmap on the grid of a. */
  difference({ a, b, place, settings }) {
    const { width, height } = images.get(a);
    const pixels = difference(images.get(a), onGrid({ a, b, place }), settings);
    const canvas = new OffscreenCanvas(width, height);
    canvas.getContext("2d").putImageData(new ImageData(pixels, width, height), 0, 0);
    const bitmap = canvas.transferToImageBitmap();
    return [bitmap, [bitmap]];
  },
  histogram({ key, region }) {
    const { bins, count } = histogram(images.get(key), region);
    return [{ bins, count }, [bins.buffer]];
  },
  distance: ({ a, b, place, region }) => [distance(images.get(a), onGrid({ a, b, place }), region)],
  /** [r, g, b] of each {key, x, y}. */
  pixels: ({ points }) => [
    points.map(({ key, x, y }) => {
      const { width, data } = images.get(key);
      return [...data.subarray((y * width + x) * 4, (y * width + x) * 4 + 3)];
    }),
  ],
};

addEventListener("message", ({ data: { id, job, put, bitmap, keep, ...details } }) => {
  if (put) {
    images.set(put, read((context) => context.drawImage(bitmap, 0, 0), bitmap.width, bitmap.height));
    bitmap.close();
  } else if (keep) {
    for (const key of images.keys()) if (!keep.includes(key)) images.delete(key);
    fitted = { key: "", image: null };
  } else {
    try {
      const [result, transfer = []] = JOBS[job](details);
      postMessage({ id, result }, transfer);
    } catch (error) {
      postMessage({ id, error: String(error) });
    }
  }
});
