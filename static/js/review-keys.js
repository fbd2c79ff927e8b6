/** Keys, view buttons and their memory on the review page. Digits go by position, so they work on every layout. */
const AT_ONCE = { x: "artifact", t: "structure", c: "content", h: "color" };
const ARROWS = { ArrowLeft: [-0.15, 0], ArrowRight: [0.15, 0], ArrowUp: [0, -0.15], ArrowDown: [0, 0.15] };

export function bindKeys({ viewer, reject, undo, skip, decide }) {
  const review = document.getElementById("review");
  const info = document.querySelector("[data-info]");
  const peek = document.querySelector("[data-peek]");
  const scale = document.querySelector("[data-scale]");

  function setMode(mode) {
    viewer.mode = mode;
    localStorage.setItem("ggt-review-mode", mode);
    for (const button of document.querySelectorAll("[data-mode]")) {
      button.setAttribute("aria-pressed", String(button.dataset.mode === mode));
    }
  }
  function setInfo(on) {
    review.classList.toggle("with-info", on);
    info.setAttribute("aria-pressed", String(on));
    localStorage.setItem("ggt-review-info", on ? "on" : "");
  }
  function setPeek(on) {
    viewer.peek(on);
    peek.setAttribute("aria-pressed", String(on));
  }
  function toggleVerdict() {
    const verdict = document.querySelector("#info .verdict");
    const open = !verdict?.open || !review.classList.contains("with-info");
    if (open) setInfo(true);
    if (verdict) verdict.open = open;
  }
  const toggleSize = () => (viewer.getTransform() ? viewer.fit() : viewer.actualSize());

  const keys = {
    a: (event) => decide("accept", [], "", event.timeStamp),
    r: () => reject.show(),
    s: (event) => skip(event.timeStamp),
    z: (event) => undo(event.timeStamp),
    d: () => setMode(viewer.mode === "difference" ? "side" : "difference"),
    i: () => setInfo(!review.classList.contains("with-info")),
    j: toggleVerdict,
    "+": () => viewer.zoom(1.25),
    "=": () => viewer.zoom(1.25),
    "-": () => viewer.zoom(0.8),
  };
  const digits = { 0: toggleSize, 1: () => setMode("side"), 2: () => setMode("slider") };

  /** What a key does now, or undefined. */
  function action(event) {
    const key = event.key.toLowerCase();
    const digit = /^(?:Digit|Numpad)(\d)$/.exec(event.code)?.[1];
    if (reject.open) {
      if (key === "enter") return () => reject.submit();
      if (key === "r") return () => reject.close();
      return digit >= 1 && digit <= 5 ? () => reject.toggle(digit - 1) : undefined;
    }
    if (key === " ") return () => setPeek(true);
    if (ARROWS[event.key]) return () => viewer.pan(...ARROWS[event.key]);
    if (AT_ONCE[key]) return () => decide("reject", [AT_ONCE[key]], "", event.timeStamp);
    return digit ? digits[digit] : keys[key];
  }

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    if (event.key === "Escape") return reject.close();
    if (event.target.closest('textarea, select, input:not([type="checkbox"])')) return;
    if (event.target.closest("button, a, summary") && [" ", "Enter"].includes(event.key)) return;
    const wanted = action(event);
    if (!wanted) return;
    event.preventDefault();
    // A key held down must not decide on pairs nobody has seen; moving and zooming may repeat.
    if (!event.repeat || ARROWS[event.key] || "+=-".includes(event.key)) wanted(event);
  });
  document.addEventListener("keyup", (event) => event.key === " " && setPeek(false));
  addEventListener("blur", () => setPeek(false));

  peek.addEventListener("pointerdown", (event) => {
    peek.setPointerCapture(event.pointerId);
    setPeek(true);
  });
  for (const end of ["pointerup", "pointercancel"]) peek.addEventListener(end, () => setPeek(false));

  document.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    if (button.dataset.mode) setMode(button.dataset.mode);
    else if ("size" in button.dataset) toggleSize();
    else if (button === info) keys.i();
    if (event.detail && button.closest("#bar, .top")) button.blur(); // so that Space flickers and does not click again
  });
  viewer.addEventListener("transform", () => {
    const shown = `${Math.round(viewer.scale * 100)} %`;
    scale.textContent = viewer.getTransform() ? shown : `Fit ${shown}`;
  });

  setMode(localStorage.getItem("ggt-review-mode") ?? "side");
  setInfo(localStorage.getItem("ggt-review-info") === "on");
}
