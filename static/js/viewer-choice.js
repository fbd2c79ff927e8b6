/** Which two of its images <ggt-viewer> compares: A, which the others are held against, and B. */
export const MOST = 10; // images in sight

export class Choice {
  #a = 0;
  #b = 1;
  #all = true;

  /** {a, b, all} among so many images; `all`: side mode shows all of them and not only these two. */
  among(count) {
    const last = Math.max(0, count - 1);
    return { a: Math.min(this.#a, last), b: Math.min(this.#b, last), all: this.#all };
  }

  /** Compare b with a; with null, look at all. */
  choose(b, a) {
    this.#all = b === null;
    if (!this.#all) [this.#a, this.#b] = [a, b];
  }

  /** Choose B without a change of what side mode shows. */
  show(b) {
    this.#b = b;
  }

  /** The choice of B that is `by` steps away, null: all of them. Undefined when there is none. */
  next(by, count, side) {
    const { a, b, all } = this.among(count);
    const choices = Array.from({ length: count }, (_, index) => index).filter((index) => index !== a);
    if (choices.length < 2) return undefined;
    if (side && count <= MOST) choices.push(null);
    const at = choices.indexOf(side && all ? null : b);
    return choices[(at + by + choices.length) % choices.length];
  }

  /** The indexes in sight, in their order; of two, A first. */
  wanted(count, side) {
    const { a, b, all } = this.among(count);
    if (side && all) return Array.from({ length: Math.min(MOST, count) }, (_, index) => index);
    return count ? [...new Set([a, b])] : [];
  }
}
