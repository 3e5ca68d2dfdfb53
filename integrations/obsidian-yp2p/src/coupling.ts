/**
 * A note that is open in an editor, and its live file: one text from the moment on in which both say the same.
 *
 * Until then the editor shows what Obsidian read from the disk, and maybe more that was typed. That is saved as any save
 * is, the daemon merges it, and Obsidian reads the outcome from the disk. So the editor comes to show a text that the
 * live file had, now or a moment ago: nothing is in it that the live file lacks, and only then it is given the live text.
 * However long that takes, the note is as without the plugin. From then on the disk follows the live text: what Obsidian
 * reads there is older, or the same, and is not put into the editor; and nothing is left for Obsidian to save. That holds
 * only while the daemon is connected, and so does the coupling.
 */
import { EditorState, Prec, StateEffect, Transaction } from "@codemirror/state";
import type { ChangeSpec, Compartment } from "@codemirror/state";
import { keymap } from "@codemirror/view";
import type { EditorView } from "@codemirror/view";
import type { MarkdownView } from "obsidian";
import { yCollab, ySyncAnnotation, yUndoManagerKeymap } from "y-codemirror.next";
import { UndoManager } from "yjs";
import type { YTextEvent } from "yjs";
import type { LiveFile } from "./live";

const LOOK_MS = 50;
// The disk is behind the live text by a second or so: what others type in that time.
const MOST_RECENT = 64;

export class Coupling {
  #isCoupled = false;
  #isOver = false;
  #restore: () => void = () => {};
  #watched = (event: YTextEvent): void => {
    if (event.changes.delta.some(({ insert }) => typeof insert === "string" && insert.includes("\r")))
      this.hasReturns();
  };

  /**
   * @param view - of Obsidian's
   * @param compartment - is in all of its editors
   * @param hasReturns - is called when the text gets a carriage return, which an editor here would not keep
   */
  constructor(
    private readonly view: MarkdownView,
    private readonly live: LiveFile,
    private readonly compartment: Compartment,
    private readonly hasReturns: () => void,
  ) {}

  get isCoupled(): boolean {
    return this.#isCoupled;
  }

  /** Begin, once the live file has its text. */
  async begin(): Promise<void> {
    await this.#untilEqual();
    if (this.#isOver) return;
    if (this.#hasReturn()) {
      this.hasReturns();
      return;
    }
    // No await from the comparison to here and on: the editor shows nothing that the live text never had, and both go on
    // together. Nothing of that is to be saved: it may lack what the daemon has yet to read from the disk.
    this.#keepFromDisk();
    const editor = editorOf(this.view);
    const change = difference(editor.state.doc.toString(), this.live.text.toString());
    if (change !== null) editor.dispatch({ changes: change, annotations: Transaction.addToHistory.of(false) });
    const undoManager = new UndoManager(this.live.text);
    const extensions = [
      yCollab(this.live.text, this.live.awareness, { undoManager }),
      Prec.highest(keymap.of(yUndoManagerKeymap)),
      // What others write is not taken back by the editor's own history.
      EditorState.transactionExtender.of((transaction) =>
        transaction.annotation(ySyncAnnotation) ? { annotations: Transaction.addToHistory.of(false) } : null,
      ),
    ];
    const isThere = this.compartment.get(editor.state) !== undefined;
    const effect = isThere
      ? this.compartment.reconfigure(extensions)
      : StateEffect.appendConfig.of(this.compartment.of(extensions));
    editor.dispatch({ effects: effect });
    this.live.text.observe(this.#watched);
    this.#isCoupled = true;
  }

  /** The daemon went: let go of the editor, and have Obsidian save what the daemon may have left to be written. */
  lose(): void {
    const hadAll = this.#isCoupled;
    this.end();
    if (hadAll) this.view.requestSave();
  }

  /** Let go of the editor, which goes on with the text as it is. */
  end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#restore();
    if (!this.#isCoupled) return;
    this.#isCoupled = false;
    this.live.text.unobserve(this.#watched);
    const editor = editorOf(this.view);
    if (this.compartment.get(editor.state) !== undefined) {
      editor.dispatch({ effects: this.compartment.reconfigure([]) });
    }
  }

  #hasReturn(): boolean {
    return this.live.text.toString().includes("\r");
  }

  /**
   * Wait until the editor shows a text that the live file has, or had while this waits; or until it is over, or the text
   * is none for an editor here.
   */
  async #untilEqual(): Promise<void> {
    const { text } = this.live;
    const recent = [text.toString()];
    const remember = (): void => {
      recent.push(text.toString());
      if (recent.length > MOST_RECENT) recent.shift();
    };
    text.observe(remember);
    while (!this.#isOver && !this.#hasReturn() && !recent.includes(editorOf(this.view).state.doc.toString())) {
      await new Promise((done) => setTimeout(done, LOOK_MS));
    }
    text.unobserve(remember);
  }

  /**
   * While it is live, nothing of the disk comes into the editor, and nothing of the editor has to go there. Before the
   * view shows another file, or none, it is let go of: that text is no edit of this one.
   */
  #keepFromDisk(): void {
    const { view } = this;
    const { setViewData, requestSave, save, clear, onUnloadFile } = view;
    view.setViewData = (data, isOther) => {
      if (!isOther) return;
      this.end();
      view.setViewData(data, isOther);
    };
    view.clear = () => {
      this.end();
      view.clear();
    };
    view.onUnloadFile = (file) => {
      this.end();
      return view.onUnloadFile(file);
    };
    view.requestSave = () => {};
    view.save = async () => {};
    this.#restore = () => Object.assign(view, { setViewData, requestSave, save, clear, onUnloadFile });
  }
}

/** The editor of a view. Obsidian's types say nothing of it; its plugins all use it. */
export function editorOf(view: MarkdownView): EditorView {
  return (view.editor as unknown as { cm: EditorView }).cm;
}

/** What makes one text of another, as one change; null where they are equal. */
export function difference(old: string, wanted: string): ChangeSpec | null {
  if (old === wanted) return null;
  let from = 0;
  const shorter = Math.min(old.length, wanted.length);
  while (from < shorter && old[from] === wanted[from]) from++;
  let same = 0;
  while (same < shorter - from && old[old.length - 1 - same] === wanted[wanted.length - 1 - same]) same++;
  return { from, to: old.length - same, insert: wanted.slice(from, wanted.length - same) };
}
