/** Note every stop of Tab: whether it can be told from the others, whether it can be seen, and what is left out. */
() => {
  const inside = (root) => [...root.querySelectorAll("*")].flatMap((part) => [part, ...(part.shadowRoot ? inside(part.shadowRoot) : [])]);
  const told = (part) => part.outerHTML.replace(/\s+/g, " ").slice(0, 160);

  /** Of a group of radio buttons one is a stop, and the arrows go on from there. */
  const stands = (part) => {
    if (part.type !== "radio") return true;
    const group = [...part.form.elements].filter(({ name }) => name === part.name);
    return part === (group.find(({ checked }) => checked) ?? group[0]);
  };
  const stop = (part) =>
    part.matches("a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex]") &&
    part.tabIndex >= 0 && !part.matches(":disabled, [inert] *") && stands(part) &&
    part.checkVisibility({ visibilityProperty: true }) && part.getClientRects().length > 0;

  /** What shows the focus: an outline or a shadow, around the element, its label or something in it; a stroke in a drawing. */
  const drawn = (part) =>
    [part, part.closest("label"), ...part.querySelectorAll("*")].filter(Boolean).flatMap((each) =>
      [null, "::before", "::after"].map((pseudo) => {
        const style = getComputedStyle(each, pseudo);
        const line = style.outlineStyle === "none" || parseFloat(style.outlineWidth) < 1 ? "" : style.outline;
        return [line, style.boxShadow, each instanceof SVGElement ? style.stroke + style.strokeWidth : ""].join();
      }),
    ).join("|");
  const seen = (part) =>
    [...part.getClientRects()].some(({ left, right, top, bottom }) =>
      [[(left + right) / 2, (top + bottom) / 2], [left + 3, top + 3], [right - 3, bottom - 3]].some(([x, y]) => {
        const found = part.getRootNode().elementFromPoint(x, y);
        return found && (part.contains(found) || found.contains(part));
      }),
    );

  const stops = inside(document).filter(stop);
  const before = new Map(stops.map((part) => [part, drawn(part)]));
  const walk = { count: stops.length, rounds: 0 };
  const order = [];
  const faults = [];
  let here = null;
  addEventListener("focusin", (event) => {
    here = event.composedPath()[0];
    if (here.matches(".skip")) walk.rounds += 1;
    if (walk.rounds !== 1) return;
    if (before.has(here)) order.push(here);
    if (before.get(here) === drawn(here)) faults.push(`does not look focused: ${told(here)}`);
  }, true);
  addEventListener("keydown", ({ key }) => {
    // Only now: the browser scrolls after it has told of the focus.
    if (key === "Tab" && here && walk.rounds === 1 && !seen(here)) faults.push(`focused and out of sight: ${told(here)}`);
  }, true);

  walk.found = () => {
    const back = order.find((part, n) => n && order[n - 1].compareDocumentPosition(part) & Node.DOCUMENT_POSITION_PRECEDING);
    const moved = inside(document.body).filter((part) => {
      const { order: place, flexDirection } = getComputedStyle(part);
      return Number(place) !== 0 || flexDirection.endsWith("reverse");
    });
    return [
      ...faults,
      ...stops.filter((part) => !order.includes(part)).map((part) => `not reached: ${told(part)}`),
      ...(back ? [`goes back to: ${told(back)}`] : []),
      ...moved.map((part) => `shown out of order: ${told(part)}`),
      ...(walk.rounds < 2 ? [`never comes round: ${told(here ?? document.body)}`] : []),
    ];
  };
  window.walk = walk;
}
