/**
 * The alternation of two images in one place. A rate counts whole alternations (A, B and back) a second, which is how
 * WCAG 2.3.1 counts flashes: up to three are harmless to everybody, so faster ones come only by asking for them.
 */
export const RATES = [1, 1.5, 2, 2.5, 3, 4, 6, 8, 12];
export const HARMLESS = 3;

export class Flicker {
  rate = 2.5;
  #turn;
  #timer = 0;
  #ends = null;
  #first = false;

  /** `turn` is called at every change. */
  constructor(turn) {
    this.#turn = turn;
  }

  get on() {
    return this.#timer !== 0;
  }

  /** Whether it is the first image's turn. */
  get first() {
    return this.on && this.#first;
  }

  /** Begin, or go on at another rate. It ends by itself when nobody can be looking, or asks for less motion. */
  start() {
    clearInterval(this.#timer);
    this.#timer = setInterval(() => {
      this.#first = !this.#first;
      this.#turn();
    }, 500 / this.rate);
    if (!this.#ends) {
      this.#ends = new AbortController();
      const { signal } = this.#ends;
      const stop = () => this.stop();
      addEventListener("blur", stop, { signal });
      document.addEventListener("visibilitychange", () => document.hidden && stop(), { signal });
      LESS_MOTION.addEventListener("change", stop, { signal });
      this.#first = true;
    }
    this.#turn();
  }

  stop() {
    if (!this.on) return;
    clearInterval(this.#timer);
    this.#timer = 0;
    this.#ends.abort();
    this.#ends = null;
    this.#turn();
  }

  /** Whoever asked for less motion starts it for one item at a time. */
  nextItem() {
    if (LESS_MOTION.matches) this.stop();
  }
}

const LESS_MOTION = matchMedia("(prefers-reduced-motion: reduce)");
