/** The way from <ggt-viewer> to its worker. Each image is handed over once, and only while somebody measures it. */
export class Lab {
  #worker = null;
  #given = new Map(); // url -> promise of its being there
  #asked = new Map(); // id -> {resolve, reject}
  #last = 0;

  /**
   * Do a job on images; `imgs` is {url: <img>} of those it needs. Rejects when the worker fails or was closed, or when
   * an image was let go meanwhile.
   */
  async ask(job, imgs, details) {
    const worker = (this.#worker ??= this.#start());
    await Promise.all(Object.entries(imgs).map(([url, img]) => this.#give(worker, url, img)));
    if (worker !== this.#worker) throw new Error("closed");
    const id = (this.#last += 1);
    return new Promise((resolve, reject) => {
      this.#asked.set(id, { resolve, reject });
      worker.postMessage({ id, job, ...details });
    });
  }

  /** Let go of the pixels of all images but these. */
  keep(urls) {
    if (![...this.#given.keys()].some((url) => !urls.includes(url))) return;
    for (const url of this.#given.keys()) if (!urls.includes(url)) this.#given.delete(url);
    this.#worker?.postMessage({ keep: urls });
  }

  close() {
    this.#worker?.terminate();
    this.#worker = null;
    this.#given.clear();
    for (const { reject } of this.#asked.values()) reject(new Error("closed"));
    this.#asked.clear();
  }

  #start() {
    const worker = new Worker(new URL("./viewer-worker.js", import.meta.url), { type: "module" });
    worker.addEventListener("message", ({ data: { id, result, error } }) => {
      const asked = this.#asked.get(id);
      this.#asked.delete(id);
      if (error) asked?.reject(new Error(error));
      else asked?.resolve(result);
    });
    worker.addEventListener("error", () => worker === this.#worker && this.close());
    return worker;
  }

  #give(worker, url, img) {
    let given = this.#given.get(url);
    if (!given) {
      given = createImageBitmap(img).then((bitmap) => {
        const wanted = worker === this.#worker && this.#given.get(url) === given;
        if (wanted) worker.postMessage({ put: url, bitmap }, [bitmap]);
        else bitmap.close();
      });
      given.catch(() => this.#given.get(url) === given && this.#given.delete(url));
      this.#given.set(url, given);
    }
    return given;
  }
}
