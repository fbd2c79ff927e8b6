/** The strip of buttons inside <ggt-viewer>: what the mode that is on can be set to, for hands without a keyboard. */
import { CHANNELS, GAINS } from "./viewer-pixels.js";
import { RATES } from "./viewer-flicker.js";
import { part } from "./viewer-panes.js";

const NAMES = { color: "Colour", luma: "Luma", chroma: "Chroma" };

export class Controls {
  element = part("controls");
  #buttons;

  /** `viewer` is asked for its state at each update(), and told what was pressed. */
  constructor(viewer) {
    const button = (text, label, act) => {
      const made = Object.assign(part("", "button"), { type: "button", textContent: text, title: label });
      made.setAttribute("aria-label", label);
      made.addEventListener("click", act);
      return made;
    };
    this.#buttons = {
      less: button("−", "Less ([)", () => viewer.step(-1)),
      value: part("value", "output"),
      more: button("+", "More (])", () => viewer.step(1)),
      channel: button("", "Channel: colour, luma or chroma", () => {
        const { channel } = viewer.difference;
        viewer.difference = { channel: CHANNELS[(CHANNELS.indexOf(channel) + 1) % CHANNELS.length] };
      }),
      signed: button("±", "Signed: mid-grey is equal", () => {
        viewer.difference = { signed: !viewer.difference.signed };
      }),
      whole: button("Whole image", "Count the whole image, not only what is in view", () => {
        viewer.countWhole(!viewer.counting.whole);
      }),
      stop: button("Stop", "Stop the flicker", () => viewer.flicker(false)),
    };
    this.element.append(...Object.values(this.#buttons));
    this.element.setAttribute("role", "toolbar");
    this.element.setAttribute("aria-label", "Comparison");
    // The viewer must not take a press here for the beginning of a drag.
    for (const kind of ["pointerdown", "pointermove", "dblclick"]) {
      this.element.addEventListener(kind, (event) => event.stopPropagation());
    }
  }

  update(viewer) {
    const { less, value, more, channel, signed, whole, stop } = this.#buttons;
    const flickers = viewer.flickers;
    const differs = viewer.mode === "difference" && !flickers;
    const { difference, rate, counting } = viewer;
    for (const part of [less, value, more]) part.hidden = !flickers && !differs;
    for (const part of [channel, signed]) part.hidden = !differs;
    stop.hidden = !flickers;
    whole.hidden = !counting.on;
    value.textContent = flickers ? `${rate}/s` : `×${difference.gain}`;
    const choices = flickers ? RATES : GAINS;
    less.disabled = choices.indexOf(flickers ? rate : difference.gain) === 0;
    more.disabled = choices.indexOf(flickers ? rate : difference.gain) === choices.length - 1;
    channel.textContent = NAMES[difference.channel];
    signed.setAttribute("aria-pressed", String(difference.signed));
    whole.setAttribute("aria-pressed", String(counting.whole));
    this.element.hidden = !flickers && !differs && !counting.on;
  }
}
