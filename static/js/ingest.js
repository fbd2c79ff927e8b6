// Takes photographs in file by file, three at a time, then archives and manifests one by one, and says what became of each.
import { toast } from "./app.js";
import { clear, count, inWords, megabytes, nothingYet, tell, time } from "./ingest-list.js";
import { post, sendArchive, sendPhotograph } from "./ingest-send.js";

const AT_ONCE = 3;
const ARCHIVE = /\.(zip|tar|tgz|tbz2|txz|tar\.(gz|bz2|xz|zst)|csv|tsv|jsonl|ndjson)$/i;
const NEXT = {
  images: ["/images", "See images"], screen: ["/patches", "See patches"], look: ["/looks", "Look at them"],
  clean: ["/benchmarks/fidelity", "Make a fidelity set"],
};
const $ = (id) => document.getElementById(id);
const form = $("ingest");

let queue = []; // {file, name, archive}
let running = null; // {run, then, requests, sent, total, started, done, files, within, sums, cancelled}

// --- choosing -----------------------------------------------------------------------------------------------------

$("choose-files").addEventListener("click", () => $("files").click());
$("choose-folder").addEventListener("click", () => $("folder").click());
for (const id of ["files", "folder"]) {
  $(id).addEventListener("change", ({ target }) => {
    add([...target.files].map((file) => ({ file, name: file.webkitRelativePath || file.name })));
    target.value = "";
  });
}
const drop = $("drop");
document.addEventListener("dragover", (event) => {
  event.preventDefault();
  drop.classList.add("over");
});
document.addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) drop.classList.remove("over");
});
document.addEventListener("drop", async (event) => {
  event.preventDefault();
  drop.classList.remove("over");
  const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean); // only now
  const found = entries.length ? (await Promise.all(entries.map(walk))).flat() : [...event.dataTransfer.files].map((file) => ({ file, name: file.name }));
  add(found);
});

/** All files below a dropped entry. Folders give their entries in portions of at most 100. */
async function walk(entry) {
  if (entry.isFile) {
    const file = await new Promise((resolve) => entry.file(resolve, () => resolve(null)));
    return file ? [{ file, name: entry.fullPath.slice(1) }] : [];
  }
  const reader = entry.createReader();
  const found = [];
  for (;;) {
    const portion = await new Promise((resolve) => reader.readEntries(resolve, () => resolve([])));
    if (!portion.length) return found;
    for (const child of portion) found.push(...(await walk(child)));
  }
}

/** Hidden files, and what systems put beside photographs. */
const litter = (name) => name.split("/").some((part) => part.startsWith(".") || /^(__MACOSX|thumbs\.db|desktop\.ini|@eaDir)$/i.test(part));

function add(found) {
  if (running) return toast("Wait for this upload to end, or cancel it.", "bad");
  const known = new Set(queue.map((item) => item.name));
  const taken = found.filter(({ name }) => !known.has(name) && !litter(name));
  queue.push(...taken.map((item) => ({ ...item, archive: ARCHIVE.test(item.name) })));
  showNext(false);
  if (queue.length) showQueue();
}

function showQueue() {
  const size = queue.reduce((sum, { file }) => sum + file.size, 0);
  const archives = queue.filter(({ archive }) => archive).length;
  const parts = [];
  if (archives < queue.length) parts.push(count(queue.length - archives, "file", "files"));
  if (archives) parts.push(count(archives, "archive or list", "archives or lists"));
  $("going").hidden = false;
  $("start").hidden = $("clear").hidden = false;
  $("headline").textContent = `${parts.join(" and ")}, ${megabytes(size)} to upload`;
  $("figures").textContent = "\u00a0";
  $("bar").value = 0;
  $("going").scrollIntoView({ block: "nearest" });
}

$("clear").addEventListener("click", () => {
  queue = [];
  $("going").hidden = true;
  clear();
});

// --- uploading ----------------------------------------------------------------------------------------------------

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  if (running || !queue.length) return;
  const given = new FormData(form);
  const answer = await post("/ingest/start", new URLSearchParams(given));
  if (!answer.ok) return toast(answer.message, "bad");
  const total = queue.reduce((sum, { file }) => sum + file.size, 0);
  running = {
    run: answer.data.run_id, then: given.get("then"), requests: new Map(), sent: 0, total, started: performance.now(), done: 0,
    files: queue.length, within: null, sums: nothingYet(given.get("then")), cancelled: false,
  };
  $("start").hidden = $("clear").hidden = true;
  $("cancel").hidden = false;
  clear();
  const archives = queue.filter(({ archive }) => archive);
  queue = queue.filter(({ archive }) => !archive);
  await Promise.all(Array.from({ length: AT_ONCE }, photographs));
  while (archives.length && !running.cancelled) await takeArchive(archives.shift());
  queue.push(...archives);
  await finish();
});

$("cancel").addEventListener("click", () => {
  running.cancelled = true;
  for (const request of running.requests.keys()) request.abort();
});

window.addEventListener("beforeunload", (event) => {
  if (running) event.preventDefault();
});

async function photographs() {
  while (queue.length && !running.cancelled) {
    const item = queue.shift();
    const outcome = tooLarge(item) ?? (await sending(item, (...told) => sendPhotograph(running.run, item, ...told)));
    if (outcome === null) return; // cancelled
    tell(running.sums, item.name, outcome);
    ended(item);
  }
}

/** An archive counts as one file, and each photograph in it has its own row. */
async function takeArchive(item) {
  running.within = { name: item.name, photographs: 0, arrived: false };
  const each = (outcome) => {
    running.within.photographs += 1;
    tell(running.sums, outcome.name, outcome);
    progress();
  };
  const trouble = tooLarge(item) ?? (await sending(item, (...told) => sendArchive(running.run, item, ...told, each)));
  running.within = null;
  if (trouble === null) return; // cancelled
  if (trouble) tell(running.sums, item.name, trouble);
  ended(item);
}

function tooLarge({ file, archive }) {
  const most = Number(archive ? form.dataset.maxArchiveMegabytes : form.dataset.maxMegabytes);
  return file.size > most * 2 ** 20 ? { status: "rejected", reason: `larger than ${most} MB` } : undefined;
}

/** Send an item and count its bytes meanwhile. */
async function sending(item, send) {
  let mine;
  const begun = (request) => running.requests.set((mine = request), 0);
  const sent = (bytes) => {
    running.requests.set(mine, Math.min(bytes, item.file.size));
    if (running.within) running.within.arrived = bytes >= item.file.size;
    progress();
  };
  const outcome = await send(begun, sent);
  running.requests.delete(mine);
  return outcome;
}

function ended(item) {
  running.sent += item.file.size;
  running.done += 1;
  progress();
}

/** What can be done with an upload that is over: look at what it made, and (admins) run the pipeline over it. */
function showNext(shown, then = "images") {
  for (const id of ["report", "look", "go-on"]) if ($(id)) $(id).hidden = !shown || (id === "go-on" && then !== "images");
  [$("look").href, $("look").textContent] = NEXT[then];
  $("look").classList.toggle("p", then !== "images");
}

async function finish() {
  const { run, then, sums, cancelled } = running;
  const answer = await post(`/ingest/${run}/finish`, new URLSearchParams());
  if (!answer.ok) toast(answer.message, "bad");
  $("headline").textContent = `${cancelled ? "Cancelled: " : ""}${inWords(sums)}`;
  $("figures").textContent = "\u00a0";
  $("bar").value = cancelled ? $("bar").value : $("bar").max;
  $("cancel").hidden = true;
  $("report").href = `/runs/${run}`;
  showNext(true, then);
  running = null;
  if (queue.length) $("start").hidden = $("clear").hidden = false;
}

// --- showing ------------------------------------------------------------------------------------------------------

function progress() {
  const { within } = running;
  const sent = running.sent + [...running.requests.values()].reduce((sum, n) => sum + n, 0);
  const seconds = (performance.now() - running.started) / 1000;
  const left = sent ? ((running.total - sent) * seconds) / sent : 0;
  const figures = [`${megabytes(sent)} of ${megabytes(running.total)}`, `${megabytes(sent / seconds)}/s`];
  $("bar").max = running.total || 1;
  $("bar").value = sent;
  if (within?.arrived) {
    $("headline").textContent = `${within.name}: ${count(within.photographs, "file", "files")} so far`;
    $("figures").textContent = "It has arrived, and its photographs come in one by one. Should this page close, send it again to go on.";
    return;
  }
  if (!within) figures.push(`${(running.done / seconds).toFixed(1)} files/s`);
  $("headline").textContent = within ? `Sending ${within.name}` : `${running.done} of ${running.files} files`;
  $("figures").textContent = [...figures, `${time(left)} left`].join(" · ");
}
