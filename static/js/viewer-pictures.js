/** The decoded images of <ggt-viewer>: each address is loaded once, and forgotten when nobody needs it any more. */
const AHEAD = 32; // images loaded ahead; more would be hundreds of megabytes for what may never be looked at

export class Pictures {
  #loaded = new Map(); // url -> {img, ready}
  #ahead = [];

  /** How many images are held. */
  get size() {
    return this.#loaded.size;
  }

  /** {img, ready} of an address; `img.dataset.decoded` is set once it can be painted at once. */
  load(url) {
    let entry = this.#loaded.get(url);
    if (!entry) {
      const img = new Image();
      img.decoding = "sync"; // swapped in one frame, never half painted
      img.draggable = false;
      img.src = url;
      const ready = img.decode().then(() => void (img.dataset.decoded = "yes"));
      ready.catch(() => this.#loaded.get(url)?.img === img && this.#loaded.delete(url));
      entry = { img, ready };
      this.#loaded.set(url, entry);
    }
    return entry;
  }

  /** Load these ahead, forget those of the last call; `shown` stay. */
  preload(urls, shown) {
    this.#ahead = urls.slice(0, AHEAD);
    this.trim(shown);
    for (const url of this.#ahead) this.load(url);
  }

  /** Forget what is neither shown nor loaded ahead. */
  trim(shown) {
    const keep = new Set([...this.#ahead, ...shown]);
    for (const [url, { img }] of this.#loaded) {
      if (keep.has(url)) continue;
      this.#loaded.delete(url);
      if (img.isConnected) continue;
      // Lets go of the pixels now. Not by removeAttribute: Chromium then keeps the element, and all that it lay in.
      img.remove();
      img.src = "";
    }
  }
}
