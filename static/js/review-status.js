/** What the review page says about itself: saved or waiting, progress, and why nothing is on screen. */

const TROUBLE = {
  offline: "no network",
  server: "the server does not answer",
  forbidden: "not allowed any more; ask an admin",
  "other-user": "somebody else is signed in here",
  memory: "browser storage is full, keep this tab open",
};
const CALM = 400; // ms before "Saving" shows: quick answers make no flicker

export function makeStatus(saved, progress) {
  let numbers = { today: 0, per_minute: 0, left: 0 };
  let timer = 0;
  let unsaved = 0;

  /** Many quick answers in a row are a long wait as well, so a next one does not put this off. */
  function saying() {
    timer ||= setTimeout(() => {
      timer = 0;
      say(unsaved > 1 ? `Saving ${unsaved}…` : "Saving…", "saving");
    }, CALM);
  }

  function say(text, kind, link) {
    saved.textContent = text;
    saved.dataset.kind = kind;
    if (!link) return;
    const a = Object.assign(document.createElement("a"), { textContent: link, href: "/sign-in", target: "_blank", rel: "noopener" });
    saved.append(" ", a);
  }

  function paint() {
    const { today, per_minute: rate, left } = numbers;
    const format = (value) => Math.max(0, Math.round(value)).toLocaleString("en");
    progress.querySelector("[data-today]").textContent = `${format(today)} today`;
    progress.querySelector("[data-rate]").textContent = `${format(rate)}/min`;
    progress.querySelector("[data-left]").textContent = `${left > 10000 ? "10,000+" : format(left)} left`;
  }

  return {
    saved({ kind, count }) {
      unsaved = count;
      if (kind === "saving") return saying();
      clearTimeout(timer);
      timer = 0;
      const waiting = `${count} waiting`;
      if (kind === "saved") say("Saved", kind);
      else if (kind === "signed-out") say(`${count ? `${waiting}, kept safe: ` : ""}signed out.`, kind, "Sign in again in another tab");
      else say(count ? `${waiting}: ${TROUBLE[kind]}` : TROUBLE[kind], kind);
    },
    /** Numbers from the server; `unsent` decisions are not in them yet. */
    progress(given, unsent) {
      const left = given.left > 10000 ? given.left : given.left - unsent;
      numbers = { ...given, today: given.today + unsent, left };
      paint();
    },
    count(by) {
      const left = numbers.left > 10000 ? numbers.left : numbers.left - by;
      numbers = { ...numbers, today: numbers.today + by, left };
      paint();
    },
    empty(on, skipped = 0) {
      const panel = document.getElementById("empty");
      panel.hidden = !on;
      document.getElementById("viewer").hidden = on;
      const again = panel.querySelector("[data-skipped]");
      again.hidden = !skipped;
      again.textContent = `Show the ${skipped} you skipped`;
    },
    emptyText(text) {
      document.querySelector("#empty [data-text]").textContent = text;
    },
  };
}
