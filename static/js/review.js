/**
 * The review page. A decision is painted first and sent afterwards: the next pair is already decoded, the decision lies in
 * the outbox. Only what is really on screen can be decided on.
 */
import "./viewer.js";
import { newKey, Outbox } from "./outbox.js";
import { makeAnswerPanel } from "./review-answer.js";
import { bindKeys } from "./review-keys.js";
import { makeStatus } from "./review-status.js";

const DECIDE = "/review/decide";
const AHEAD = 5;
const SHORT = 3; // pairs left at which more are asked for, should answers to decisions not bring them
const HISTORY = 50;
const HEARTBEAT = 60_000;
const RENEW_AGAIN = 15_000; // until then leases hold by themselves, and the numbers in the top bar are kept up here
const POLL_EMPTY = 15_000;
const IDLE = 10 * 60_000; // whoever went home gives their pairs back

const $ = (selector) => document.querySelector(selector);
const data = JSON.parse($("#review-data").textContent);
const viewer = $("#viewer");
const outbox = new Outbox({
  userId: data.user_id,
  csrf: $('meta[name="csrf"]').content,
  whoami: "/review/me",
  along: ({ path }) => (path === DECIDE ? [["more", JSON.stringify(wanted())]] : []),
});
const status = makeStatus($("#saved"), $("#progress"));

const held = []; // leased pairs, the first is on screen
const history = []; // {key, item} of this page's decisions, newest last
const skipped = new Set();
const touched = new Map(); // image id -> when it was last decided, undone or skipped here
let ready = false;
let active = performance.now();
let polling = 0;

const toast = (message, kind = "") => document.dispatchEvent(new CustomEvent("toast", { detail: { message, kind } }));
const unsent = () => new Set(outbox.entries().map(({ imageId }) => imageId));

/** Put the first held pair on screen. `pressed` is the time of the key that asked for it, for the measurement. */
async function show(pressed) {
  const item = held[0];
  setReady(false);
  panel.about(item);
  if (item) {
    const painting = viewer.setImages(item.images);
    $("#info").innerHTML = item.info;
    viewer.preload(held.flatMap(({ images }) => images.map(({ url }) => url)));
    status.empty(false);
    const painted = await painting;
    if (item !== held[0]) return;
    setReady(painted);
    if (pressed && painted) measure(pressed);
  } else {
    viewer.setImages([]);
    viewer.preload([]);
    $("#main").setAttribute("aria-busy", "false");
    $("#info").replaceChildren();
    status.empty(true, skipped.size);
  }
  for (const button of document.querySelectorAll("#accept button, #answer [name=decision], [data-answer]")) {
    button.toggleAttribute("disabled", !held.length);
  }
  const link = $("[data-skip]");
  link.setAttribute("aria-disabled", String(!held.length));
  if (held.length) link.href = link.dataset.skip;
  else link.removeAttribute("href");
}

/** Whether the pair is painted; until then no decision is taken. */
function setReady(value) {
  ready = value;
  $("#main").setAttribute("aria-busy", String(!value));
}

function measure(start) {
  performance.clearMeasures("ggt:next-pair-painted");
  performance.measure("ggt:next-pair-painted", { start });
}

/** `answer` is {decision, reasons, note, scores, marks}; all but the decision may be left out. */
function decide({ decision, reasons = [], note = "", scores = {}, marks = [] }, pressed) {
  if (!ready) return;
  if (!marks.length) marks = viewer.marks;
  const item = held.shift();
  const key = newKey();
  history.push({ key, item });
  history.splice(0, history.length - HISTORY);
  touched.set(item.image_id, performance.now());
  const fields = { key, image_id: item.image_id, candidate_id: item.candidate_id, decision, note };
  outbox.add({
    path: DECIDE,
    key,
    imageId: item.image_id,
    label: item.name,
    fields: [
      ...Object.entries(fields),
      ...reasons.map((reason) => ["reasons", reason]),
      ...Object.entries(scores).map(([aspect, score]) => ["score", `${aspect}:${score}`]),
      ...marks.map((mark) => ["mark", mark.map((share) => share.toFixed(5)).join(",")]),
    ],
  });
  status.count(1);
  show(pressed);
  if (held.length <= SHORT) sync();
}

async function undo(pressed) {
  const last = history.pop();
  if (!last) return undoEarlier();
  const { key, item } = last;
  touched.set(item.image_id, performance.now());
  outbox.add({ path: "/review/undo", key, imageId: item.image_id, label: item.name, fields: [["key", key]] });
  status.count(-1);
  held.unshift(item);
  show(pressed);
  trim();
}

/** Undo a decision made before this page was loaded. It has no key here, so it is asked for once and never retried. */
async function undoEarlier() {
  if (outbox.count) return toast("Wait until everything is saved, then undo again.");
  try {
    const response = await post("/review/undo", new URLSearchParams());
    const answer = await response.json();
    if (!response.ok) return toast(answer.detail, "bad");
    if (answer.item && !held.some(({ image_id: id }) => id === answer.image_id)) held.unshift(answer.item);
    touched.set(answer.image_id, performance.now());
    show();
    trim();
  } catch {
    toast("Undo needs the server, which does not answer. Nothing was changed.", "bad");
  }
}

function skip(pressed) {
  const item = held.shift();
  if (!item) return;
  skipped.add(item.image_id);
  touched.set(item.image_id, performance.now());
  release([item]);
  show(pressed);
  sync();
}

/** Undone pairs come on top; what is then too much goes back to the others. */
function trim() {
  release(held.splice(AHEAD + 3));
}

function release(items) {
  if (!items.length) return;
  const body = new URLSearchParams(items.map(({ image_id: id }) => ["image_id", id]));
  body.append("csrf", outbox.csrf);
  navigator.sendBeacon("/review/release", body);
}

const post = (path, body) =>
  fetch(path, {
    method: "POST",
    body,
    headers: {
      Accept: "application/json",
      "X-CSRF-Token": outbox.csrf,
      ...(typeof body === "string" && { "Content-Type": "application/json" }),
    },
  });

let renewed = -Infinity; // when the server last looked after the leases and counted
let syncing = false;
let syncAgain = false;

/** What to ask the server for: fill up and, now and then, keep what is held, say what was lost and how much is left. */
function wanted() {
  const busy = unsent();
  const here = held.map(({ image_id: id }) => id).filter((id) => !busy.has(id));
  const due = performance.now() - renewed > RENEW_AGAIN || !here.length;
  return {
    held: due ? here : [],
    exclude: [...(due ? [] : here), ...busy, ...skipped].slice(0, 500),
    want: Math.max(0, AHEAD + 1 - held.length),
    day_start: new Date(new Date().setHours(0, 0, 0, 0)).toISOString(),
    progress: due,
    ...data.filters,
  };
}

async function sync() {
  if (syncing) return void (syncAgain = true);
  syncing = true;
  const started = performance.now();
  try {
    const response = await post("/review/queue", JSON.stringify(wanted()));
    if (response.ok) merge(await response.json(), started);
    else if (response.status === 401 || response.status === 403) {
      const trouble = await outbox.identify();
      if (trouble) status.saved({ kind: trouble, count: outbox.count });
    }
  } catch {
    status.saved({ kind: navigator.onLine ? "server" : "offline", count: outbox.count });
  } finally {
    syncing = false;
  }
  clearTimeout(polling);
  if (syncAgain) {
    syncAgain = false;
    sync();
  } else if (!held.length) polling = setTimeout(beat, POLL_EMPTY);
}

function merge({ items, lost, empty, progress }, started) {
  const busy = unsent();
  // What was decided, undone or skipped while the answer was on its way is known better here.
  const stale = (id) => busy.has(id) || (touched.get(id) ?? -1) > started;
  const before = held[0];
  const gone = new Set(lost.filter((id) => !stale(id)));
  const kept = held.filter(({ image_id: id }) => !gone.has(id));
  const here = new Set(kept.map(({ image_id: id }) => id));
  held.splice(0, held.length, ...kept, ...items.filter(({ image_id: id }) => !here.has(id) && !stale(id)));
  if (before && gone.has(before.image_id)) toast(`${before.name} was decided by somebody else meanwhile.`);
  for (const [id, when] of touched) if (when < started - IDLE) touched.delete(id);
  if (progress) {
    status.progress(progress, busy.size);
    renewed = started;
  }
  if (!outbox.count) status.saved({ kind: "saved", count: 0 });
  if (empty) status.emptyText(empty.text);
  if (held[0] !== before || !held.length) show();
  else viewer.preload(held.flatMap(({ images }) => images.map(({ url }) => url)));
}

function beat() {
  if (performance.now() - active < IDLE) sync();
}

outbox.addEventListener("state", ({ detail }) => status.saved(detail));
outbox.addEventListener("accepted", ({ detail: { entry, answer, sentAt } }) => {
  if (entry.path !== DECIDE) return;
  if (answer.more) merge(answer.more, sentAt);
  else sync(); // also after what an older page or another tab sent
});
outbox.addEventListener("refused", ({ detail: { entry, message } }) => {
  toast(message, "bad");
  const at = history.findIndex(({ key }) => key === entry.key);
  if (at >= 0) history.splice(at, 1);
  if (entry.path === "/review/undo" && held[0]?.image_id === entry.imageId) {
    held.shift();
    show();
  }
  sync();
});

const panel = makeAnswerPanel($("#answer"), { userId: data.user_id, send: decide, marks: () => viewer.marks });
bindKeys({ viewer, panel, undo, skip, decide });

document.addEventListener("submit", (event) => {
  if (event.target.id === "accept") decide({ decision: "accept" }, event.timeStamp);
  else if (event.target.id === "undo") undo(event.timeStamp);
  else return;
  event.preventDefault();
});
document.addEventListener("click", (event) => {
  if (event.target.closest("[data-skip]")) {
    event.preventDefault();
    skip(event.timeStamp);
  } else if (event.target.closest("[data-skipped]")) {
    skipped.clear();
    sync();
  }
});
for (const kind of ["pointerdown", "keydown", "wheel"]) {
  addEventListener(
    kind,
    () => {
      const idle = performance.now() - active > HEARTBEAT;
      active = performance.now();
      if (idle) sync(); // back at the desk: see what is still ours
    },
    { passive: true },
  );
}
viewer.addEventListener("broken", ({ detail }) => {
  toast(`${detail} of ${held[0]?.name} could not be loaded; trying again.`, "bad");
  setTimeout(() => !ready && show(), 3000);
});
addEventListener("online", () => {
  if (!ready) show();
  sync();
});
addEventListener("pagehide", () => release(held));
addEventListener("pageshow", (event) => event.persisted && location.reload());
setInterval(beat, HEARTBEAT);

const waiting = unsent();
held.push(...data.items.filter(({ image_id: id }) => !waiting.has(id)));
show();
sync();
outbox.flush();
