/**
 * Keys that people can change: which key does what, remembered in this browser. An action has one key, a key one action:
 * giving a key away that another action has swaps the two.
 */
export class Keymap {
  #name;
  #defaults;
  #keys;

  /** `defaults` are {action: key}, keys as `KeyboardEvent.key` in lower case. `name` is where changes are kept. */
  constructor(name, defaults) {
    this.#name = name;
    this.#defaults = defaults;
    let kept = {};
    try {
      kept = JSON.parse(localStorage.getItem(name)) ?? {};
    } catch {
      // what cannot be read is as good as nothing kept
    }
    const known = Object.entries(kept).filter(([action, key]) => action in defaults && typeof key === "string");
    this.#keys = { ...defaults, ...Object.fromEntries(known) };
  }

  keyOf(action) {
    return this.#keys[action];
  }

  /** The action of a key, or undefined. */
  actionOf(key) {
    return Object.keys(this.#keys).find((action) => this.#keys[action] === key);
  }

  /** Give `action` a key. Returns the action that had it before, which now has the old one. */
  set(action, key) {
    const other = this.actionOf(key);
    if (other) this.#keys[other] = this.#keys[action];
    this.#keys[action] = key;
    localStorage.setItem(this.#name, JSON.stringify(this.#keys));
    return other === action ? undefined : other;
  }

  reset() {
    this.#keys = { ...this.#defaults };
    localStorage.removeItem(this.#name);
  }
}

const NAMES = { " ": "Space", arrowleft: "←", arrowright: "→", arrowup: "↑", arrowdown: "↓", enter: "Enter" };

/** A key as people read it. */
export const keyName = (key) => NAMES[key] ?? (key.length === 1 ? key.toUpperCase() : key);

/**
 * Make the rows of the keys dialog that carry `data-action` changeable: a click, then the new key. Keys in `taken` have
 * another meaning that stays. Every element with `data-key-of` shows its action's key.
 */
export function bindKeyDialog(dialog, keymap, taken) {
  let waiting = null;

  function paint() {
    for (const shown of document.querySelectorAll("[data-key-of]")) shown.textContent = keyName(keymap.keyOf(shown.dataset.keyOf));
  }
  function stop() {
    waiting?.classList.remove("waiting");
    waiting = null;
  }

  dialog.addEventListener("click", ({ target }) => {
    if (target.closest("[data-keys-reset]")) {
      keymap.reset();
      stop();
      return paint();
    }
    const row = target.closest("[data-action]");
    if (!row) return;
    stop();
    waiting = row;
    row.classList.add("waiting");
    row.querySelector("[data-key-of]").textContent = "press a key";
  });
  dialog.addEventListener(
    "keydown",
    (event) => {
      if (!waiting) return;
      event.preventDefault();
      event.stopPropagation();
      const key = event.key.toLowerCase();
      if (["shift", "control", "alt", "meta"].includes(key)) return;
      const message = dialog.querySelector("[data-keys-message]");
      if (key !== "escape" && taken.has(key)) {
        message.textContent = `${keyName(key)} is needed for something else.`;
        return;
      }
      const other = key === "escape" ? undefined : keymap.set(waiting.dataset.action, key);
      message.textContent = other ? `${keyName(keymap.keyOf(other))} now stands for what ${keyName(key)} did.` : "";
      stop();
      paint();
    },
    true,
  );
  dialog.addEventListener("close", () => {
    stop();
    paint();
  });
  paint();
}
