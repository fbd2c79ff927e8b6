/** How many pictures were decided on here, how fast, and how many are left. */

const RATE_WINDOW = 10 * 60_000;
const MOST_COUNTED = 10_000; // the server counts no further on some lists

export function makeProgress(root, given) {
  const times = []; // when each was decided on
  let left = given;

  const format = (value) => Math.round(value).toLocaleString("en");

  return {
    /** `by` more are decided on; fewer when some were taken back. */
    count(by) {
      const now = performance.now();
      if (by > 0) times.push(...Array(by).fill(now));
      else times.splice(Math.max(0, times.length + by));
      left = Math.max(0, left - by);
      const recent = times.filter((time) => now - time < RATE_WINDOW);
      const minutes = recent.length ? Math.max(1, (now - recent[0]) / 60_000) : 1;
      const said = {
        here: `${format(times.length)} here`,
        rate: `${format(recent.length / minutes)}/min`,
        left: `${given === MOST_COUNTED + 1 ? "10,000+" : format(left)} left`,
      };
      for (const [name, text] of Object.entries(said)) root.querySelector(`[data-${name}]`).textContent = text;
    },
  };
}
