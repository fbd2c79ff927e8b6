// Adjudication: LQ and HQ in one viewer, and keys that press the forms' buttons. On the list only N and Z do anything.
// Without it the forms do all.
import { typing } from "./app.js";
import { bindViewing, plain } from "./viewer-keys.js";

const compare = document.getElementById("compare"); // missing on the list
const modes = document.getElementById("modes");
const form = document.getElementById("settle"); // missing once it is settled
const reasons = document.getElementById("reasons");
const pair = [...(compare?.querySelectorAll("img") ?? [])].map((img) => ({ url: img.src, label: img.dataset.label }));
const late = new Promise((resolve) => setTimeout(resolve, 3000, false));
let viewing = null;

if (compare && (await Promise.race([customElements.whenDefined("ggt-viewer").then(() => true), late]))) {
  const viewer = document.createElement("ggt-viewer");
  compare.replaceChildren(viewer);
  viewer.setImages(pair);
  modes.hidden = false;
  viewing = bindViewing(viewer, modes, "ggt-adjudicate-mode");
}

const boxes = () => [...reasons.querySelectorAll("input")];
const choosing = () => Boolean(reasons?.contains(document.activeElement));
const decide = (decision) => form?.querySelector(`[value="${decision}"][name="decision"]`).click();

/** The first press goes to the reasons; with reasons chosen it sends. */
function reject() {
  if (!form) return;
  if (boxes().some((box) => box.checked)) decide("reject");
  else boxes()[0].focus();
}

const keys = {
  a: () => decide("accept"),
  r: reject,
  n: () => (document.getElementById("after") ?? document.querySelector("a.case"))?.click(),
  j: () => {
    const judged = document.querySelector(".judged");
    if (judged) judged.open = !judged.open;
  },
  z: () => document.querySelector("#undo button")?.click(),
};

// A form sent twice is stored once by its key; the buttons rest so that nobody wonders.
form?.addEventListener("submit", () => setTimeout(() => form.querySelectorAll("button").forEach((button) => (button.disabled = true))));
addEventListener("pageshow", () => form?.querySelectorAll("button").forEach((button) => (button.disabled = false)));

document.addEventListener("keydown", (event) => {
  if (document.querySelector("dialog[open]") || !plain(event)) return;
  if (choosing()) {
    const digit = /^(?:Digit|Numpad)([1-5])$/.exec(event.code)?.[1];
    if (digit) boxes()[digit - 1].click();
    else if (event.key === "Escape") document.activeElement.blur();
    else if (event.key === "Enter") decide("reject");
    else if (event.key.toLowerCase() === "r" && !event.repeat) reject();
    else return;
    event.preventDefault();
    return;
  }
  if (typing(event) || event.target.closest?.("summary, select")) return;
  const key = event.key.toLowerCase();
  const action = event.shiftKey ? undefined : keys[key];
  const look = action ? undefined : viewing?.action(event);
  if (!action && !look) return;
  if (event.key === " " && event.target.closest?.("button, a, input")) return;
  if (event.repeat && !viewing?.repeats(event)) return event.preventDefault();
  event.preventDefault();
  (action ?? look)(event);
});
