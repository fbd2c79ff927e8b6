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

function columns() {
  return tiles ? getComputedStyle(tiles).gridTemplateColumns.split(" ").length : 1;
}

// Metric bounds stay open while somebody types; a click elsewhere closes them.
document.addEventListener("click", (event) => {
  const open = document.querySelector("details.pop[open]");
  if (open && !open.contains(event.target)) open.open = false;
});
