/**
 * The plugin: which of the open notes are live.
 *
 * A note that is in no folder, or whose text an editor here would not keep, is as it was without the plugin, and so is
 * every note while no daemon runs.
 */
import { Compartment } from "@codemirror/state";
import { FileSystemAdapter, MarkdownView, Notice, Plugin, PluginSettingTab, Setting, TFile } from "obsidian";
import type { App } from "obsidian";
import { userInfo } from "node:os";
import { Coupling } from "./coupling";
import { LiveFile } from "./live";
import { findDocumentsSocket } from "./socket";

interface Settings {
  /** What others see. */
  name: string;
  /** The daemon's socket of live documents; empty: where it is by default. */
  socket: string;
}

interface Open {
  readonly file: TFile;
  live: LiveFile;
  coupling: Coupling | null;
  /** Why it is as any file, once that is known. */
  plain: string | null;
}

export default class Yp2pPlugin extends Plugin {
  settings: Settings = { name: "", socket: "" };
  #compartment = new Compartment();
  #open = new Map<MarkdownView, Open>();
  #status: HTMLElement | null = null;

  override async onload(): Promise<void> {
    this.settings = { ...this.settings, ...((await this.loadData()) as Partial<Settings> | null) };
    this.#status = this.addStatusBarItem();
    this.addSettingTab(new Tab(this.app, this));
    this.registerEditorExtension(this.#compartment.of([]));
    const look = (): void => this.look();
    this.registerEvent(this.app.workspace.on("file-open", look));
    this.registerEvent(this.app.workspace.on("active-leaf-change", look));
    this.registerEvent(this.app.workspace.on("layout-change", look));
    this.registerEvent(this.app.vault.on("rename", look));
    this.registerEvent(this.app.vault.on("delete", look));
    this.app.workspace.onLayoutReady(look);
  }

  override onunload(): void {
    for (const view of [...this.#open.keys()]) this.#close(view);
  }

  async changeSettings(changed: Partial<Settings>): Promise<void> {
    this.settings = { ...this.settings, ...changed };
    await this.saveData(this.settings);
    for (const view of [...this.#open.keys()]) this.#close(view);
    this.look();
  }

  /** Have every note that an editor shows open, and no other. A renamed one stays: the daemon knows the file. */
  look(): void {
    const shown = new Set<MarkdownView>();
    this.app.workspace.iterateAllLeaves(({ view }) => {
      if (view instanceof MarkdownView && view.file !== null) shown.add(view);
    });
    for (const [view, { file }] of [...this.#open]) {
      const isThere = shown.has(view) && view.file === file && this.app.vault.getAbstractFileByPath(file.path) === file;
      if (!isThere) this.#close(view);
    }
    for (const view of shown) if (!this.#open.has(view)) this.#begin(view);
    this.#show();
  }

  #begin(view: MarkdownView): void {
    const { adapter } = this.app.vault;
    const file = view.file;
    if (file === null || !(adapter instanceof FileSystemAdapter)) return;
    const live = this.#connect(view, adapter.getFullPath(file.path), null);
    this.#open.set(view, { file, live, coupling: null, plain: null });
  }

  #connect(view: MarkdownView, path: string, fileName: string | null): LiveFile {
    const user = this.settings.name || userInfo().username;
    const watcher = {
      changed: () => void this.#changed(view),
      lost: () => this.#lost(view),
      ended: (reason: string | null) => this.#ended(view, reason),
    };
    return new LiveFile(this.settings.socket || findDocumentsSocket(), path, user, watcher, fileName);
  }

  async #changed(view: MarkdownView): Promise<void> {
    const open = this.#open.get(view);
    if (open !== undefined && open.coupling === null && open.plain === null && open.live.hasText) {
      open.coupling = new Coupling(view, open.live, this.#compartment, () => {
        this.#becomesPlain(open, "it has the line ends of Windows");
      });
      await open.coupling.begin();
    }
    this.#show();
  }

  /** The note is as without the plugin until the daemon is back; then everything begins anew. */
  #lost(view: MarkdownView): void {
    const open = this.#open.get(view);
    const { adapter } = this.app.vault;
    if (open === undefined || !(adapter instanceof FileSystemAdapter)) return;
    open.coupling?.lose();
    open.coupling = null;
    open.live = this.#connect(view, adapter.getFullPath(open.file.path), open.live.name);
    this.#show();
  }

  #ended(view: MarkdownView, reason: string | null): void {
    const open = this.#open.get(view);
    if (open === undefined) return;
    if (reason !== null) new Notice(`yp2p: ${open.file.path} is not live any more: ${reason}`);
    this.#becomesPlain(open, reason ?? "it is in no folder");
  }

  #becomesPlain(open: Open, why: string): void {
    open.plain = why;
    open.coupling?.end();
    open.live.end();
    this.#show();
  }

  #close(view: MarkdownView): void {
    const open = this.#open.get(view);
    this.#open.delete(view);
    open?.coupling?.end();
    open?.live.end();
  }

  #show(): void {
    const view = this.app.workspace.getActiveViewOfType(MarkdownView);
    const open = view !== null ? this.#open.get(view) : undefined;
    this.#status?.setText(open === undefined ? "" : sentence(open));
  }
}

/** What the status bar says of a note. */
function sentence({ live, coupling, plain }: Open): string {
  if (plain !== null) return `yp2p: not live, ${plain}`;
  if (coupling === null) return "yp2p: no daemon; what you type is merged when it is back";
  if (!coupling.isCoupled) return "yp2p: not live yet; what you type is merged when it is saved";
  return live.others.length === 0 ? "yp2p: live" : `yp2p: live, with ${live.others.join(", ")}`;
}

class Tab extends PluginSettingTab {
  constructor(
    app: App,
    private readonly plugin: Yp2pPlugin,
  ) {
    super(app, plugin);
  }

  override display(): void {
    this.containerEl.empty();
    new Setting(this.containerEl)
      .setName("Name")
      .setDesc("What others see; empty: your login.")
      .addText((text) =>
        text
          .setValue(this.plugin.settings.name)
          .onChange((name) => void this.plugin.changeSettings({ name: name.trim() })),
      );
    new Setting(this.containerEl)
      .setName("Socket")
      .setDesc("The daemon's documents.sock; empty: where it is by default.")
      .addText((text) =>
        text
          .setValue(this.plugin.settings.socket)
          .onChange((socket) => void this.plugin.changeSettings({ socket: socket.trim() })),
      );
  }
}
