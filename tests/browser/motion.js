/** Rules that are in force and move something for longer than `most` seconds, opened or not; and what moves now. */
(most) => {
  const seconds = (text) => Math.max(0, ...text.split(",").map((each) => parseFloat(each) * (each.trim().endsWith("ms") ? 0.001 : 1)));
  const holds = ({ media }) => !media || matchMedia(media.mediaText).matches;
  const rules = (list) => [...list].filter(holds).flatMap((rule) => [rule, ...(rule.cssRules ? rules(rule.cssRules) : [])]);
  const shadows = (root) => [...root.querySelectorAll("*")].flatMap(({ shadowRoot }) => (shadowRoot ? [shadowRoot, ...shadows(shadowRoot)] : []));
  const sheets = [document, ...shadows(document)].flatMap((root) => [...root.styleSheets, ...root.adoptedStyleSheets]);
  const moves = ({ style }) =>
    style && (seconds(style.transitionDuration) > most || seconds(style.animationDuration) > most || style.scrollBehavior === "smooth");
  return [
    ...sheets.flatMap((sheet) => rules(sheet.cssRules)).filter(moves).map(({ cssText }) => cssText),
    ...document.getAnimations().map(({ effect }) => effect.target?.outerHTML ?? "an animation"),
  ];
}
