/**
 * Keys and buttons for looking, the same on every page that has a <ggt-viewer>. Digits and brackets go by position too,
 * so they work on every layout.
 *
 * Buttons of the group: data-mode="side|slider|single|difference", data-size (1:1 or fit; its [data-scale] says which),
 * data-peek (held), data-view="flicker|magnify|count|keep|mark|all". What is on has aria-pressed.
 */
const ARROWS = { ArrowLeft: [-0.15, 0], ArrowRight: [0.15, 0], ArrowUp: [0, -0.15], ArrowDown: [0, 0.15] };
const DIVIDE = { ArrowLeft: -0.02, ArrowRight: 0.02 };
const HELD = 350; // milliseconds after which letting go of L puts the loupe away: it was held, not switched on

/**
 * Bind a viewer to a group of buttons. `name` is where localStorage keeps the mode.
 *
 * Returns {action(event), repeats(event), setMode(mode)}: the page asks on keydown what a key does to the view
 * (undefined: nothing) and calls that; `repeats` says whether a key held down may do it again and again. Space and the end
 * of a held L are heard here.
 */
export function bindViewing(viewer, group, name) {
  const peek = group.querySelector("[data-peek]");
  const scale = group.querySelector("[data-scale]");
  let pressed = null; // when L went down and switched the loupe on

  const views = {
    flicker: { get: () => viewer.flickers, set: (on) => viewer.flicker(on) },
    magnify: { get: () => viewer.magnifies, set: (on) => viewer.magnify(on) },
    count: { get: () => viewer.counting.on, set: (on) => viewer.count(on) },
    keep: { get: () => viewer.keep, set: (on) => (viewer.keep = on) },
    mark: { get: () => viewer.marking, set: (on) => (viewer.marking = on) },
    all: { get: () => viewer.mode === "side" && viewer.compared.all, set: setAll },
  };
  const toggle = (view) => views[view].set(!views[view].get());
  const toggleSize = () => (viewer.getTransform() ? viewer.fit() : viewer.actualSize());

  function setMode(mode) {
    viewer.mode = mode;
    localStorage.setItem(name, mode);
  }
  function setPeek(on) {
    viewer.peek(on);
    peek?.setAttribute("aria-pressed", String(on));
  }
  function setAll(on) {
    const { a, b } = viewer.compared;
    if (on) setMode("side");
    viewer.setCompare(on ? null : b, a);
  }
  function loupe(event) {
    toggle("magnify");
    pressed = viewer.magnifies ? event.timeStamp : null;
  }
  function paint() {
    for (const button of group.querySelectorAll("[data-mode]")) {
      button.setAttribute("aria-pressed", String(button.dataset.mode === viewer.mode));
    }
    for (const button of group.querySelectorAll("[data-view]")) {
      button.setAttribute("aria-pressed", String(views[button.dataset.view].get()));
    }
  }

  const keys = {
    " ": () => setPeek(true),
    d: () => setMode(viewer.mode === "difference" ? "side" : "difference"),
    f: () => toggle("flicker"),
    l: loupe,
    n: () => toggle("count"),
    k: () => toggle("keep"),
    v: () => group.querySelector('[data-view="all"]') && toggle("all"),
    "+": () => viewer.zoom(1.25),
    "=": () => viewer.zoom(1.25),
    "-": () => viewer.zoom(0.8),
    "[": () => viewer.step(-1),
    "]": () => viewer.step(1),
    ",": () => viewer.stepCompare(-1),
    ".": () => viewer.stepCompare(1),
  };
  const digits = { 0: toggleSize, 1: () => setMode("side"), 2: () => setMode("slider") };
  const places = { BracketLeft: keys["["], BracketRight: keys["]"] };

  function action(event) {
    if (ARROWS[event.key]) {
      if (!event.shiftKey) return () => viewer.pan(...ARROWS[event.key]);
      const step = viewer.mode === "slider" && DIVIDE[event.key];
      return step ? () => viewer.divide((share) => share + step) : undefined;
    }
    const digit = /^(?:Digit|Numpad)(\d)$/.exec(event.code)?.[1];
    return digit && !event.shiftKey ? digits[digit] : (keys[event.key.toLowerCase()] ?? places[event.code]);
  }
  const repeats = (event) => Boolean(ARROWS[event.key]) || "+=-".includes(event.key);

  document.addEventListener("keyup", (event) => {
    if (event.key === " ") setPeek(false);
    if (event.key.toLowerCase() !== "l") return;
    if (pressed !== null && event.timeStamp - pressed > HELD) viewer.magnify(false);
    pressed = null;
  });
  addEventListener("blur", () => setPeek(false));
  peek?.addEventListener("pointerdown", (event) => {
    peek.setPointerCapture(event.pointerId);
    setPeek(true);
  });
  for (const end of ["pointerup", "pointercancel"]) peek?.addEventListener(end, () => setPeek(false));
  group.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button?.dataset.mode) setMode(button.dataset.mode);
    else if (button?.dataset.view) toggle(button.dataset.view);
    else if (button && "size" in button.dataset) toggleSize();
  });
  viewer.addEventListener("state", paint);
  viewer.addEventListener("transform", () => {
    const shown = `${Math.round(viewer.scale * 100)} %`;
    if (scale) scale.textContent = viewer.getTransform() ? shown : `Fit ${shown}`;
  });

  const mode = localStorage.getItem(name);
  if (mode) viewer.mode = mode;
  paint();
  return { action, repeats, setMode };
}

/** Whether a key press is a plain one. [ and ] are typed with Alt, or Ctrl and Alt, on many keyboards. */
export const plain = (event) =>
  !(event.ctrlKey || event.metaKey || event.altKey) || (event.altKey && !event.metaKey && "[]".includes(event.key));
