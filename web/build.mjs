// Builds the page into yp2p/page/assets: page.js and what it loads later, page.css, index.html, LICENSES.txt.
//
// Two builds of the same sources are the same bytes. It ends with an error where the page has become too large.

import { build } from "esbuild";
import { copyFile, mkdir, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

// Compressed, with everything that the page may ever load. It stands in docs/page.md, too.
const MOST_BYTES = 300_000;

const here = dirname(fileURLToPath(import.meta.url));
const into = resolve(here, process.argv[2] ?? "../yp2p/page/assets");

await rm(into, { recursive: true, force: true });
await mkdir(into, { recursive: true });
const { metafile } = await build({
  absWorkingDir: here,
  entryPoints: { page: "src/main.tsx", editor: "src/editor/editor.tsx" },
  outdir: into,
  bundle: true,
  splitting: true,
  format: "esm",
  target: ["es2022"],
  minify: true,
  legalComments: "none", // all licences are in LICENSES.txt, whole
  chunkNames: "chunk-[hash]",
  metafile: true,
  logLevel: "warning",
});
await build({
  absWorkingDir: here,
  entryPoints: { page: "src/style/page.css" },
  outdir: into,
  bundle: true,
  minify: true,
  logLevel: "warning",
});
for (const name of ["index.html", "icon.svg"]) await copyFile(join(here, "src", name), join(into, name));
await writeFile(join(into, "LICENSES.txt"), await licences(Object.keys(metafile.inputs)));
await weigh();

// The licences of every package of which a file is in the page.
async function licences(inputs) {
  const packages = new Set();
  for (const input of inputs) {
    const found = /(?:^|\/)node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(input);
    if (found) packages.add(found[1]);
  }
  const parts = [];
  for (const name of [...packages].sort()) {
    const directory = join(here, "node_modules", name);
    const { version, license } = JSON.parse(await readFile(join(directory, "package.json"), "utf8"));
    const file = (await readdir(directory)).sort().find((one) => /^licen[cs]e/i.test(one));
    if (!file || !license) throw new Error(`${name} does not say under which licence it is`);
    parts.push(`${name} ${version} (${license})\n\n${(await readFile(join(directory, file), "utf8")).trim()}\n`);
  }
  return `The page is made with these packages.\n\n${parts.join(`\n${"-".repeat(78)}\n\n`)}`;
}

// What a browser would load, compressed as `gzip -9` does.
async function weigh() {
  let all = 0;
  for (const name of (await readdir(into)).sort()) {
    if (name === "LICENSES.txt") continue;
    const bytes = await readFile(join(into, name));
    const small = gzipSync(bytes, { level: 9 }).length;
    all += small;
    console.log(
      `${name.padEnd(20)} ${String(bytes.length).padStart(8)} bytes, ${String(small).padStart(7)} compressed`,
    );
  }
  console.log(`${"all".padEnd(20)} ${"".padStart(15)} ${String(all).padStart(7)} compressed, of ${MOST_BYTES}`);
  if (all > MOST_BYTES) {
    console.error(`The page is ${all - MOST_BYTES} bytes too large.`);
    process.exit(1);
  }
}
