// The image page: the two <img> become one viewer with zoom in sync, all attempts its choices; keys lead to the images
// before and after.
import { bindViewing, plain } from "./viewer-keys.js";

const PLACE = "ggt-image-view"; // zoom and position, from image to image in this tab

const compare = document.getElementById("compare");
const modes = document.getElementById("modes");
const pair = [...compare.querySelectorAll("img")].map((img) => ({ url: img.src, label: img.dataset.label }));
const shots = [...document.querySelectorAll("a[data-show]")];
const attempts = shots.map((shot) => ({ url: shot.href, label: shot.dataset.show, facts: scores(shot, 2) }));
const choices = [pair[0], ...attempts];
const viewer = Object.assign(document.createElement("ggt-viewer"), { tabIndex: 0 });
let viewing = null;

if (pair.length === 2 && (await viewerReady())) start();

/** Whether the viewer's element exists; without it the plain images stay. */
async function viewerReady() {
  const late = new Promise((resolve) => setTimeout(resolve, 3000, false));
  return Promise.race([customElements.whenDefined("ggt-viewer").then(() => true), late]);
}

/** The scores beside an attempt as [[name, value]], of the LQ (column 1) or the HQ (column 2). */
function scores(shot, column) {
  const rows = [...(shot.closest(".attempt")?.querySelectorAll(".scores tbody tr") ?? [])];
  const values = rows.map((row) => [row.cells[0].firstChild.textContent.trim(), row.cells[column].textContent.trim()]);
  return values.filter(([, value]) => /\d/.test(value));
}

function start() {
  let current = choices.findIndex(({ url }) => url === pair[1].url);
  if (current < 0) current = choices.push(pair[1]) - 1;
  else choices[0].facts = scores(shots[current - 1], 1);
  viewer.setAttribute("role", "group");
  viewer.setAttribute("aria-label", "LQ and HQ");
  compare.replaceChildren(viewer);
  viewing = bindViewing(viewer, modes, "ggt-image-mode");
  viewer.setCompare(current);
  if (viewer.keep) viewer.setTransform(JSON.parse(sessionStorage.getItem(PLACE)));
  viewer.setImages(choices);
  addEventListener("pagehide", () => sessionStorage.setItem(PLACE, JSON.stringify(relative())));
  // A picture that was only dragged must not take the arrows from the images before and after; Tab leads to it.
  viewer.addEventListener("mousedown", (event) => event.composedPath()[0].role !== "slider" && event.preventDefault());
  if (choices.length > 2) offer();
  modes.hidden = false;
}

/** The view in shares of the frame, which is another one for the next image; null while fitted. */
function relative() {
  const view = viewer.getTransform();
  if (!view) return null;
  const { scale, x, y } = view;
  return { scale, x: x / viewer.frame.width, y: y / viewer.frame.height };
}

/** Let the two that are compared be chosen. */
function offer() {
  const chooser = modes.querySelector("[data-compare]");
  const [first, second] = chooser.querySelectorAll("select");
  for (const select of [first, second]) {
    select.replaceChildren(...choices.map(({ label }, index) => new Option(label, index)));
    select.addEventListener("change", () => viewer.setCompare(Number(second.value), Number(first.value)));
  }
  const paint = () => {
    const { a, b } = viewer.compared;
    first.value = a;
    second.value = b;
    modes.querySelector("[data-peek]").firstChild.data = `${choices[a].label} `;
  };
  viewer.addEventListener("state", paint);
  paint();
  chooser.hidden = false;
}

// A click on an attempt shows it in the viewer, beside what it is compared with.
document.addEventListener("click", (event) => {
  const shot = event.target.closest("a[data-show]");
  if (!shot || modes.hidden || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  const { a } = viewer.compared;
  const chosen = choices.findIndex(({ url }) => url === shot.href);
  viewer.setCompare(chosen, chosen === a ? 0 : a);
  compare.scrollIntoView({ block: "nearest" });
});

document.addEventListener("keydown", (event) => {
  if (!plain(event) || event.defaultPrevented || document.querySelector("dialog[open]")) return;
  if (event.target.closest("input, textarea, select, [contenteditable]")) return;
  if (event.target.closest("button, a, summary") && event.key === " ") return;
  const beside = { ArrowLeft: "before", ArrowRight: "after" }[event.key];
  // In the viewer the arrows move the picture; with Shift they move the divider from anywhere.
  if (beside && !event.shiftKey && !event.target.closest("ggt-viewer")) document.getElementById(beside).click();
  else if (event.key === "Escape") document.querySelector(".crumb a").click();
  else if (/^Arrow[UD]/.test(event.key) && !event.target.closest("ggt-viewer")) return; // they scroll the page
  else {
    const wanted = viewing?.action(event);
    if (!wanted) return;
    event.preventDefault();
    if (!event.repeat || viewing.repeats(event)) wanted(event);
  }
});
