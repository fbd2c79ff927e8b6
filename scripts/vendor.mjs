// Copies the browser's third-party files from node_modules to static/vendor, which is not committed.
import { copyFile, mkdir } from "node:fs/promises";

const FILES = { "htmx.org/dist/htmx.min.js": "htmx.min.js" };

const root = new URL("../", import.meta.url);
await mkdir(new URL("static/vendor/", root), { recursive: true });
for (const [from, to] of Object.entries(FILES)) {
  await copyFile(new URL(`node_modules/${from}`, root), new URL(`static/vendor/${to}`, root));
}
