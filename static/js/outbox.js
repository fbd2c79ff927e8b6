/**
 * What a person decided and the server has not yet confirmed. Each entry lies in localStorage from the key press until
 * the answer, so it survives lost network, an ended session and a closed tab; its key makes sending it twice harmless.
 *
 * Entries are sent one by one in the order they were made (an undo must follow what it undoes), by any open tab of the
 * same person. Never under another person's session: entries carry their user's id, and a CSRF token fits one session.
 *
 * Events: "state" {kind, count}; "accepted" {entry, answer, sentAt}; "refused" {entry, status, message}.
 * Kinds: saved, saving, offline, server (trouble there), signed-out, other-user, forbidden, memory (storage is full).
 */
const TIMEOUT = 15_000;
const LONGEST_WAIT = 30_000;
const LOCK = "ggt-outbox";

export class Outbox extends EventTarget {
  #prefix;
  #memory = new Map(); // used for what localStorage would not take
  #running = false;
  #timer = 0;
  #failures = 0;
  #last = 0;

  /**
   * `csrf` is the page's token; `whoami` the address that answers {user_id, csrf} for the current session. `along(entry)`
   * gives fields that are made anew each time an entry is sent: what the page would like to know with the answer. `name`
   * keeps entries of one kind of page apart from those of others.
   */
  constructor({ userId, csrf, whoami, along = () => [], name = "ggt-outbox" }) {
    super();
    this.along = along;
    this.userId = userId;
    this.csrf = csrf;
    this.whoami = whoami;
    this.#prefix = `${name}/${userId}/`;
    addEventListener("online", () => this.flush());
    addEventListener("focus", () => this.count && this.flush());
    addEventListener("beforeunload", (event) => this.#memory.size && event.preventDefault());
  }

  get count() {
    return this.entries().length;
  }

  /** Everything unconfirmed, oldest first. */
  entries() {
    const kept = Object.keys(localStorage)
      .filter((name) => name.startsWith(this.#prefix))
      .map((name) => [name, localStorage.getItem(name)])
      .filter(([, text]) => text)
      .map(([name, text]) => ({ name, ...JSON.parse(text) }));
    return [...kept, ...this.#memory.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** Keep an entry {path, fields, imageId, label} and send it. `fields` is a list of [name, value]. */
  add(entry) {
    this.#last = Math.max(Date.now(), this.#last + 1); // two in one millisecond keep their order
    const name = `${this.#prefix}${String(this.#last).padStart(15, "0")}-${newKey().slice(0, 6)}`;
    try {
      localStorage.setItem(name, JSON.stringify(entry));
    } catch {
      this.#memory.set(name, { name, ...entry });
    }
    this.#tell("saving");
    this.flush();
  }

  /** Send what waits, now. */
  async flush() {
    if (this.#running) return;
    this.#running = true;
    clearTimeout(this.#timer);
    try {
      await this.#alone(() => this.#sendAll());
    } finally {
      this.#running = false;
    }
    if (this.count && !this.#timer) this.flush(); // added while the last answer was on its way
  }

  /** One tab sends at a time where the browser has locks; without them a double is harmless, only wasteful. */
  async #alone(work) {
    if (!navigator.locks) return work();
    await navigator.locks.request(LOCK, { ifAvailable: true }, (lock) => (lock ? work() : this.#later(1000)));
  }

  async #sendAll() {
    this.#timer = 0;
    for (let [entry] = this.entries(); entry; [entry] = this.entries()) {
      this.#tell("saving");
      const trouble = await this.#send(entry);
      if (trouble) {
        this.#failures += 1;
        this.#tell(this.#memory.size ? "memory" : trouble);
        return this.#later(Math.min(LONGEST_WAIT, 500 * 2 ** this.#failures) * (0.75 + Math.random() / 2));
      }
      this.#failures = 0;
    }
    this.#tell("saved");
  }

  #later(wait) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#timer = 0;
      this.flush();
    }, wait);
  }

  /** Send one entry. Returns the kind of trouble when it has to wait, null when it is settled. */
  async #send(entry, again = false) {
    const sentAt = performance.now();
    let response;
    try {
      response = await fetch(entry.path, {
        method: "POST",
        body: new URLSearchParams([...entry.fields, ...this.along(entry)]),
        headers: { Accept: "application/json", "X-CSRF-Token": this.csrf },
        redirect: "error",
        signal: AbortSignal.timeout(TIMEOUT),
      });
      if (response.ok) {
        const answer = await response.json();
        this.#settle(entry, "accepted", { entry, answer, sentAt });
        return null;
      }
    } catch {
      return navigator.onLine ? "server" : "offline";
    }
    const { status } = response;
    if (status === 401 || status === 403) {
      // The session may have been renewed in another tab: then there is a new token.
      const trouble = await this.identify();
      if (trouble) return trouble;
      return again ? "forbidden" : this.#send(entry, true);
    }
    if (status >= 500 || status === 408 || status === 429) return "server";
    const { detail } = await response.json().catch(() => ({}));
    this.#settle(entry, "refused", { entry, status, message: detail ?? `The server answered ${status}.` });
    return null;
  }

  #settle(entry, event, detail) {
    localStorage.removeItem(entry.name);
    this.#memory.delete(entry.name);
    this.dispatchEvent(new CustomEvent(event, { detail }));
  }

  /** Take the token of the session there is now. Returns null, or the kind of trouble with it. */
  async identify() {
    try {
      const response = await fetch(this.whoami, { headers: { Accept: "application/json" } });
      if (response.status === 401) return "signed-out";
      if (response.status === 403) return "forbidden";
      if (!response.ok) return "server";
      const { user_id: userId, csrf } = await response.json();
      if (userId !== this.userId) return "other-user";
      this.csrf = csrf;
      return null;
    } catch {
      return "offline";
    }
  }

  #tell(kind) {
    this.dispatchEvent(new CustomEvent("state", { detail: { kind, count: this.count } }));
  }
}

/** A new key for one decision. randomUUID would need HTTPS, which a lab's own network may not have. */
export function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
