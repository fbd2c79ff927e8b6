/** What a browser remembers about <ggt-viewer>, for all pages: {keep, gain, channel, signed, rate}. */
const NAME = "ggt-viewer";

export function recall() {
  try {
    return JSON.parse(localStorage.getItem(NAME)) ?? {};
  } catch {
    return {}; // storage is forbidden, or somebody else's text
  }
}

export function remember(change) {
  try {
    localStorage.setItem(NAME, JSON.stringify({ ...recall(), ...change }));
  } catch {
    // Full or forbidden: it holds until the page is left.
  }
}
