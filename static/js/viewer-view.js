/** Zoom and position of <ggt-viewer>: one for all its images, in the frame they share. */
import { fitScale, zoomAround } from "./viewer-geometry.js";

const MAX_SCALE = 32;
const clamp = (value, most) => Math.min(most, Math.max(0, value));

export class View {
  frame = { width: 1, height: 1 };
  /** {scale, x, y}, null while the whole frame is fitted. */
  chosen = null;

  /** The view in a pane of so many device pixels. */
  in(box) {
    const { width, height } = this.frame;
    return this.chosen ?? { scale: fitScale(this.frame, box), x: width / 2, y: height / 2 };
  }

  /** Keep zoom and relative position in another frame. */
  reframe(frame) {
    const { width, height } = this.frame;
    if (this.chosen) {
      const { scale, x, y } = this.chosen;
      this.chosen = { scale, x: (x * frame.width) / width, y: (y * frame.height) / height };
    }
    this.frame = frame;
  }

  /** Move by device pixels, not beyond the frame's edge in the middle. */
  pan(dx, dy, box) {
    const { scale, x, y } = this.in(box);
    this.#lookAt({ scale, x: x + dx / scale, y: y + dy / scale });
  }

  /** Zoom around a point in client coordinates in the pane that is there; around the middle without one. */
  zoom(factor, box, point, pane) {
    const view = this.in(box);
    const smallest = Math.min(1, fitScale(this.frame, box)) / 2;
    const scale = Math.min(MAX_SCALE, Math.max(smallest, view.scale * factor));
    this.#lookAt(zoomAround(view, scale, point, pane));
  }

  #lookAt({ scale, x, y }) {
    this.chosen = { scale, x: clamp(x, this.frame.width), y: clamp(y, this.frame.height) };
  }
}
