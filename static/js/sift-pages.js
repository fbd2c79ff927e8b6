/** The pages of a grid: the next one is fetched, with its pictures, before anybody asks for it. */

/** `tiles` is the grid, whose last cell leads to the next page; `button` stands for it and is hidden at the end. */
export function makePages(tiles, button) {
  let next = null; // {part, tiles}: where the next page is, and a promise of it

  /** Take the link to the next page out of the grid, and fetch what it leads to. */
  function prepare() {
    const more = tiles.querySelector("[data-part]");
    tiles.querySelector(".more-cell")?.remove();
    button.hidden = !more;
    next = more ? { part: more.dataset.part, tiles: null } : null;
    next?.part && ready(next).catch(() => {}); // asked for again when the page is turned
  }

  /** The next page's tiles; a failed attempt is forgotten. */
  async function ready(page) {
    page.tiles ??= load(page.part);
    try {
      return await page.tiles;
    } catch (error) {
      page.tiles = null;
      throw error;
    }
  }

  async function load(part) {
    const response = await fetch(part, { headers: { Accept: "text/html" } });
    if (!response.ok || response.redirected) throw new Error(response.statusText);
    const holder = document.createElement("template");
    holder.innerHTML = await response.text();
    for (const { src } of holder.content.querySelectorAll("img")) new Image().src = src;
    return holder.content;
  }

  return {
    get more() {
      return next !== null;
    },
    prepare,
    /** Put the next page in place of this one. True when done, false when it could not be had, null when it was done already. */
    async turn() {
      const page = next;
      let content;
      try {
        content = await ready(page);
      } catch {
        return false;
      }
      if (page !== next) return null;
      tiles.replaceChildren(content);
      prepare();
      return true;
    },
  };
}
