/**
 * Arithmetic on decoded pixels: difference, histogram, PSNR. Pure, so that it runs in the worker and in a test alike.
 * An image is {width, height, data}: RGBA, 8 bits, as an ImageData has it.
 *
 * Luma is BT.709: Y = 0.2126 R + 0.7152 G + 0.0722 B. Chroma is its Cb = (B - Y) / 1.8556 and Cr = (R - Y) / 1.5748.
 */
export const GAINS = [1, 2, 4, 8, 16];
export const CHANNELS = ["color", "luma", "chroma"];

const luma = (r, g, b) => 0.2126 * r + 0.7152 * g + 0.0722 * b;

/**
 * B minus A times `gain`, as an image. Both have the same size; where B has no pixel (alpha 0) the result has none.
 *
 *   color    each of R, G, B by itself
 *   luma     grey
 *   chroma   the larger of |Cb| and |Cr| as grey; signed: the change of colour around mid-grey, without its luma
 *
 * Absolute: black is equal. Signed: 128 is equal, brighter means that B is brighter.
 */
export function difference(a, b, { gain, channel, signed }) {
  const from = a.data;
  const to = b.data;
  const out = new Uint8ClampedArray(from.length); // it clamps and rounds what is assigned
  const base = signed ? 128 : 0;
  const size = signed ? (value) => value : Math.abs;
  for (let i = 0; i < from.length; i += 4) {
    if (!to[i + 3] || !from[i + 3]) continue;
    out[i + 3] = 255;
    const r = to[i] - from[i];
    const g = to[i + 1] - from[i + 1];
    const bl = to[i + 2] - from[i + 2];
    if (channel === "color") {
      out[i] = base + gain * size(r);
      out[i + 1] = base + gain * size(g);
      out[i + 2] = base + gain * size(bl);
      continue;
    }
    const y = luma(r, g, bl);
    if (channel === "luma") {
      out[i] = out[i + 1] = out[i + 2] = base + gain * size(y);
    } else if (signed) {
      out[i] = base + gain * (r - y);
      out[i + 1] = base + gain * (g - y);
      out[i + 2] = base + gain * (bl - y);
    } else {
      out[i] = out[i + 1] = out[i + 2] = gain * Math.max(Math.abs(bl - y) / 1.8556, Math.abs(r - y) / 1.5748);
    }
  }
  return out;
}

/** Counts of R, G, B and luma per value in a region: 4 times 256, and of how many pixels. */
export function histogram({ width, data }, { x, y, width: across, height: down }, most = 1 << 20) {
  const bins = new Uint32Array(1024);
  // Every nth pixel of a large region tells the same; n is odd, so that it does not fall into a 2 x 2 pattern.
  const step = across * down > most ? Math.ceil(Math.sqrt((across * down) / most)) | 1 : 1;
  let count = 0;
  for (let row = y; row < y + down; row += step) {
    for (let i = (row * width + x) * 4, end = i + across * 4; i < end; i += 4 * step) {
      if (!data[i + 3]) continue;
      bins[data[i]] += 1;
      bins[256 + data[i + 1]] += 1;
      bins[512 + data[i + 2]] += 1;
      bins[768 + Math.round(luma(data[i], data[i + 1], data[i + 2]))] += 1;
      count += 1;
    }
  }
  return { bins, count };
}

/** How far B is from A in a region, over R, G, B: PSNR in dB, mean and largest |B - A|; null where B has no pixel. */
export function distance(a, b, { x, y, width: across, height: down }) {
  let [squares, sum, largest, count] = [0, 0, 0, 0];
  for (let row = y; row < y + down; row += 1) {
    for (let i = (row * a.width + x) * 4, end = i + across * 4; i < end; i += 4) {
      if (!b.data[i + 3]) continue;
      for (let c = i; c < i + 3; c += 1) {
        const d = Math.abs(b.data[c] - a.data[c]);
        squares += d * d;
        sum += d;
        if (d > largest) largest = d;
      }
      count += 3;
    }
  }
  return count ? { psnr: 10 * Math.log10((255 * 255 * count) / squares), mean: sum / count, largest } : null;
}
