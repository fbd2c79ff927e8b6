/** Keys for deciding, and the side panel, on the review page. They can be changed; those for looking are in viewer-keys.js. */
import { bindKeyDialog, Keymap } from "./keymap.js";
import { bindViewing, plain } from "./viewer-keys.js";

const DEFAULTS = {
  accept: "a",
  reject: "r",
  details: "e",
  regenerate: "g",
  skip: "s",
  undo: "z",
  mark: "m",
  info: "i",
  verdict: "j",
  artifact: "x",
  structure: "t",
  content: "c",
  color: "h",
};
const MOVES = {
  ArrowLeft: { dx: -1, dy: 0 },
  ArrowRight: { dx: 1, dy: 0 },
  ArrowUp: { dx: 0, dy: -1 },
  ArrowDown: { dx: 0, dy: 1 },
};
const REASONS = new Set(["artifact", "structure", "content", "color"]);
/** What has a meaning of its own whatever else is changed: moving, looking, digits for reasons, the dialog itself. */
const TAKEN = new Set([..."1234567890dflnkv[]+-=?,.", " ", "enter", "escape", "tab", "arrowleft", "arrowright", "arrowup", "arrowdown"]);

export function bindKeys({ viewer, panel, undo, skip, decide }) {
  const review = document.getElementById("review");
  const info = document.querySelector("[data-info]");
  const viewing = bindViewing(viewer, document.querySelector(".views"), "ggt-review-mode");
  const keymap = new Keymap("ggt-review-keys", DEFAULTS);

  function setInfo(on) {
    review.classList.toggle("with-info", on);
    info.setAttribute("aria-pressed", String(on));
    localStorage.setItem("ggt-review-info", on ? "on" : "");
  }
  function toggleVerdict() {
    const verdict = document.querySelector("#info .verdict");
    const open = !verdict?.open || !review.classList.contains("with-info");
    if (open) setInfo(true);
    if (verdict) verdict.open = open;
  }

  const actions = {
    accept: (event) => (event.shiftKey ? panel.show("accept") : decide({ decision: "accept" }, event.timeStamp)),
    reject: () => panel.show("reject"),
    details: () => panel.show("accept"),
    regenerate: () => panel.show("regenerate"),
    skip: (event) => skip(event.timeStamp),
    undo: (event) => undo(event.timeStamp),
    mark: () => (viewer.marking = !viewer.marking),
    info: () => setInfo(!review.classList.contains("with-info")),
    verdict: toggleVerdict,
  };
  /** Reject at once for a reason; with Shift the panel opens on it, for scores and a note. */
  const forReason = (reason) => (event) =>
    event.shiftKey ? panel.show("reject", reason) : decide({ decision: "reject", reasons: [reason] }, event.timeStamp);

  /** What a key does now, or undefined. */
  function action(event) {
    const key = event.key.toLowerCase();
    const name = keymap.actionOf(key);
    if (panel.open) {
      const digit = /^(?:Digit|Numpad)(\d)$/.exec(event.code)?.[1];
      if (key === "enter") return () => panel.submit();
      if (["reject", "details", "regenerate"].includes(name)) return actions[name];
      return digit >= 1 && digit <= 5 ? () => panel.toggle(digit - 1) : undefined;
    }
    if (viewer.marking && MOVES[event.key]) return () => viewer.mark({ ...MOVES[event.key], resize: event.shiftKey });
    if (viewer.marking && key === "enter") return () => viewer.mark("place");
    if (viewer.marking && ["backspace", "delete"].includes(key)) return () => viewer.mark("remove");
    if (REASONS.has(name)) return forReason(name);
    return actions[name] ?? viewing.action(event);
  }

  document.addEventListener("keydown", (event) => {
    if (document.querySelector("dialog[open]") || !plain(event)) return;
    if (event.key === "Escape") return viewer.marking && !panel.open ? (viewer.marking = false) : panel.close();
    if (event.target.closest('textarea, select, input:not([type="checkbox"])')) return;
    if (event.target.closest("button, a, summary") && [" ", "Enter"].includes(event.key)) return;
    const wanted = action(event);
    if (!wanted) return;
    event.preventDefault();
    // A key held down must not decide on pairs nobody has seen; moving and zooming may repeat.
    if (!event.repeat || viewing.repeats(event)) wanted(event);
  });

  document.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    if (button === info) actions.info();
    if (event.detail && button.closest("#bar, .top")) button.blur(); // so that Space flickers and does not click again
  });

  setInfo(localStorage.getItem("ggt-review-info") === "on");
  bindKeyDialog(document.getElementById("keys"), keymap, TAKEN);
}
