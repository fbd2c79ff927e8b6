// What became of each file: a row of the list, and a place in the sums.

const SHOWN = 500; // rows of the list; the run's report has them all
const outcomes = document.getElementById("outcomes");

/** Sums of an ingest that has just begun. Of clean references no patch is made. */
export const nothingYet = (then) => ({ clean: then === "clean", files: 0, patches: 0, known: 0, duplicates: 0, refused: 0 });

/** Add an outcome to the sums, and a row for it to the list. */
export function tell(sums, name, outcome) {
  if (outcome.status === "added") {
    sums.files += 1;
    sums.patches += outcome.images;
  } else if (outcome.status === "known") sums.known += 1;
  else if (outcome.status === "rejected") sums.refused += 1;
  else if (outcome.status !== "stopped") sums.duplicates += 1;
  const { images, of, reason } = outcome;
  const [kind, text] = {
    added: ["ok", sums.clean ? "taken in as a clean reference" : `added, ${count(images, "patch", "patches")}`],
    known: ["", "known already"],
    duplicate: ["warn", `duplicate of ${of}`],
    near_duplicate: ["warn", `near-duplicate of ${of}`],
    rejected: ["bad", `rejected: ${reason}`],
    stopped: ["bad", `stopped: ${reason}`],
  }[outcome.status];
  const row = document.createElement("li");
  const label = Object.assign(document.createElement("span"), { className: "name", textContent: name });
  row.append(label, Object.assign(document.createElement("span"), { className: `badge ${kind}`, textContent: text }));
  outcomes.hidden = false;
  outcomes.prepend(row);
  if (outcomes.children.length > SHOWN) outcomes.lastElementChild.remove();
}

export function clear() {
  outcomes.replaceChildren();
  outcomes.hidden = true;
}

/** The sums in words: "3 patches added, 1 known already". */
export function inWords({ clean, files, patches, known, duplicates, refused }) {
  const taken = clean ? `${count(files, "photograph", "photographs")} taken in as clean references` : "";
  const parts = [taken || `${count(patches, "patch", "patches")} added`];
  if (known) parts.push(`${known} known already`);
  if (duplicates) parts.push(count(duplicates, "duplicate", "duplicates"));
  if (refused) parts.push(`${refused} rejected`);
  return parts.join(", ");
}

export const count = (number, one, many) => `${number} ${number === 1 ? one : many}`;

export function megabytes(bytes) {
  if (bytes >= 2 ** 30) return `${(bytes / 2 ** 30).toFixed(1)} GB`;
  return bytes < 2 ** 20 ? `${Math.round(bytes / 1024)} KB` : `${(bytes / 2 ** 20).toFixed(1)} MB`;
}

export function time(seconds) {
  if (seconds < 90) return `${Math.ceil(seconds)} s`;
  return seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
}
