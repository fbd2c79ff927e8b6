// What every page has: toasts, the list of keys, the phone's menu, local times, copy buttons, questions before forms.

/** Show a message for a while. kind: "" or "bad". Text only, never markup. */
export function toast(message, kind = "") {
  const item = document.createElement("p");
  item.textContent = message;
  item.className = kind;
  document.getElementById("toast").append(item);
  setTimeout(() => item.remove(), kind === "bad" ? 8000 : 4000);
}

/** The CSRF token for fetch(): send it as the header X-CSRF-Token. */
export const csrf = document.querySelector('meta[name="csrf"]').content;

/** Whether a key press is meant for a field and not for the page. */
export function typing(event) {
  return event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, select, [contenteditable]") !== null;
}

// HX-Trigger: {"toast": {"message": "...", "kind": "bad"}}, or a CustomEvent "toast" with that detail.
document.addEventListener("toast", (event) => toast(event.detail.message ?? String(event.detail.value ?? ""), event.detail.kind));
document.addEventListener("htmx:error", () => toast("The server did not answer. Check that it runs, then try again.", "bad"));

document.addEventListener("keydown", (event) => {
  if (event.key !== "?" || typing(event)) return;
  event.preventDefault();
  const keys = document.getElementById("keys");
  if (keys.open) keys.close();
  else keys.showModal();
});

document.addEventListener("click", async (event) => {
  if (event.target.closest("[data-keys]")) document.getElementById("keys").showModal();
  const menu = event.target.closest("[data-menu]");
  if (menu) menu.setAttribute("aria-expanded", String(document.body.classList.toggle("menu-open")));
  const copy = event.target.closest("[data-copy]");
  if (copy) {
    const field = document.getElementById(copy.dataset.copy);
    field.select();
    try {
      await navigator.clipboard.writeText(field.value);
      toast("Copied.");
    } catch {
      toast("Press Ctrl+C to copy the marked text."); // no clipboard without HTTPS
    }
  }
});

// <form data-confirm="Really?"> asks first; <select data-submit> sends its form when it changes.
document.addEventListener("submit", (event) => {
  const question = event.target.dataset.confirm;
  if (question && !window.confirm(question)) event.preventDefault();
});
document.addEventListener("change", (event) => {
  if (event.target.matches("[data-submit]")) event.target.form.requestSubmit();
});

// Escape closes what lies over the page, and gives the focus back to what opened it.
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || document.querySelector("dialog[open]")) return;
  const open = event.target.closest("details:is(.pop, .popup, .queue)[open]");
  const menu = document.querySelector(".menu-open [data-menu]");
  if (open) open.open = false;
  else if (menu) menu.click();
  else return;
  (open?.querySelector("summary") ?? menu).focus();
  event.stopImmediatePropagation(); // the page's own Escape leaves it
});

/** What scrolls and holds nothing to go to by Tab is itself a stop, named by its heading: else keys could not scroll it. */
function reach(box) {
  const scrolls = box.scrollWidth > box.clientWidth || box.scrollHeight > box.clientHeight;
  const alone = scrolls && !box.querySelector("a[href], button, input, select, textarea, summary");
  const title = box.closest("section, article, aside")?.querySelector("h1, h2, h3, b")?.textContent.trim() ?? "Scrolls";
  for (const [name, value] of Object.entries({ tabindex: "0", role: "group", "aria-label": title })) {
    if (alone) box.setAttribute(name, value);
    else box.removeAttribute(name);
  }
}
const scrollers = new ResizeObserver((entries) => entries.forEach(({ target }) => reach(target)));
function watchScrollers() {
  for (const box of document.querySelectorAll(".scroll, pre, blockquote")) {
    reach(box); // at once: a swap takes the attributes off, and the focus with them
    scrollers.observe(box);
  }
}
watchScrollers();
document.addEventListener("htmx:after:swap", watchScrollers);

// A page that shows a secret once was an answer to a form: reloading it must not send the form again.
const once = document.querySelector("[data-address]");
if (once) history.replaceState(null, "", once.dataset.address);

/** Exact local times on hover; the text stays relative. */
function localTimes(root) {
  for (const time of root.querySelectorAll("time[datetime]")) {
    time.title = new Date(time.dateTime).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" });
  }
}
localTimes(document);
document.addEventListener("htmx:after:swap", () => localTimes(document));
