// Builds the plugin: main.js, and beside it manifest.json, as Obsidian wants them in .obsidian/plugins/yp2p.

import { build } from "esbuild";
import { copyFile, mkdir } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const into = resolve(here, process.argv[2] ?? "dist");

await mkdir(into, { recursive: true });
await build({
  absWorkingDir: here,
  entryPoints: ["src/main.ts"],
  outfile: join(into, "main.js"),
  bundle: true,
  format: "cjs",
  platform: "node", // the desktop's Obsidian has node's modules
  target: ["es2022"],
  // What Obsidian itself has, and what `ws` does without.
  external: ["obsidian", "electron", "@codemirror/*", "@lezer/*", "bufferutil", "utf-8-validate"],
  legalComments: "linked",
  logLevel: "warning",
});
await copyFile(join(here, "manifest.json"), join(into, "manifest.json"));
