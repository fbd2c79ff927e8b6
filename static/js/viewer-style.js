/** The style of <ggt-viewer>'s shadow tree, which page style sheets do not reach. */
export const SHEET = new CSSStyleSheet();
SHEET.replaceSync(`
  :host { display: grid; gap: 8px; min-width: 0; min-height: 0; overflow: hidden; touch-action: none; user-select: none;
    -webkit-user-select: none; cursor: grab; }
  :host(.dragging) { cursor: grabbing; }
  .pane { position: relative; overflow: hidden; min-width: 0; min-height: 0; border-radius: 6px; contain: strict;
    background: var(--stage, #777); isolation: isolate; }
  .layer { position: absolute; inset: 0; overflow: hidden; }
  .layer[hidden] { display: none; }
  img { position: absolute; left: 0; top: 0; max-width: none; transform-origin: 0 0; pointer-events: none; }
  .tag { position: absolute; top: 8px; padding: 1px 8px; border-radius: 4px; background: rgb(0 0 0 / .67); color: #fff;
    font: 12px/1.5 system-ui, sans-serif; pointer-events: none; }
  .tag.left { left: 8px; } .tag.right { right: 8px; }
  .note { position: absolute; inset: 0; display: grid; place-items: center; color: #fff; text-align: center; padding: 16px;
    font: 14px/1.45 system-ui, sans-serif; pointer-events: none; text-shadow: 0 1px 3px #000; }
  .difference { isolation: isolate; background: #000; filter: brightness(4); }
  .difference .layer + .layer { mix-blend-mode: difference; }
  .handle { position: absolute; top: 0; bottom: 0; width: 44px; margin-left: -22px; cursor: ew-resize; outline: none; }
  .handle::before { content: ""; position: absolute; inset: 0 21px; background: #fff; box-shadow: 0 0 0 1px rgb(0 0 0 / .45); }
  .handle::after { content: "\\2194"; position: absolute; left: 6px; top: calc(50% - 16px); width: 32px; height: 32px;
    border-radius: 50%; background: #fff; color: #222; font: 18px/32px system-ui, sans-serif; text-align: center;
    box-shadow: 0 0 0 1px rgb(0 0 0 / .45); }
  .handle:focus-visible::after { box-shadow: 0 0 0 3px var(--accent, #6ea8fe); }
`);
