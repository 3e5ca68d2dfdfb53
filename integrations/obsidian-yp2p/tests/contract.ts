/**
 * What the plugin uses of Obsidian: `tsc` compares it with Obsidian's types, `test_plugin.py` with what stands for
 * Obsidian in the tests.
 */
import type { App, FileSystemAdapter, MarkdownView, Plugin, Vault, Workspace } from "obsidian";

const contract: {
  App: (keyof App)[];
  Vault: (keyof Vault)[];
  Workspace: (keyof Workspace)[];
  FileSystemAdapter: (keyof FileSystemAdapter)[];
  MarkdownView: (keyof MarkdownView)[];
  Plugin: (keyof Plugin)[];
} = {
  App: ["vault", "workspace"],
  Vault: ["adapter", "getAbstractFileByPath", "on"],
  Workspace: ["getActiveViewOfType", "iterateAllLeaves", "on", "onLayoutReady"],
  FileSystemAdapter: ["getFullPath"],
  MarkdownView: ["clear", "editor", "file", "onUnloadFile", "requestSave", "save", "setViewData"],
  Plugin: [
    "addSettingTab",
    "addStatusBarItem",
    "app",
    "loadData",
    "registerEditorExtension",
    "registerEvent",
    "saveData",
  ],
};

export default contract;
