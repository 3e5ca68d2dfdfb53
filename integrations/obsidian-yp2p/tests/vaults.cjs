// Obsidians with the built plugin, of one process; one JSON command a line, for test_plugin.py.
const { JSDOM } = require("jsdom");
const { buildSync } = require("esbuild");
const Module = require("node:module");
const { join } = require("node:path");
const { createInterface } = require("node:readline");

console.warn = console.error; // only answers go to the standard output
const { window } = new JSDOM("<!doctype html><body></body>", { pretendToBeVisual: true });
for (const name of ["MutationObserver", "HTMLElement", "Node", "Range", "Window", "getComputedStyle", "requestAnimationFrame", "cancelAnimationFrame"]) {
  globalThis[name] ??= window[name];
}
Object.assign(globalThis, { window, document: window.document });
window.Range.prototype.getClientRects = () => [];
window.document.hasFocus = () => true;

const obsidian = require("./obsidian.cjs");
const load = Module._load;
Module._load = (name, ...more) => (name === "obsidian" ? obsidian : load(name, ...more));
const Yp2p = require(join(process.argv[2], "main.js")).default;

const vaults = new Map();

const open = async ({ vault, base, socket, name }) => {
  const app = new obsidian.App(base);
  const plugin = new Yp2p(app, { socket, name });
  await plugin.onload();
  vaults.set(vault, { app, plugin });
};

const contract = () => {
  const { outputFiles } = buildSync({ entryPoints: [join(__dirname, "contract.ts")], format: "cjs", write: false });
  const module = { exports: {} };
  new Function("module", outputFiles[0].text)(module);
  const app = new obsidian.App("/");
  const there = {
    App: app, Vault: app.vault, Workspace: app.workspace, FileSystemAdapter: app.vault.adapter,
    MarkdownView: new obsidian.MarkdownView(app), Plugin: new obsidian.Plugin(app, null),
  };
  return Object.entries(module.exports.default).flatMap(([name, members]) =>
    members.filter((member) => !(member in there[name])).map((member) => `${name}.${member}`),
  );
};

const answer = async ({ do: what, vault, leaf = 0, ...given }) => {
  if (what === "open") return open({ vault, ...given });
  if (what === "contract") return contract();
  const { app, plugin } = vaults.get(vault);
  const view = app.workspace.leaves[leaf]?.view;
  const cm = view?.editor.cm;
  switch (what) {
    case "show":
      return app.show(leaf, given.path);
    case "type": {
      const place = given.line === undefined ? given.at : cm.state.doc.line(Math.min(given.line, cm.state.doc.lines)).from;
      const from = Math.min(place, cm.state.doc.length);
      const to = Math.min(from + (given.remove ?? 0), cm.state.doc.length);
      cm.dispatch({
        changes: { from, to, insert: given.text }, selection: { anchor: from + given.text.length }, userEvent: "input.type",
      });
      return null;
    }
    case "undo": {
      const binding = cm.state.facet(require("@codemirror/view").keymap).flat().find(({ key }) => key === "Mod-z");
      return binding.run(cm);
    }
    case "rename":
      return app.vault.rename(view.file, given.path);
    case "lose": {
      const { file } = view;
      app.vault.lose(file);
      view.file = null; // Obsidian closes the tab
      return null;
    }
    case "stale":
      view.setViewData(given.text, false);
      return null;
    case "unload":
      return plugin.onunload();
    case "look":
      return {
        text: view.getViewData(), status: plugin.said, notices: obsidian.notices, saves: app.saves, reloads: app.reloads,
        carets: [...cm.dom.querySelectorAll(".cm-ySelectionInfo")].map(({ textContent }) => textContent),
      };
  }
  throw new Error(what);
};

createInterface({ input: process.stdin }).on("line", async (line) => {
  let found;
  try {
    found = (await answer(JSON.parse(line))) ?? null;
  } catch (error) {
    found = { failed: String(error.stack) };
  }
  process.stdout.write(JSON.stringify(found) + "\n");
});
process.stdin.on("close", () => process.exit(0));
