// The metric filter's thresholds: drag a line, and the counts follow at once; the pairs follow when it rests. The rule is
// the same as apply_filter's in app/domain/metric_filter.py, and a test compares the two.
import { toast } from "./app.js";

const RESTS = 300; // milliseconds without a change, after which address and examples follow
const GRAB = 32; // pixels around the line in which a finger takes it; elsewhere it scrolls the page

const form = document.getElementById("rule");
const examples = document.getElementById("examples");
const passing = form.elements.min_passing;
const metrics = [...form.querySelectorAll("figure")].map((figure) => ({
  figure, key: figure.dataset.metric, title: figure.querySelector("b").textContent, svg: figure.querySelector("svg"),
  handle: figure.querySelector(".handle"), input: figure.querySelector(".threshold"), use: figure.querySelector("[type=checkbox]"),
  low: Number(figure.dataset.low), high: Number(figure.dataset.high), step: Number(figure.dataset.step),
  now: figure.dataset.now === "" ? null : Number(figure.dataset.now), kept: figure.dataset.start, gains: null, defined: 0,
})); // prettier-ignore

let candidates = 0;
let excludedNow = null; // per candidate, whether the rule in force excludes it

// --- counting -----------------------------------------------------------------------------------------------------

/** Per candidate, 1 where too many metrics of the rule gained less than they should. A missing value may have passed. */
function outcomes(thresholds, least) {
  const out = new Uint8Array(candidates);
  const passed = new Uint8Array(candidates);
  for (const [{ gains }, threshold] of thresholds) {
    for (let i = 0; i < candidates; i += 1) if (!(gains[i] < threshold)) passed[i] += 1; // NaN: no value
  }
  for (let i = 0; i < candidates; i += 1) out[i] = passed[i] < least ? 1 : 0;
  return out;
}

/** How many pass only because a value is missing: fewer gains than needed are certain. */
function undecided(thresholds, least, excluded) {
  let count = 0;
  for (let i = 0; i < candidates; i += 1) {
    if (excluded[i]) continue;
    let certain = 0;
    for (const [{ gains }, threshold] of thresholds) if (gains[i] >= threshold) certain += 1;
    if (certain < least) count += 1;
  }
  return count;
}

function proposed() {
  return metrics.filter(({ use }) => use.checked).map((metric) => [metric, Number(metric.input.value)]);
}

function recount() {
  if (!excludedNow) return;
  const thresholds = proposed();
  const least = Number(passing.value);
  const excluded = outcomes(thresholds, least);
  const counts = { excluded: 0, now: 0, more: 0, fewer: 0, undecided: undecided(thresholds, least, excluded) };
  for (let i = 0; i < candidates; i += 1) {
    counts.excluded += excluded[i];
    counts.now += excludedNow[i];
    if (excluded[i] > excludedNow[i]) counts.more += 1;
    if (excluded[i] < excludedNow[i]) counts.fewer += 1;
  }
  for (const [name, count] of Object.entries(counts)) put(form.querySelector(`[data-count=${name}]`), count.toLocaleString("en"));
  for (const metric of metrics) {
    const limit = metric.use.checked ? Number(metric.input.value) : -Infinity;
    let failing = 0;
    for (let i = 0; i < candidates; i += 1) if (metric.gains[i] < limit) failing += 1;
    put(metric.figure.querySelector("[data-alone=count]"), failing.toLocaleString("en"));
    put(metric.figure.querySelector("[data-alone=share]"), `${(metric.defined ? (100 * failing) / metric.defined : 0).toFixed(1)} %`);
  }
}

function put(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

// --- showing ------------------------------------------------------------------------------------------------------

function place(metric) {
  const share = (Number(metric.input.value) - metric.low) / (metric.high - metric.low);
  const x = `${Math.min(Math.max(100 * share, 0), 100)}%`;
  const line = metric.handle.querySelector("line");
  line.setAttribute("x1", x);
  line.setAttribute("x2", x);
  metric.handle.querySelector("circle").setAttribute("cx", x);
  metric.figure.querySelector(".fails").setAttribute("width", x);
  metric.handle.setAttribute("aria-valuenow", metric.input.value);
  metric.handle.setAttribute("aria-valuetext", `gain of at least ${metric.input.value}`);
}

let frame = 0;
let resting = 0;

/** A threshold has moved: show it with the next frame, and once it rests let address and examples follow. */
function changed() {
  if (!frame) {
    frame = requestAnimationFrame(() => {
      frame = 0;
      for (const metric of metrics) if (metric.use.checked) place(metric);
      recount();
    });
  }
  examples.classList.add("stale");
  const apply = examples.querySelector("form button");
  if (apply) apply.disabled = true; // it would apply what was shown before
  clearTimeout(resting);
  resting = setTimeout(() => {
    history.replaceState(history.state, "", `/filter?${new URLSearchParams(new FormData(form))}`);
    examples.dispatchEvent(new CustomEvent("rested"));
  }, RESTS);
}

examples.addEventListener("htmx:after:swap", () => examples.classList.remove("stale"));

// --- moving -------------------------------------------------------------------------------------------------------

function set(metric, value) {
  const digits = Math.max(0, -Math.floor(Math.log10(metric.step)));
  const stepped = Math.round(value / metric.step) * metric.step;
  const text = String(Number(Math.min(Math.max(stepped, metric.step), metric.high).toFixed(digits)));
  if (text === metric.input.value) return;
  metric.input.value = metric.kept = text;
  metric.input.setCustomValidity("");
  changed();
}

function follow(metric, event) {
  const box = metric.svg.getBoundingClientRect();
  set(metric, metric.low + ((event.clientX - box.left) / box.width) * (metric.high - metric.low));
}

function near(metric, event) {
  const box = metric.handle.querySelector("line").getBoundingClientRect();
  return Math.abs(event.clientX - (box.left + box.right) / 2) <= GRAB;
}

for (const metric of metrics) {
  const { svg, handle, input, use, figure } = metric;
  svg.addEventListener("pointerdown", (event) => {
    if (event.button || !use.checked || (event.pointerType === "touch" && !near(metric, event))) return;
    event.preventDefault();
    svg.setPointerCapture(event.pointerId);
    handle.focus({ preventScroll: true });
    follow(metric, event);
  });
  svg.addEventListener("pointermove", (event) => {
    if (svg.hasPointerCapture(event.pointerId)) follow(metric, event);
  });
  handle.addEventListener("keydown", (event) => {
    const by = event.shiftKey ? 10 : 1;
    const value = Number(input.value);
    const next = {
      ArrowLeft: value - by * metric.step, ArrowDown: value - by * metric.step, ArrowRight: value + by * metric.step,
      ArrowUp: value + by * metric.step, PageDown: value - 10 * metric.step, PageUp: value + 10 * metric.step,
      Home: metric.step, End: metric.high,
    }[event.key]; // prettier-ignore
    if (next === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    set(metric, next);
  });
  input.addEventListener("input", () => {
    const usable = input.value.trim() !== "" && Number(input.value) > 0 && Number.isFinite(Number(input.value));
    input.setCustomValidity(usable ? "" : "The smallest gain that counts is a number above 0.");
    if (!usable) return;
    metric.kept = input.value;
    changed();
  });
  input.addEventListener("change", () => {
    if (input.checkValidity()) return;
    toast(`${metric.title}: ${input.validationMessage}`, "bad");
    input.value = metric.kept;
    input.setCustomValidity("");
  });
  use.addEventListener("change", () => {
    if (!metrics.some((other) => other.use.checked)) {
      use.checked = true;
      return toast("One metric must stay in the rule.", "bad");
    }
    input.disabled = !use.checked;
    input.value = use.checked ? metric.kept : "";
    figure.classList.toggle("off", !use.checked);
    limitPassing();
    changed();
  });
}

/** Not more metrics can be asked to improve than there are in the rule. */
function limitPassing() {
  const most = metrics.filter(({ use }) => use.checked).length;
  for (const option of passing.options) option.disabled = Number(option.value) > most;
  if (Number(passing.value) > most) passing.value = String(most);
}

passing.addEventListener("change", changed);
form.addEventListener("submit", (event) => event.preventDefault()); // Enter in a field: everything is shown already

// --- starting -----------------------------------------------------------------------------------------------------

document.documentElement.classList.add("scripted");
for (const metric of metrics) {
  metric.use.closest("label").hidden = false;
  metric.input.disabled = !metric.use.checked;
  if (metric.input.value) metric.kept = metric.input.value;
  for (const [name, value] of Object.entries({
    role: "slider", tabindex: "0", "aria-label": `Smallest gain in ${metric.title}`, "aria-valuemin": metric.step, "aria-valuemax": metric.high,
  })) metric.handle.setAttribute(name, value); // prettier-ignore
  place(metric);
}
limitPassing();

const answer = await fetch(`/filter/data?category=${form.elements.category.value}`).catch(() => null);
if (answer?.ok) {
  const data = await answer.json();
  candidates = data.n;
  for (const metric of metrics) {
    metric.gains = Float64Array.from(data.gains[metric.key], (gain) => gain ?? NaN);
    metric.defined = metric.gains.reduce((count, gain) => count + !Number.isNaN(gain), 0);
  }
  excludedNow = outcomes(metrics.filter(({ now }) => now !== null).map((metric) => [metric, metric.now]), Number(form.dataset.nowPassing));
  document.documentElement.dataset.counting = "yes"; // for whoever waits until counts follow by themselves
  recount();
} else {
  toast("The figures could not be loaded, so the counts do not follow the lines. Reload the page.", "bad");
}
