/**
 * The editor of the page: one text of a folder, live, together with whoever else has it open.
 *
 * CodeMirror is in a shadow root, where its style sheets need no nonce. All that comes from others (text, names, reasons)
 * is put in as text.
 */
import { defaultKeymap } from "@codemirror/commands";
import { bracketMatching } from "@codemirror/language";
import { highlightSelectionMatches, search, searchKeymap } from "@codemirror/search";
import { Compartment, EditorState } from "@codemirror/state";
import type { Extension } from "@codemirror/state";
import {
  EditorView,
  drawSelection,
  highlightActiveLine,
  highlightSpecialChars,
  keymap,
  lineNumbers,
} from "@codemirror/view";
import { yCollab, yUndoManagerKeymap } from "y-codemirror.next";
import { blame, show } from "./blame";
import type { BlamedLine } from "./blame";
import { carets } from "./carets";
import { lineEnds } from "./line_ends";
import { isMarkdown, markdown } from "./markdown";
import { othersIn, plain } from "./people";
import { preview } from "./preview";
import { sessionOf } from "./session";
import type { Session } from "./session";
import { sentence } from "./state";
import { post, sentence as sentenceOf } from "../api";
import type { Happening } from "../answers";
import { onHappening } from "../live";

export interface EditorOptions {
  /** The folder's ID. */
  folder: string;
  /** Where the folder is on this device. */
  directory: string;
  /** The file's path in the folder. */
  path: string;
  /** What others see at this caret. */
  person: string;
  /** Of the page's session. */
  token: string;
  /** Whether nothing can be written: this device only reads the folder, or the page may only look. */
  isReadOnly: boolean;
  /** The file has another path now. */
  onMoved: (path: string) => void;
  /** Close this editor, and open another one at this path: the text here is not the one that is there now. */
  onReopen: (path: string) => void;
}

const PREVIEW_PAUSE_MS = 250;
const BLAME_PAUSE_MS = 1500;

const looks = EditorView.theme({
  "&": { height: "100%", color: "var(--text, inherit)", backgroundColor: "var(--surface, transparent)" },
  "&.cm-focused": { outline: "none" }, // editor.css: around the line numbers as well
  ".cm-scroller": { fontFamily: "ui-monospace, monospace", fontSize: "0.95rem", lineHeight: "1.5" },
  ".cm-content": { caretColor: "var(--text, currentColor)", paddingTop: "1.2em" },
  ".cm-cursor": { borderLeftColor: "var(--text, currentColor)" },
  ".cm-gutters": {
    color: "var(--muted, inherit)",
    backgroundColor: "var(--surface, transparent)",
    borderRight: "none",
  },
  ".cm-gutter": { paddingTop: "0" },
  ".cm-activeLine": { backgroundColor: "color-mix(in srgb, var(--accent, #0b57d0) 7%, transparent)" },
  "&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground": {
    backgroundColor: "color-mix(in srgb, var(--accent, #0b57d0) 28%, transparent)",
  },
  ".cm-panels": { color: "var(--text, inherit)", backgroundColor: "var(--raised, var(--surface, #f4f4f4))" },
  ".cm-textfield, .cm-button": { color: "inherit", backgroundColor: "var(--surface, #fff)", backgroundImage: "none" },
});

function element<Name extends keyof HTMLElementTagNameMap>(name: Name, className: string): HTMLElementTagNameMap[Name] {
  const made = document.createElement(name);
  made.className = className;
  return made;
}

function button(text: string, act: () => void): HTMLButtonElement {
  const made = element("button", "plain editor-button");
  made.type = "button";
  made.textContent = text;
  made.addEventListener("click", act);
  return made;
}

/** A button that turns something on and off. */
function toggle(text: string, act: (isOn: boolean) => void): HTMLButtonElement {
  const made = button(text, () => {
    const isOn = made.getAttribute("aria-pressed") !== "true";
    made.setAttribute("aria-pressed", String(isOn));
    act(isOn);
  });
  made.setAttribute("aria-pressed", "false");
  return made;
}

/** An editor in an empty element of the page. */
export class TextEditor {
  readonly #session: Session;
  readonly #view: EditorView;
  readonly #ends: (() => void)[] = [];
  readonly #root = element("div", "editor");
  readonly #state = element("p", "editor-state");
  readonly #people = element("p", "editor-people");
  readonly #notice = element("div", "editor-notice");
  readonly #preview = element("div", "editor-preview");
  readonly #rescue = element("span", "editor-rescue");
  readonly #writable = new Compartment();
  readonly #blamed = new Compartment();
  #previewTimer = 0;
  #blameTimer = 0;
  #isBlaming = false;
  #isPreviewing = false;

  constructor(
    private readonly host: HTMLElement,
    private readonly options: EditorOptions,
  ) {
    const { folder, path, token, person } = options;
    this.#session = sessionOf({ folder, path, token });
    this.#session.awareness.setLocalStateField("user", {
      name: plain(person),
      color: "#0b57d0",
      colorLight: "#0b57d033",
    });
    this.#view = this.#build();
    this.#ends.push(
      this.#session.enter(),
      this.#session.onChange(() => this.#showState()),
      onHappening((event) => this.#onEvent(event)),
    );
    const onPeople = (): void => this.#showPeople();
    this.#session.awareness.on("change", onPeople);
    this.#ends.push(() => this.#session.awareness.off("change", onPeople));
    this.#showState();
    this.#showPeople();
  }

  /** Take it from the page. What is not stored yet stays in the tab until it is. */
  close(): void {
    clearTimeout(this.#previewTimer);
    clearTimeout(this.#blameTimer);
    this.#view.destroy();
    for (const end of this.#ends.reverse()) end();
    this.#root.remove();
  }

  // --- what it is made of ---

  #build(): EditorView {
    const bar = element("div", "editor-bar");
    this.#state.setAttribute("role", "status");
    bar.append(this.#state, this.#people, this.#tools());
    this.#notice.setAttribute("role", "alert");
    const panes = element("div", "editor-panes");
    const text = element("div", "editor-text");
    this.#preview.setAttribute("role", "region");
    this.#preview.setAttribute("aria-label", "Preview");
    this.#preview.tabIndex = 0;
    this.#preview.hidden = true;
    panes.append(text, this.#preview);
    this.#root.append(bar, this.#notice, panes);
    this.host.append(this.#root);
    const shadow = text.attachShadow({ mode: "open" });
    return new EditorView({ parent: shadow, root: shadow, state: this.#firstState() });
  }

  #tools(): HTMLElement {
    const tools = element("div", "editor-tools");
    tools.setAttribute("role", "group");
    tools.setAttribute("aria-label", "Editor");
    if (isMarkdown(this.options.path)) tools.append(toggle("Preview", (isOn) => this.#togglePreview(isOn)));
    tools.append(toggle("Authors", (isOn) => this.#toggleBlame(isOn)));
    if (!this.options.isReadOnly) {
      const { undo } = this.#session;
      tools.append(
        button("Undo", () => undo.undo()),
        button("Redo", () => undo.redo()),
      );
    }
    tools.append(this.#rescue);
    this.#rescue.hidden = true;
    this.#rescue.append(
      button("Copy the text", () => void this.#copy()),
      button("Open what is there now", () => this.#openAnew()),
    );
    return tools;
  }

  #firstState(): EditorState {
    const { text, awareness, undo } = this.#session;
    return EditorState.create({
      doc: text.toString(),
      extensions: [
        lineEnds(), // first: it says where lines end
        this.#blamed.of([]),
        lineNumbers(),
        highlightSpecialChars(),
        drawSelection(),
        highlightActiveLine(),
        bracketMatching(),
        highlightSelectionMatches(),
        search({ top: true }),
        keymap.of([...yUndoManagerKeymap, ...defaultKeymap, ...searchKeymap]),
        EditorView.lineWrapping,
        EditorView.contentAttributes.of({ "aria-label": `Text of ${plain(this.options.path)}` }),
        this.#writable.of(this.#asWritable()),
        isMarkdown(this.options.path) ? markdown() : [],
        yCollab(text, null, { undoManager: undo }),
        carets(awareness, text),
        looks,
        EditorView.updateListener.of((update) => {
          if (update.docChanged) this.#onText();
        }),
      ],
    });
  }

  #asWritable(): Extension {
    const isWritable = !this.options.isReadOnly && !this.#session.isOver && this.#session.hasText;
    return [EditorState.readOnly.of(!isWritable), EditorView.editable.of(isWritable)];
  }

  // --- what is said ---

  #showState(): void {
    const state = this.#session.standing;
    this.#state.dataset["state"] = state.kind;
    const text = state.kind === "saved" && this.options.isReadOnly ? "You can only read this text" : sentence(state);
    if (this.#state.textContent !== text) this.#state.textContent = text;
    this.#rescue.hidden = state.kind !== "ended";
    this.#showNotice();
    const isWritable = !this.options.isReadOnly && !this.#session.isOver && this.#session.hasText;
    if (this.#view.state.readOnly === isWritable) {
      this.#view.dispatch({ effects: this.#writable.reconfigure(this.#asWritable()) });
    }
  }

  #showNotice(): void {
    const { notice } = this.#session;
    if ((this.#notice.firstChild?.textContent ?? null) === notice) return;
    this.#notice.replaceChildren();
    if (notice === null) return;
    const text = element("p", "editor-notice-text");
    text.textContent = notice;
    this.#notice.append(
      text,
      button("Close this message", () => this.#session.say(null)),
    );
  }

  #showPeople(): void {
    // Somebody with two windows is one person.
    const people = new Map(othersIn(this.#session.awareness).map((person) => [person.name, person]));
    this.#people.replaceChildren();
    if (people.size === 0) {
      this.#people.append("Nobody else is here. What you type is saved as you type it.");
      return;
    }
    this.#people.append("Also here: ");
    [...people.values()].forEach((person, index) => {
      const name = element("bdi", `editor-person yp-colour-${person.colour}`);
      name.textContent = person.name;
      this.#people.append(index > 0 ? ", " : "", name);
    });
  }

  // --- what happens ---

  #onText(): void {
    if (this.#isPreviewing) {
      clearTimeout(this.#previewTimer);
      this.#previewTimer = window.setTimeout(() => this.#showPreview(), PREVIEW_PAUSE_MS);
    }
    if (this.#isBlaming) {
      clearTimeout(this.#blameTimer);
      this.#blameTimer = window.setTimeout(() => void this.#askBlame(), BLAME_PAUSE_MS);
    }
  }

  /** What becomes of the file while it is open. */
  #onEvent(event: Happening): void {
    if (event.kind !== "file" || event["folder"] !== this.options.folder) return;
    const { path } = this.#session.place;
    const by = this.#by(event);
    const now = String(event["path"]);
    if (event["change"] === "renamed" && event["was"] === path) {
      this.#session.moved(now);
      this.#session.say(`This file is called ${plain(now)} now${by}.`);
      this.options.onMoved(now);
    } else if (now !== path) {
      return;
    } else if (event["change"] === "deleted") {
      this.#session.say(`This file was deleted${by}. What you write here brings it back.`);
    } else if (event["type"] !== "text") {
      this.#session.end(`this file is no text any more${by}`);
    }
  }

  #by(event: Happening): string {
    const devices = Array.isArray(event["devices"]) ? event["devices"].map((name) => plain(String(name))) : [];
    return devices.length > 0 ? ` (on ${devices.join(", ")})` : "";
  }

  #togglePreview(isOn: boolean): void {
    this.#isPreviewing = isOn;
    this.#preview.hidden = !isOn;
    this.#root.classList.toggle("editor-with-preview", isOn);
    this.#showPreview();
  }

  #showPreview(): void {
    this.#preview.replaceChildren();
    if (this.#isPreviewing) this.#preview.append(preview(this.#session.text.toString()));
  }

  #toggleBlame(isOn: boolean): void {
    this.#isBlaming = isOn;
    this.#view.dispatch({ effects: this.#blamed.reconfigure(isOn ? blame() : []) });
    if (isOn) void this.#askBlame();
  }

  async #askBlame(): Promise<void> {
    const path = `${this.options.directory}/${this.#session.place.path}`;
    try {
      const answer = await post<{ lines: BlamedLine[] }>("/v1/history/blame", { path });
      if (this.#isBlaming) show(this.#view, answer.lines);
    } catch (error) {
      this.#session.say(sentenceOf(error));
    }
  }

  async #copy(): Promise<void> {
    try {
      await navigator.clipboard.writeText(this.#session.text.toString());
      this.#session.say("The text is in the clipboard.");
    } catch {
      this.#session.say("The browser did not let the text into the clipboard: select it and copy it.");
    }
  }

  #openAnew(): void {
    const { unsaved } = this.#session;
    const question = `${unsaved === 1 ? "1 edit is" : `${unsaved} edits are`} in this tab only. Let go of them?`;
    if (unsaved > 0 && !window.confirm(question)) return;
    this.#session.discard();
    this.options.onReopen(this.#session.place.path);
  }
}
