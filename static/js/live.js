// Live updates: what /events says becomes an event on <body> ("live-funnel", "live-runs", "live-run-12"), on which the
// fragments reload themselves. A hidden tab closes its stream: browsers allow six connections to a server, tabs have more.
let source = null;

function open() {
  if (source || document.hidden) return;
  const run = document.querySelector("[data-live-run]")?.dataset.liveRun;
  source = new EventSource("/events");
  for (const name of ["funnel", "runs", ...(run ? [`run-${run}`] : [])]) {
    source.addEventListener(name, () => document.body.dispatchEvent(new CustomEvent(`live-${name}`)));
  }
  source.addEventListener("error", () => {
    if (source?.readyState !== EventSource.CLOSED) return; // it connects again by itself
    close();
    setTimeout(open, 15_000); // refused: too many listeners, or the sign-in has ended
  });
}

function close() {
  source?.close();
  source = null;
}

document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
window.addEventListener("pagehide", close);
window.addEventListener("pageshow", open);
open();
