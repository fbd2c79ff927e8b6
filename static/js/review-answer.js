/**
 * The panel for an answer with more than one key: reasons, the five aspect scores, a note, and which decision it is.
 * R rejects, E accepts with scores, G asks for another try; Enter sends. Without a script it is a plain form.
 *
 * What is written is a draft, kept per candidate in this browser until it is sent: a closed tab loses nothing.
 */
const DRAFTS = 50;

export function makeAnswerPanel(form, { userId, send, marks }) {
  const boxes = [...form.querySelectorAll('input[name="reasons"]')];
  const scores = [...form.querySelectorAll("input[data-aspect]")];
  const openers = [...document.querySelectorAll("[data-answer]")];
  const note = form.elements.note;
  const other = boxes.at(-1);
  const prefix = `ggt-draft/${userId}/`;
  let item = null;

  const panel = {
    get open() {
      return form.classList.contains("open");
    },
    /** Which pair the panel is about, when another comes on screen. */
    about(next) {
      panel.close();
      item = next;
      form.reset();
      restore();
    },
    /** Open for a decision. `reason` is chosen at once; with it, or for accept, the scores come first. */
    show(decision, reason) {
      if (panel.open && form.dataset.decision === decision && !reason) return panel.close();
      form.dataset.decision = decision;
      form.classList.add("open");
      for (const opener of openers) opener.setAttribute("aria-expanded", String(opener.dataset.answer === decision));
      const box = boxes.find(({ value }) => value === reason);
      if (box) box.checked = true;
      if (decision === "regenerate") note.focus({ preventScroll: true });
      else if (box || decision === "accept") scores[0].focus({ preventScroll: true });
      else boxes[0].focus({ preventScroll: true });
    },
    close() {
      if (!panel.open) return;
      form.classList.remove("open");
      for (const opener of openers) opener.setAttribute("aria-expanded", "false");
      // Back to the page, not to the button that opened it: there Space would click again and not flicker.
      if (form.contains(document.activeElement)) document.activeElement.blur();
    },
    /** A digit: the reason of that number. */
    toggle(index) {
      if (!boxes[index] || form.dataset.decision !== "reject") return;
      boxes[index].checked = !boxes[index].checked;
      form.dispatchEvent(new Event("change"));
      if (boxes[index] === other && other.checked) note.focus();
    },
    submit() {
      form.requestSubmit();
    },
  };

  const written = () => ({
    reasons: boxes.filter(({ checked }) => checked).map(({ value }) => value),
    note: note.value,
    scores: Object.fromEntries(scores.filter(({ value }) => value !== "").map((input) => [input.dataset.aspect, Number(input.value)])),
  });

  function keepDraft() {
    if (!item) return;
    const draft = { ...written(), at: Date.now() };
    const name = prefix + item.candidate_id;
    if (!draft.reasons.length && !draft.note && !Object.keys(draft.scores).length) return localStorage.removeItem(name);
    try {
      localStorage.setItem(name, JSON.stringify(draft));
      const all = Object.keys(localStorage).filter((key) => key.startsWith(prefix));
      const age = (key) => JSON.parse(localStorage.getItem(key)).at;
      for (const old of all.sort((a, b) => age(b) - age(a)).slice(DRAFTS)) localStorage.removeItem(old);
    } catch {
      // a full storage loses drafts before decisions
    }
  }

  function restore() {
    const text = item && localStorage.getItem(prefix + item.candidate_id);
    form.classList.toggle("draft", Boolean(text));
    if (!text) return;
    const draft = JSON.parse(text);
    for (const box of boxes) box.checked = draft.reasons.includes(box.value);
    for (const input of scores) input.value = draft.scores[input.dataset.aspect] ?? "";
    note.value = draft.note;
  }

  form.addEventListener("input", () => {
    for (const field of [boxes[0], note, ...scores]) field.setCustomValidity("");
    keepDraft();
  });
  form.addEventListener("change", keepDraft);
  // One digit is a score: 8 is 80, 0 is 100; then comes the next aspect. Arrows change it by 5.
  form.addEventListener("keydown", (event) => {
    const index = scores.indexOf(event.target);
    if (index < 0 || event.ctrlKey || event.metaKey || event.altKey) return;
    if (/^\d$/.test(event.key)) {
      event.preventDefault();
      scores[index].value = event.key === "0" ? 100 : Number(event.key) * 10;
      keepDraft();
      (scores[index + 1] ?? form.querySelector(`button[value="${form.dataset.decision}"]`)).focus();
    } else if (event.key === "Backspace") {
      event.preventDefault();
      const clear = scores[index].value === "" ? Math.max(0, index - 1) : index;
      scores[clear].value = "";
      scores[clear].focus();
      keepDraft();
    }
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const { decision } = form.dataset; // not the submitter's: Enter in a field takes the first button, seen or not
    const answer = { decision, ...written(), note: note.value.trim(), marks: marks() };
    if (decision !== "reject") answer.reasons = [];
    const lacking =
      decision === "reject" && !answer.reasons.length
        ? [boxes[0], "Choose at least one reason (1 to 5)."]
        : decision === "reject" && other.checked && !answer.note
          ? [note, "Say in a few words what is wrong."]
          : decision === "regenerate" && !answer.note
            ? [note, "Say what is to be done differently."]
            : null;
    if (!lacking) {
      if (item) localStorage.removeItem(prefix + item.candidate_id);
      return send(answer, event.timeStamp);
    }
    lacking[0].setCustomValidity(lacking[1]);
    lacking[0].reportValidity();
    lacking[0].setCustomValidity(""); // or the browser would block the next try before we can look again
  });
  form.querySelector("[data-close]").addEventListener("click", panel.close);
  for (const opener of openers) opener.addEventListener("click", () => panel.show(opener.dataset.answer));
  return panel;
}
