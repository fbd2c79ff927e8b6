// Uploads photographs file by file, three at a time, and says what became of each.
import { csrf, toast } from "./app.js";

const AT_ONCE = 3;
const SHOWN = 500; // rows of the list; the run's report has them all
const $ = (id) => document.getElementById(id);
const form = $("ingest");
const limit = form.dataset.maxMegabytes * 2 ** 20;

let queue = []; // {file, name}
let running = null; // {run, requests, sent, total, started, counts, done, files, cancelled}

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

function add(found) {
  if (running) return toast("Wait for this upload to end, or cancel it.", "bad");
  const known = new Set(queue.map((item) => item.name));
  queue.push(...found.filter(({ name }) => !known.has(name) && !name.split("/").at(-1).startsWith(".")));
  showNext(false);
  if (queue.length) showQueue();
}

function showQueue() {
  const size = queue.reduce((sum, { file }) => sum + file.size, 0);
  $("going").hidden = false;
  $("start").hidden = $("clear").hidden = false;
  $("headline").textContent = `${queue.length} file${queue.length === 1 ? "" : "s"}, ${megabytes(size)} to upload`;
  $("figures").textContent = "\u00a0";
  $("bar").value = 0;
}

$("clear").addEventListener("click", () => {
  queue = [];
  $("going").hidden = true;
  $("outcomes").replaceChildren();
  $("outcomes").hidden = true;
});

// --- uploading ----------------------------------------------------------------------------------------------------

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  if (running || !queue.length) return;
  const answer = await post("/ingest/start", new URLSearchParams(new FormData(form)));
  if (!answer.ok) return toast(answer.message, "bad");
  const total = queue.reduce((sum, { file }) => sum + file.size, 0);
  running = {
    run: answer.data.run_id, requests: new Map(), sent: 0, total, started: performance.now(), done: 0, files: queue.length,
    images: 0, refused: 0, duplicates: 0, known: 0, cancelled: false,
  };
  $("start").hidden = $("clear").hidden = true;
  $("cancel").hidden = false;
  $("outcomes").replaceChildren();
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  await finish();
});

$("cancel").addEventListener("click", () => {
  running.cancelled = true;
  for (const request of running.requests.keys()) request.abort();
});

window.addEventListener("beforeunload", (event) => {
  if (running) event.preventDefault();
});

async function work() {
  while (queue.length && !running.cancelled) {
    const item = queue.shift();
    const outcome = item.file.size > limit ? { status: "rejected", reason: `larger than ${form.dataset.maxMegabytes} MB` } : await send(item);
    if (outcome === null) return; // cancelled
    running.sent += item.file.size;
    running.done += 1;
    if (outcome.status === "added") running.images += outcome.images;
    else if (outcome.status === "known") running.known += 1;
    else if (outcome.status === "rejected") running.refused += 1;
    else running.duplicates += 1;
    list(item.name, outcome);
    progress();
  }
}

/** Send one file; resolves to its outcome, or null when cancelled. XHR, because fetch tells no upload progress. */
function send({ file, name }) {
  return new Promise((resolve) => {
    const body = new FormData();
    body.append("file", file, name);
    const request = new XMLHttpRequest();
    running.requests.set(request, 0);
    const end = (outcome) => {
      running.requests.delete(request);
      resolve(outcome);
    };
    request.open("POST", `/ingest/${running.run}/file`);
    request.setRequestHeader("X-CSRF-Token", csrf);
    request.setRequestHeader("Accept", "application/json");
    request.responseType = "json";
    request.upload.onprogress = (event) => {
      running.requests.set(request, Math.min(event.loaded, file.size));
      progress();
    };
    request.onload = () => {
      if (request.status === 200) return end(request.response);
      end({ status: "rejected", reason: request.response?.detail ?? `the server answered ${request.status}` });
    };
    request.onerror = () => end({ status: "rejected", reason: "the connection broke; upload it again" });
    request.onabort = () => end(null);
    request.send(body);
  });
}

/** What can be done with an upload that is over: look at it, and (admins) run the pipeline over it. */
function showNext(shown) {
  for (const id of ["report", "look", "go-on"]) if ($(id)) $(id).hidden = !shown;
}

async function finish() {
  const answer = await post(`/ingest/${running.run}/finish`, new URLSearchParams());
  if (!answer.ok) toast(answer.message, "bad");
  const { images, known, duplicates, refused, cancelled, run } = running;
  const parts = [`${images} patch${images === 1 ? "" : "es"} added`];
  if (known) parts.push(`${known} known already`);
  if (duplicates) parts.push(`${duplicates} duplicate${duplicates === 1 ? "" : "s"}`);
  if (refused) parts.push(`${refused} rejected`);
  $("headline").textContent = `${cancelled ? "Cancelled: " : ""}${parts.join(", ")}`;
  $("figures").textContent = "\u00a0";
  $("cancel").hidden = true;
  $("report").href = `/runs/${run}`;
  showNext(true);
  running = null;
  if (queue.length) $("start").hidden = $("clear").hidden = false;
}

async function post(url, body) {
  try {
    const response = await fetch(url, { method: "POST", body, headers: { "X-CSRF-Token": csrf, Accept: "application/json" } });
    const data = await response.json();
    return { ok: response.ok, data, message: data.detail };
  } catch {
    return { ok: false, message: "The server did not answer. Check that it runs, then try again." };
  }
}

// --- showing ------------------------------------------------------------------------------------------------------

function progress() {
  const sent = running.sent + [...running.requests.values()].reduce((sum, n) => sum + n, 0);
  const seconds = (performance.now() - running.started) / 1000;
  const left = sent ? ((running.total - sent) * seconds) / sent : 0;
  $("bar").max = running.total || 1;
  $("bar").value = sent;
  $("headline").textContent = `${running.done} of ${running.files} files`;
  $("figures").textContent = `${megabytes(sent)} of ${megabytes(running.total)} · ${megabytes(sent / seconds)}/s · ${(running.done / seconds).toFixed(1)} files/s · ${time(left)} left`;
}

function list(name, { status, images, reason, of }) {
  const told = {
    added: ["ok", `added, ${images} patch${images === 1 ? "" : "es"}`],
    known: ["", "known already"],
    duplicate: ["warn", `duplicate of ${of}`],
    near_duplicate: ["warn", `near-duplicate of ${of}`],
    rejected: ["bad", `rejected: ${reason}`],
  }[status];
  const row = document.createElement("li");
  const label = document.createElement("span");
  const badge = document.createElement("span");
  label.textContent = name;
  label.className = "name";
  badge.textContent = told[1];
  badge.className = `badge ${told[0]}`;
  row.append(label, badge);
  const outcomes = $("outcomes");
  outcomes.hidden = false;
  outcomes.prepend(row);
  if (outcomes.children.length > SHOWN) outcomes.lastElementChild.remove();
}

function megabytes(bytes) {
  return bytes < 2 ** 20 ? `${Math.round(bytes / 1024)} KB` : `${(bytes / 2 ** 20).toFixed(1)} MB`;
}

function time(seconds) {
  if (seconds < 90) return `${Math.ceil(seconds)} s`;
  return seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
}
