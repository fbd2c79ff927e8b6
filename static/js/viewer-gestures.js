/** Mouse, pen and fingers on <ggt-viewer>. */

/**
 * Turns wheel, drag, pinch and double click on a viewer into calls: pan(dx, dy) in device pixels of the view's movement,
 * zoom(factor, point) and toggle(point) with the point in client coordinates.
 */
export function followPointers(viewer, { pan, zoom, toggle }) {
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
    viewer.classList.add("dragging");
  });
  viewer.addEventListener("pointermove", (event) => {
    const before = held.get(event.pointerId);
    if (!before) return;
    const other = [...held.values()].find(({ pointerId }) => pointerId !== event.pointerId);
    held.set(event.pointerId, event);
    const share = devicePixelRatio / (other ? 2 : 1); // of two fingers each moves their middle by half
    pan((before.clientX - event.clientX) * share, (before.clientY - event.clientY) * share);
    if (other) zoom(distance(event, other) / distance(before, other), middle(event, other));
  });
  for (const end of ["pointerup", "pointercancel"]) {
    viewer.addEventListener(end, ({ pointerId }) => {
      held.delete(pointerId);
      if (!held.size) viewer.classList.remove("dragging");
    });
  }
  viewer.addEventListener("dblclick", toggle);
}

/** The divider of slider mode. It calls divide(change) with a function from the old share of the width to the new one. */
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
  handle.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -0.02, ArrowRight: 0.02 }[event.key];
    if (!step) return;
    event.preventDefault();
    event.stopPropagation();
    divide((share) => share + step);
  });
  return handle;
}

const distance = (a, b) => Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY) || 1;
const middle = (a, b) => ({ clientX: (a.clientX + b.clientX) / 2, clientY: (a.clientY + b.clientY) / 2 });
