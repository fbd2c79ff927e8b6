/** One picture of a grid as large as the window lets it be, with the grid's keys. Arrows lead to the pictures beside it. */
import "./viewer.js";

const ABOUT = "ggt-sift-about"; // whether what is known of a picture stands beside it

/**
 * `decide(cell, answer)` returns the cell to show then, or null at the end of the list, or a promise of either; `undo()`
 * shows what is undecided again; `beside(cell, step)` returns a neighbour or null.
 *
 * Returns {open, show(cell), repaint(cell)}.
 */
export function makeLarge(dialog, { decide, undo, beside }) {
  const viewer = dialog.querySelector("ggt-viewer");
  const about = dialog.querySelector("aside");
  const button = dialog.querySelector("[data-about]");
  const scale = dialog.querySelector("[data-scale]");
  let cell = null;
  let turning = false; // while the next page is fetched no key may decide on the picture that is still shown

  const keys = new Map(
    JSON.parse(document.getElementById("sift-data").textContent).answers.map(({ key, value }) => [key, value]),
  );

  function show(wanted) {
    if (!wanted) return dialog.close();
    cell = wanted;
    if (!dialog.open) {
      dialog.showModal();
      viewer.focus();
    }
    const { name, large: url, about: page } = cell.dataset;
    dialog.querySelector("#large-name").textContent = name;
    dialog.querySelector("#large-page").href = page;
    viewer.setImages([{ url, label: name }]);
    viewer.preload([1, 2].map((step) => beside(cell, step)?.dataset.large).filter(Boolean));
    repaint(cell);
    if (!about.hidden) tell();
  }

  function repaint(changed) {
    if (changed !== cell) return;
    const mark = dialog.querySelector("#large-mark");
    mark.textContent = cell.querySelector(".mark").textContent;
    mark.hidden = cell.querySelector(".mark").hidden;
    mark.className = `badge ${cell.dataset.tone ?? ""}`;
  }

  async function tell() {
    const wanted = cell;
    let text = "";
    try {
      const response = await fetch(wanted.dataset.about, { headers: { "HX-Request": "true", Accept: "text/html" } });
      if (response.ok) text = await response.text();
    } catch {
      // said below
    }
    if (wanted !== cell) return;
    about.innerHTML = text;
    if (!text) about.textContent = "What is known of it could not be loaded.";
  }

  function setAbout(on) {
    about.hidden = !on;
    button.setAttribute("aria-pressed", String(on));
    localStorage.setItem(ABOUT, on ? "on" : "");
    if (on && cell) tell();
  }

  function step(by) {
    const to = beside(cell, by);
    if (to) show(to);
  }

  async function answer(value) {
    if (turning) return;
    turning = true;
    const to = await decide(cell, value);
    turning = false;
    if (dialog.open) show(to);
  }

  function action(event) {
    const key = event.key.toLowerCase();
    const digit = /^(?:Digit|Numpad)(\d)$/.exec(event.code)?.[1];
    if (key === "0") return () => (viewer.getTransform() ? viewer.fit() : viewer.actualSize());
    const found = event.shiftKey ? undefined : keys.get(digit ?? key);
    if (found) return () => answer(found);
    return {
      arrowleft: () => step(-1),
      arrowright: () => step(1),
      arrowup: () => step(-1),
      arrowdown: () => step(1),
      " ": () => dialog.close(),
      i: () => setAbout(about.hidden),
      z: undo,
      "+": () => viewer.zoom(1.25),
      "=": () => viewer.zoom(1.25),
      "-": () => viewer.zoom(0.8),
    }[key];
  }

  dialog.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === " " && event.target.closest("button, a")) return;
    if (event.key.startsWith("Arrow") && event.target.closest("aside")) return; // they scroll it
    const wanted = action(event);
    if (!wanted) return;
    event.preventDefault();
    event.stopPropagation();
    if (!event.repeat || /^(Arrow|[+=-])/.test(event.key)) wanted();
  });
  dialog.addEventListener("click", ({ target }) => {
    const pressed = target.closest("button");
    if (!pressed) return;
    if (pressed.dataset.answer) answer(pressed.dataset.answer);
    else if (pressed.dataset.beside) step(Number(pressed.dataset.beside));
    else if ("undo" in pressed.dataset) undo();
    else if ("close" in pressed.dataset) dialog.close();
    else if (pressed === button) setAbout(about.hidden);
    if (!("close" in pressed.dataset)) viewer.focus({ preventScroll: true }); // so that Space closes and does not press again
  });
  dialog.addEventListener("close", () => {
    viewer.setImages([]);
    viewer.preload([]);
    const tile = cell?.isConnected && cell.querySelector(".tile");
    cell = null;
    if (!tile) return;
    tile.focus({ preventScroll: true });
    tile.scrollIntoView({ block: "nearest" });
  });
  viewer.addEventListener("transform", () => {
    scale.textContent = `${viewer.getTransform() ? "" : "Fit "}${Math.round(viewer.scale * 100)} %`;
  });
  setAbout(localStorage.getItem(ABOUT) === "on");

  return {
    get open() {
      return dialog.open;
    },
    show,
    repaint,
  };
}
