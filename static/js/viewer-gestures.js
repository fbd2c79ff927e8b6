/** Mouse, pen and fingers on <ggt-viewer>. */

/**
 * Turns wheel, drag, pinch and double click on a viewer into calls: pan(dx, dy) in device pixels of the view's way,
 * zoom(factor, point), toggle(point) and hover(point or null) with the point in client coordinates. A finger that
 * `looks()` moves the loupe and not the view; two fingers always move the view. draw(event, "begin|drag|end") says whether
 * one pointer draws instead.
 */
export function followPointers(viewer, { pan, zoom, toggle, hover, looks, draw }) {
  const held = new Map();

  viewer.addEventListener(
    "wheel",
    (event) => {
      event.preventDefault();
      const pixels = event.deltaY * [1, 16, 400][event.deltaMode];
      zoom(Math.exp(-pixels * (event.ctrlKey ? 0.01 : 0.0018)), event); // a trackpad's pinch comes with ctrlKey
    },
    { passive: false },
  );
  viewer.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    viewer.setPointerCapture(event.pointerId);
    held.set(event.pointerId, event);
    hover(event);
    if (held.size === 1 && draw(event, "begin")) return;
    viewer.classList.add("dragging");
  });
  viewer.addEventListener("pointermove", (event) => {
    hover(event);
    const before = held.get(event.pointerId);
    if (!before) return;
    const other = [...held.values()].find(({ pointerId }) => pointerId !== event.pointerId);
    held.set(event.pointerId, event);
    if (!other && draw(event, "drag")) return;
    if (!other && event.pointerType === "touch" && looks()) return;
    const share = devicePixelRatio / (other ? 2 : 1); // of two fingers each moves their middle by half
    pan((before.clientX - event.clientX) * share, (before.clientY - event.clientY) * share);
    if (other) zoom(distance(event, other) / distance(before, other), middle(event, other));
  });
  viewer.addEventListener("pointerleave", (event) => event.pointerType !== "touch" && hover(null));
  for (const end of ["pointerup", "pointercancel"]) {
    viewer.addEventListener(end, (event) => {
      held.delete(event.pointerId);
      draw(event, "end");
      if (!held.size) viewer.classList.remove("dragging");
    });
  }
  viewer.addEventListener("dblclick", toggle);
}

/** The divider of slider mode. It calls divide(change); `change` makes the new share of the width from the old one. */
export function makeHandle(divide) {
  const handle = Object.assign(document.createElement("div"), { className: "handle" });
  const values = { role: "slider", tabindex: 0, "aria-label": "Divider", "aria-valuemin": 0, "aria-valuemax": 100 };
  for (const [name, value] of Object.entries(values)) handle.setAttribute(name, value);
  handle.addEventListener("pointerdown", (event) => {
    event.stopPropagation();
    handle.setPointerCapture(event.pointerId);
  });
  handle.addEventListener("pointermove", (event) => {
    if (!handle.hasPointerCapture(event.pointerId)) return;
    event.stopPropagation();
    const { left, width } = handle.parentElement.getBoundingClientRect();
    divide(() => (event.clientX - left) / width);
  });
  handle.addEventListener("dblclick", (event) => {
    event.stopPropagation();
    divide(() => 0.5);
  });
  handle.addEventListener("keydown", (event) => {
    const change = KEYS[event.key];
    if (!change) return;
    event.preventDefault();
    event.stopPropagation();
    divide(change);
  });
  return handle;
}

/** What a key does to the divider's share of the width. */
const KEYS = {
  ArrowLeft: (share) => share - 0.02,
  ArrowRight: (share) => share + 0.02,
  Home: () => 0,
  End: () => 1,
};

const distance = (a, b) => Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY) || 1;
const middle = (a, b) => ({ clientX: (a.clientX + b.clientX) / 2, clientY: (a.clientY + b.clientY) / 2 });
