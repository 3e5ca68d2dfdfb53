// As much of Obsidian as the plugin uses (contract.ts), with real editors of CodeMirror: a vault is a directory, a note
// is saved a moment after it was changed, and what changes on the disk is put into the editor, as Obsidian does.
const { EditorState, StateEffect } = require("@codemirror/state");
const { EditorView } = require("@codemirror/view");
const { history } = require("@codemirror/commands");
const fs = require("node:fs");
const { join } = require("node:path");

const SAVE_MS = 150; // Obsidian: 2 s
const LOOK_MS = 40;

class Events {
  #handlers = new Map();
  on(name, call) {
    this.#handlers.set(name, [...(this.#handlers.get(name) ?? []), call]);
    return { name, call };
  }
  trigger(name, ...given) {
    for (const call of this.#handlers.get(name) ?? []) call(...given);
  }
}

class TFile {
  constructor(path) {
    this.path = path;
  }
}

class FileSystemAdapter {
  constructor(base) {
    this.base = base;
  }
  getFullPath(path) {
    return join(this.base, path);
  }
}

class Vault extends Events {
  #files = new Map();
  constructor(base) {
    super();
    this.adapter = new FileSystemAdapter(base);
  }
  getAbstractFileByPath(path) {
    if (!this.#files.has(path) && fs.existsSync(this.adapter.getFullPath(path))) this.#files.set(path, new TFile(path));
    return this.#files.get(path) ?? null;
  }
  read(file) {
    return fs.readFileSync(this.adapter.getFullPath(file.path), "utf8");
  }
  modify(file, data) {
    fs.writeFileSync(this.adapter.getFullPath(file.path), data);
  }
  rename(file, path) {
    const old = file.path;
    fs.renameSync(this.adapter.getFullPath(old), this.adapter.getFullPath(path));
    this.#files.delete(old);
    file.path = path;
    this.#files.set(path, file);
    this.trigger("rename", file, old);
  }
  // It went from the disk, or is to go.
  lose(file) {
    fs.rmSync(this.adapter.getFullPath(file.path), { force: true });
    this.#files.delete(file.path);
    this.trigger("delete", file);
  }
}

class MarkdownView {
  constructor(app) {
    this.app = app;
    this.file = null;
    this.data = "";
    const changed = EditorView.updateListener.of(({ docChanged }) => docChanged && !this.isLoading && this.requestSave());
    const state = EditorState.create({ extensions: [history(), changed, ...app.extensions] });
    this.editor = { cm: new EditorView({ state, parent: document.body }) };
    Object.defineProperty(this.editor.cm, "hasFocus", { get: () => true });
    this.timer = setInterval(() => this.look(), LOOK_MS);
  }
  getViewData() {
    return this.editor.cm.state.doc.toString();
  }
  setViewData(data, clear) {
    this.isLoading = true;
    if (clear) this.clear();
    const { cm } = this.editor;
    cm.dispatch({ changes: { from: 0, to: cm.state.doc.length, insert: data } });
    this.isLoading = false;
  }
  clear() {
    const { cm } = this.editor;
    cm.dispatch({ changes: { from: 0, to: cm.state.doc.length } });
  }
  requestSave() {
    clearTimeout(this.saving);
    this.saving = setTimeout(() => void this.save(), SAVE_MS);
  }
  async save() {
    clearTimeout(this.saving);
    if (this.file === null || this.getViewData() === this.data) return;
    this.data = this.getViewData();
    this.app.vault.modify(this.file, this.data);
    this.app.saves++;
  }
  async onUnloadFile() {
    await this.save();
    this.clear();
    this.file = null;
  }
  async onLoadFile(file) {
    this.file = file;
    this.data = this.app.vault.read(file);
    this.setViewData(this.data, true);
  }
  // Somebody changed the file, and nothing is waiting to be saved.
  look() {
    if (this.file === null || !fs.existsSync(this.app.vault.adapter.getFullPath(this.file.path))) return;
    const data = this.app.vault.read(this.file);
    if (data === this.data) return;
    this.data = data;
    this.app.reloads++;
    this.setViewData(data, false);
  }
}

class Workspace extends Events {
  leaves = [];
  active = null;
  iterateAllLeaves(call) {
    for (const leaf of this.leaves) call(leaf);
  }
  getActiveViewOfType(type) {
    return this.active instanceof type ? this.active : null;
  }
  onLayoutReady(call) {
    call();
  }
}

class App {
  extensions = [];
  saves = 0;
  reloads = 0;
  workspace = new Workspace();
  constructor(base) {
    this.vault = new Vault(base);
  }
  // A note is shown in a leaf, in place of what was there.
  async show(leaf, path) {
    let { view } = this.workspace.leaves[leaf] ?? {};
    if (view === undefined) {
      view = new MarkdownView(this);
      this.workspace.leaves[leaf] = { view };
    }
    if (view.file !== null) await view.onUnloadFile(view.file);
    await view.onLoadFile(this.vault.getAbstractFileByPath(path));
    this.workspace.active = view;
    this.workspace.trigger("file-open", view.file);
  }
}

class Plugin {
  constructor(app, saved) {
    this.app = app;
    this.saved = saved;
  }
  addStatusBarItem() {
    return { setText: (text) => (this.said = text) };
  }
  addSettingTab(tab) {
    this.tab = tab;
  }
  registerEditorExtension(extension) {
    this.app.extensions.push(extension);
    for (const { view } of this.app.workspace.leaves) {
      view.editor.cm.dispatch({ effects: StateEffect.appendConfig.of(extension) });
    }
  }
  registerEvent() {}
  async loadData() {
    return this.saved;
  }
  async saveData(data) {
    this.saved = data;
  }
}

const notices = [];
class Notice {
  constructor(text) {
    notices.push(text);
  }
}
class PluginSettingTab {}
class Setting {}

module.exports = { App, FileSystemAdapter, MarkdownView, Notice, Plugin, PluginSettingTab, Setting, TFile, notices };
