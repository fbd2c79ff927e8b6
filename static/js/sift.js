/**
 * A grid of pictures that are decided on by keys: whole photographs (looks) and patches. A decision is painted first and
 * sent afterwards, from the outbox, so that a lost network loses none; the next page is here before it is needed.
 *
 * An answer is about the picture that has the focus, or about all that are ticked. The form works without this.
 */
import { toast, typing } from "./app.js";
import { Outbox } from "./outbox.js";
import { makeStatus } from "./review-status.js";
import { makeLarge } from "./sift-large.js";
import { makePages } from "./sift-pages.js";
import { makeProgress } from "./sift-progress.js";

const HISTORY = 50;

const form = document.getElementById("sift");
const data = form && JSON.parse(document.getElementById("sift-data").textContent);
if (form) start();
document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || typing(event) || document.querySelector("dialog[open]")) return;
  event.preventDefault();
  document.querySelector("#filters select").focus();
});

function start() {
  const tiles = document.getElementById("tiles");
  const menu = document.getElementById("reasons");
  const answers = new Map(data.answers.map((answer) => [answer.value, answer]));
  const outbox = new Outbox({
    userId: data.user_id,
    csrf: document.querySelector('meta[name="csrf"]').content,
    whoami: "/review/me",
    name: "ggt-sift",
  });
  const status = makeStatus(document.getElementById("saved"), null);
  const history = []; // [{cells, before}] of this page's decisions, newest last; before: the answer each had
  const pages = makePages(tiles, document.querySelector("[data-next]"));
  const progress = makeProgress(document.querySelector("#bar .progress"), data.left);
  let current = null; // the cell whose tile had the focus last

  const cells = () => [...tiles.querySelectorAll(".cell")];
  const undecided = () => cells().filter((cell) => !cell.dataset.here);
  const large = makeLarge(document.getElementById("large"), { decide: answerOne, undo, beside });

  // --- deciding -------------------------------------------------------------------------------------------------------

  /** What an answer is about: all that are ticked, else the one in hand. */
  function chosen() {
    const ticked = cells().filter((cell) => cell.querySelector(".tick").checked);
    if (ticked.length) return ticked;
    const focused = document.activeElement?.closest(".cell") ?? current;
    return focused?.isConnected ? [focused] : [];
  }

  function decide(about, value) {
    if (!about.length) return toast("Choose a picture first: with the arrow keys, or by ticking some.");
    const before = about.map(({ dataset }) => ({ answer: dataset.answer ?? "", here: dataset.here ?? "" }));
    const again = about.filter((_, at) => before[at].answer);
    if (again.length) send(again, data.undo); // a decision that stands is taken back first
    send(about, value);
    history.push({ cells: about, before });
    history.splice(0, history.length - HISTORY);
    for (const cell of about) paint(cell, value, "yes");
    progress.count(before.filter(({ here }) => !here).length);
    const { mark } = answers.get(value);
    say(`${mark}: ${about.length === 1 ? about[0].dataset.name : about.length}`);
    for (const cell of about) cell.querySelector(".tick").checked = false;
    menu?.removeAttribute("open");
  }

  /** An answer to one or more, and on to the next that is undecided. */
  function answer(value) {
    const about = chosen();
    decide(about, value);
    if (about.length) goOn(about.at(-1));
  }

  /** From the large view: answer this one, and give the one to show then, or null; a promise where the page is turned. */
  function answerOne(cell, value) {
    decide([cell], value);
    return nextUndecided(cell) ?? turn();
  }

  function send(about, value) {
    const ids = about.map((cell) => cell.dataset.id);
    outbox.add({
      path: data.path,
      ids,
      answer: value,
      label: about[0].dataset.name,
      fields: [["answer", value], ...ids.map((id) => [data.field, id])],
    });
  }

  function undo() {
    const last = history.pop();
    if (!last) return toast("Nothing here to undo.");
    send(last.cells, data.undo);
    for (const value of new Set(last.before.map(({ answer: was }) => was).filter(Boolean))) {
      send(last.cells.filter((_, at) => last.before[at].answer === value), value);
    }
    last.cells.forEach((cell, at) => {
      paint(cell, last.before[at].answer, last.before[at].here);
      if (!cell.isConnected) tiles.prepend(cell); // it was on an earlier page
    });
    document.getElementById("done").hidden = true;
    progress.count(-last.before.filter(({ here }) => !here).length);
    say(`Undone: ${last.cells[0].dataset.name}`);
    if (large.open) large.show(last.cells[0]);
    else focus(last.cells[0]);
  }

  /** Show on a tile what was answered, and whether `here` on this page: empty, nothing. */
  function paint(cell, value, here) {
    const { mark = "", tone = "" } = answers.get(value) ?? {};
    label(cell, mark, tone);
    for (const [name, text] of Object.entries({ answer: value, tone, here })) {
      if (text) cell.dataset[name] = text;
      else delete cell.dataset[name];
    }
    large.repaint(cell);
  }

  function label(cell, text, tone) {
    const mark = cell.querySelector(".mark");
    mark.textContent = text;
    mark.hidden = !text;
    mark.className = `mark ${tone}`;
  }

  // --- moving ---------------------------------------------------------------------------------------------------------

  function focus(cell) {
    const tile = cell?.querySelector(".tile");
    if (!tile) return;
    tile.focus({ preventScroll: true });
    tile.scrollIntoView({ block: "nearest" });
  }

  function nextUndecided(cell) {
    const all = cells();
    const at = all.indexOf(cell);
    return [...all.slice(at + 1), ...all.slice(0, Math.max(at, 0))].find((one) => !one.dataset.here) ?? null;
  }

  function goOn(cell) {
    const to = nextUndecided(cell);
    if (to) focus(to);
    else turn();
  }

  function beside(cell, step) {
    const all = cells();
    return all[all.indexOf(cell) + step] ?? null;
  }

  const columns = () => getComputedStyle(tiles).gridTemplateColumns.split(" ").length;

  function move(step) {
    const all = cells();
    const here = all.indexOf(document.activeElement?.closest(".cell") ?? null);
    focus(here < 0 ? (current?.isConnected ? current : all[0]) : all[here + step]);
  }

  // --- pages ----------------------------------------------------------------------------------------------------------

  /** Show the next page in place of this one; at the end say so. Returns its first cell, or null. */
  async function turn() {
    if (!pages.more) {
      const open = undecided()[0];
      if (open) focus(open);
      const done = document.getElementById("done");
      done.hidden = Boolean(open);
      if (!open) done.scrollIntoView({ block: "nearest" });
      return open ?? null;
    }
    const turned = await pages.turn();
    if (turned === null) return null; // turned meanwhile
    if (!turned) {
      toast("The next page could not be loaded. What you decided is kept; try again.", "bad");
      return null;
    }
    repaint();
    scrollTo(0, 0);
    const first = undecided()[0] ?? cells()[0];
    focus(first);
    return first ?? null;
  }

  /** Paint what was decided and not yet sent, after a reload say. */
  function repaint() {
    for (const { path, ids, answer: value } of outbox.entries()) {
      if (path !== data.path) continue;
      for (const id of ids) {
        const cell = tiles.querySelector(`.cell[data-id="${CSS.escape(id)}"]`);
        if (cell) paint(cell, ...(value === data.undo ? ["", ""] : [value, "yes"]));
      }
    }
  }

  // --- what is said ---------------------------------------------------------------------------------------------------

  const say = (text) => (document.getElementById("said").textContent = text);

  outbox.addEventListener("state", ({ detail }) => status.saved(detail));
  outbox.addEventListener("accepted", ({ detail: { entry, answer: told } }) => {
    for (const { id, told: why } of told.late ?? []) {
      toast(why, "bad");
      if (entry.path === data.path) spoil(String(id), "left alone");
    }
  });
  outbox.addEventListener("refused", ({ detail: { entry, message } }) => {
    toast(message, "bad");
    if (entry.path === data.path) for (const id of entry.ids ?? []) spoil(id, "not saved");
  });

  /** A decision that did not count: it can no longer be undone, and its tile says why. */
  function spoil(id, why) {
    for (const entry of history) {
      const keeps = entry.cells.map((cell) => cell.dataset.id !== id);
      for (const name of ["cells", "before"]) entry[name] = entry[name].filter((_, at) => keeps[at]);
    }
    history.splice(0, history.length, ...history.filter(({ cells: some }) => some.length));
    const cell = tiles.querySelector(`.cell[data-id="${CSS.escape(id)}"]`);
    if (!cell) return;
    label(cell, why, "late");
    Object.assign(cell.dataset, { tone: "late", here: "yes" });
    delete cell.dataset.answer;
  }

  // --- keys and clicks ------------------------------------------------------------------------------------------------

  function action(event) {
    const key = event.key.toLowerCase();
    const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns(), ArrowDown: columns() }[event.key];
    if (step) return () => move(step);
    if (event.shiftKey && key === "k" && data.rest) return () => keepRest();
    if (key === "z") return undo;
    if (key === "n") return () => turn();
    if (key === "t") return () => tick();
    if (key === " " && document.activeElement?.closest(".tile")) return () => large.show(document.activeElement.closest(".cell"));
    if (key === "x" && menu) return () => openMenu();
    const digit = /^(?:Digit|Numpad)(\d)$/.exec(event.code)?.[1];
    const found = data.answers.find((one) => one.key === (digit ?? key));
    return found && !event.shiftKey ? () => answer(found.value) : undefined;
  }

  function keepRest() {
    const rest = undecided();
    if (!rest.length) return turn();
    decide(rest, data.rest);
    turn();
  }

  function tick() {
    const box = document.activeElement?.closest(".cell")?.querySelector(".tick");
    if (box) box.checked = !box.checked;
  }

  function openMenu() {
    menu.open = !menu.open;
    if (menu.open) menu.querySelector("button").focus();
    else focus(current);
  }

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (document.querySelector("dialog[open]")) return; // the large view hears its own keys
    if (event.target.closest('textarea, select, input:not([type="checkbox"])')) return;
    if (event.key === " " && event.target.closest("button, summary, input")) return;
    if (event.key === "Escape" && menu?.open) {
      menu.open = false;
      return focus(current);
    }
    const wanted = action(event);
    if (!wanted) return;
    event.preventDefault();
    // A key held down must not decide on pictures nobody has seen; moving may repeat.
    if (!event.repeat || event.key.startsWith("Arrow")) wanted();
  });
  tiles.addEventListener("focusin", ({ target }) => (current = target.closest(".cell")));
  tiles.addEventListener("click", (event) => {
    const tile = event.target.closest(".tile");
    if (!tile || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    large.show(tile.closest(".cell"));
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const value = event.submitter?.value;
    if (value === "rest") keepRest();
    else if (answers.has(value)) answer(value);
  });
  document.addEventListener("click", ({ target }) => {
    if (menu?.open && !menu.contains(target)) menu.open = false;
    if (!form.contains(target)) return;
    if (target.closest("[data-undo]")) undo();
    else if (target.closest("[data-next]")) turn();
  });
  addEventListener("pageshow", (event) => event.persisted && location.reload());

  repaint();
  pages.prepare();
  outbox.flush();
}
