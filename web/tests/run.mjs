// Runs the tests of what is pure: it is built as the page is, and runs in node.

import { build } from "esbuild";
import { spawnSync } from "node:child_process";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const into = await mkdtemp(join(tmpdir(), "page-tests-"));
try {
  const tests = (await readdir(here)).filter((name) => name.endsWith(".test.mjs")).map((name) => join(here, name));
  await build({
    entryPoints: tests,
    outdir: into,
    outExtension: { ".js": ".mjs" },
    bundle: true,
    format: "esm",
    platform: "node",
    logLevel: "warning",
  });
  const built = tests.map((name) => join(into, name.slice(here.length + 1)));
  process.exitCode =
    spawnSync(process.execPath, ["--test", "--test-reporter=dot", ...built], { stdio: "inherit" }).status ?? 1;
} finally {
  await rm(into, { recursive: true });
}
