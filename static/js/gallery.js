// The gallery's keyboard, and filters that apply as they are chosen with only what is set in the address.
import { typing } from "./app.js";

const form = document.getElementById("filters");
const tiles = document.getElementById("tiles");

form.addEventListener("change", (event) => {
  if (event.target.matches("select, [type=checkbox]")) form.requestSubmit();
});
form.addEventListener("formdata", (event) => {
  for (const [name, value] of [...event.formData]) if (value === "") event.formData.delete(name);
});
document.documentElement.classList.add("scripted"); // hides the button that only pages without scripts need

document.addEventListener("keydown", (event) => {
  if (typing(event)) {
    if (event.key === "Escape") tiles?.querySelector(".tile")?.focus();
    return;
  }
  if (event.key === "f" || event.key === "F") {
    event.preventDefault();
    form.querySelector("select").focus();
    return;
  }
  if (event.key === "x" || event.key === "X") {
    const box = document.activeElement?.closest(".cell")?.querySelector(".tick");
    if (box) tick(box, event.shiftKey);
    return;
  }
  const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns(), ArrowDown: columns() }[event.key];
  if (!step || !tiles || document.querySelector("dialog[open]")) return;
  const all = [...tiles.querySelectorAll(".tile")];
  const here = all.indexOf(document.activeElement);
  const next = here < 0 ? all[0] : all[here + step];
  if (!next) return;
  event.preventDefault();
  next.focus({ preventScroll: true });
  next.scrollIntoView({ block: "nearest" });
});

// Ticked images: the bar below stands there while any is ticked; with Shift all between two are ticked.
const ticked = document.getElementById("ticked");
let last = null;

function tick(box, range) {
  box.checked = !box.checked;
  if (range) fill(box);
  last = box;
  count();
}

function fill(box) {
  const boxes = [...tiles.querySelectorAll(".tick")];
  const [from, to] = [boxes.indexOf(last), boxes.indexOf(box)].sort((a, b) => a - b);
  if (from >= 0) for (const between of boxes.slice(from, to + 1)) between.checked = box.checked;
}

function count() {
  const number = tiles.querySelectorAll(".tick:checked").length;
  document.getElementById("ticked-count").textContent = `${number} ticked`;
  ticked.hidden = number === 0;
}

if (ticked) {
  tiles.addEventListener("click", (event) => {
    if (!event.target.matches(".tick")) return;
    if (event.shiftKey) fill(event.target);
    last = event.target;
    count();
  });
  ticked.addEventListener("reset", () => setTimeout(count)); // it happens after the event
  window.addEventListener("pageshow", count); // a browser that goes back ticks again what was ticked
  count();
}

function columns() {
  return tiles ? getComputedStyle(tiles).gridTemplateColumns.split(" ").length : 1;
}

// Metric bounds stay open while somebody types; a click elsewhere closes them.
document.addEventListener("click", (event) => {
  for (const open of document.querySelectorAll("details:is(.pop, .popup)[open]")) {
    if (!open.contains(event.target)) open.open = false;
  }
});
