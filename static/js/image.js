// The image page: the two <img> become one viewer with zoom in sync, and keys lead to the images before and after.
import { typing } from "./app.js";

const compare = document.getElementById("compare");
const modes = document.getElementById("modes");
const pair = [...compare.querySelectorAll("img")].map((img) => ({ url: img.src, label: img.dataset.label }));
const viewer = document.createElement("ggt-viewer");

if (pair.length === 2 && (await viewerReady())) {
  compare.replaceChildren(viewer);
  viewer.setImages(pair);
  modes.hidden = false;
}

/** Whether the viewer's element exists; without it the plain images stay. */
async function viewerReady() {
  const late = new Promise((resolve) => setTimeout(resolve, 3000, false));
  return Promise.race([customElements.whenDefined("ggt-viewer").then(() => true), late]);
}

function setMode(mode) {
  viewer.setAttribute("mode", mode);
  for (const button of modes.querySelectorAll("[data-mode]")) button.setAttribute("aria-pressed", String(button.dataset.mode === mode));
}

function toggleZoom() {
  if (viewer.getTransform()) viewer.fit();
  else viewer.actualSize();
}

modes.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (button?.dataset.mode) setMode(button.dataset.mode);
  else if (button) toggleZoom();
});

// A click on an attempt shows it in the viewer, beside the LQ.
document.addEventListener("click", (event) => {
  const shot = event.target.closest("a[data-show]");
  if (!shot || modes.hidden || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  viewer.setImages([pair[0], { url: shot.href, label: shot.dataset.show }]);
  compare.scrollIntoView({ block: "nearest" });
});

document.addEventListener("keydown", (event) => {
  if (typing(event) || document.querySelector("dialog[open]")) return;
  if (event.key === "ArrowLeft" || event.key === "ArrowRight") {
    if (event.target.closest("ggt-viewer")) return; // there the arrows move the picture
    document.getElementById(event.key === "ArrowLeft" ? "before" : "after").click();
  } else if (event.key === "Escape") document.querySelector(".crumb a").click();
  else if (!modes.hidden) {
    const mode = { 1: "side", 2: "slider", d: "difference", D: "difference" }[event.key];
    if (mode) setMode(mode);
    else if (event.key === "0") toggleZoom();
  }
});
