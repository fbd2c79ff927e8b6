/** What <ggt-viewer> measures with: difference, loupe, histograms. One worker computes; it keeps no more than asked. */
import { Difference } from "./viewer-difference.js";
import { framePoint } from "./viewer-geometry.js";
import { Lab } from "./viewer-lab.js";
import { Loupe } from "./viewer-loupe.js";
import { Meter } from "./viewer-meter.js";

export class Tools {
  #lab = new Lab();
  difference = new Difference(this.#lab);
  meter = new Meter(this.#lab);
  loupe = new Loupe();
  /** Where the pointer is, in client coordinates. */
  pointer = null;
  /** Resolves once the difference that is to be seen is drawn; null when it is. */
  drawn = null;
  #scene = null;

  /** Other images, or another mode: {mode, a, b, shown, panes}, null for none. `painted`: when more is to paint. */
  set(scene, painted) {
    this.#scene = scene;
    this.loupe.element.classList.toggle("idle", !scene);
    if (scene) this.meter.attach(scene.panes.list, scene.shown, scene.mode, scene.a, scene.b);
    this.differ(painted);
  }

  /** Draw the difference again if it is to be seen. */
  differ(painted) {
    const { mode, a, b, shown } = this.#scene ?? {};
    const differs = mode === "difference";
    this.#lab.keep(shown && (differs || this.meter.on) ? [...shown.values()].map(({ url }) => url) : []);
    if (!differs) {
      this.drawn = null;
      return this.difference.clear();
    }
    const drawn = this.difference.draw(shown.get(a), shown.get(b)).then(() => {
      if (this.drawn === drawn) this.drawn = null;
      painted();
    });
    this.drawn = drawn;
  }

  /** Loupe and read-out at the pointer, or in the middle of what `host` shows. */
  inspect(view, host) {
    if (!this.#scene || !(this.loupe.on || this.meter.on)) return;
    const { a, shown, panes } = this.#scene;
    const pane = panes.at(this.pointer);
    const spot = pane ? framePoint(pane.box, view, this.pointer) : view;
    if (this.loupe.on) {
      const box = host.getBoundingClientRect();
      const first = panes.list[0].box;
      const middle = { clientX: first.left + first.width / 2, clientY: first.top + first.height / 2 };
      const { clientX, clientY } = pane ? this.pointer : middle;
      this.loupe.draw([...shown.values()], spot, view.scale, { x: clientX - box.left, y: clientY - box.top }, box);
    }
    this.meter.point(shown, spot);
    this.meter.refresh(shown, a, view, panes.list[0].box);
  }

  close() {
    this.set(null);
    this.#lab.close();
  }
}
