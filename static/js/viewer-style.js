/** The style of <ggt-viewer>'s shadow tree, which page style sheets do not reach. */
export const SHEET = new CSSStyleSheet();
SHEET.replaceSync(`
  *, ::before, ::after { box-sizing: border-box; }
  [hidden] { display: none !important; }
  :host { display: grid; position: relative; min-width: 0; min-height: 0; overflow: hidden; touch-action: none;
    user-select: none; -webkit-user-select: none; cursor: grab; }
  :host(.dragging) { cursor: grabbing; }
  :host(.loupe), :host(.marking) { cursor: crosshair; }
  :host(:focus-visible) { outline: 2px solid var(--accent, #6ea8fe); outline-offset: -2px; }
  .stage { display: grid; gap: 8px; min-width: 0; min-height: 0; align-content: start; justify-content: start; }
  .pane { position: relative; overflow: hidden; min-width: 0; min-height: 0; border-radius: 6px; contain: strict;
    background: var(--stage, #777); isolation: isolate; container-type: size; }
  .layer { position: absolute; inset: 0; overflow: hidden; }
  .layer > * { position: absolute; left: 0; top: 0; max-width: none; transform-origin: 0 0; pointer-events: none; }
  .tag { position: absolute; top: 8px; max-width: calc(100% - 16px); padding: 1px 8px; border-radius: 4px;
    background: rgb(0 0 0 / .67); color: #fff; font: 12px/1.5 system-ui, sans-serif; pointer-events: none;
    white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
  .tag.left { left: 8px; } .tag.right { right: 8px; }
  :host([untagged]) .tag { display: none; }
  .marks { position: absolute; inset: 0; pointer-events: none; }
  .mark { position: absolute; left: 0; top: 0; border: 2px solid #fff; outline: 1px solid #000; border-radius: 2px;
    box-shadow: inset 0 0 0 1px #000; }
  .note { position: absolute; inset: 0; display: grid; place-items: center; color: #fff; text-align: center;
    padding: 16px; font: 14px/1.45 system-ui, sans-serif; pointer-events: none; text-shadow: 0 1px 3px #000; }
  .handle { position: absolute; top: 0; bottom: 0; width: 44px; margin-left: -22px; cursor: ew-resize; outline: none;
    touch-action: none; }
  .handle::before { content: ""; position: absolute; inset: 0 21px; background: #fff;
    box-shadow: 0 0 0 1px rgb(0 0 0 / .45); }
  .handle::after { content: "\\2194"; position: absolute; left: 6px; top: calc(50% - 16px); width: 32px; height: 32px;
    border-radius: 50%; background: #fff; color: #222; font: 18px/32px system-ui, sans-serif; text-align: center;
    box-shadow: 0 0 0 1px rgb(0 0 0 / .45); }
  .handle:focus-visible::after { box-shadow: 0 0 0 3px var(--accent, #6ea8fe); }

  .controls { position: absolute; top: 34px; right: 8px; z-index: 3; display: flex; gap: 2px; align-items: center;
    padding: 2px; border-radius: 6px; background: rgb(0 0 0 / .75); color: #fff; font: 13px/1.5 system-ui, sans-serif;
    cursor: default; }
  .controls button { min-width: 30px; padding: 3px 8px; border: 1px solid transparent; border-radius: 4px;
    background: none; color: inherit; font: inherit; cursor: pointer; touch-action: manipulation; }
  .controls button:hover { background: rgb(255 255 255 / .15); }
  .controls button:disabled { opacity: .4; cursor: default; }
  .controls button[aria-pressed="true"] { border-color: var(--accent, #6ea8fe); color: var(--accent, #6ea8fe); }
  .controls button:focus-visible { outline: 2px solid var(--accent, #6ea8fe); }
  .controls .value { min-width: 4ch; text-align: center; font-variant-numeric: tabular-nums; }
  @media (pointer: coarse) { .controls button { min-width: 40px; min-height: 40px; } }

  .loupe { position: absolute; left: 0; top: 0; z-index: 2; display: grid; gap: 2px; padding: 2px; background: #111;
    border-radius: 6px; box-shadow: 0 4px 20px rgb(0 0 0 / .6); pointer-events: none; }
  .loupe.idle { display: none; }
  .tile { position: relative; background: var(--stage, #777); }
  .tile canvas { display: block; }
  .tile .tag { top: 2px; left: 2px; max-width: calc(100% - 4px); padding: 0 5px; font-size: 11px; }

  .meters { position: absolute; left: 8px; right: 8px; bottom: 8px; display: flex; gap: 8px;
    justify-content: space-between; align-items: end; pointer-events: none; }
  .meter { flex: 0 1 200px; min-width: 0; padding: 4px 8px 5px; border-radius: 6px; background: rgb(0 0 0 / .75);
    color: #fff; font: 12px/1.4 system-ui, sans-serif; font-variant-numeric: tabular-nums; white-space: pre-wrap;
    overflow: hidden; }
  .meter canvas { display: block; width: 100%; height: 48px; margin: 3px 0; background: #151515; }
  .meter .name { font-weight: 600; white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
  .meter .pixel { min-height: 1.4em; white-space: pre; overflow: hidden; text-overflow: ellipsis; }
  .meter .about { color: #ccc; font-size: 11px; }
  @container (height < 240px) { .meter .about { display: none; } }
  @container (height < 150px) { .meter canvas { display: none; } }
`);
